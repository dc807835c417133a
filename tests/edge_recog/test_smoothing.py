from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.smoothing import Smoother

SECOND = 1_000_000_000
SCORES = st.dictionaries(st.sampled_from("abc"), st.floats(0, 1))


def test_the_first_frame_is_taken_as_it_is() -> None:
    assert Smoother(half_life_s=1.0).update({"a": 0.7}, 5) == {"a": 0.7}


def test_after_one_half_life_old_and_new_count_half() -> None:
    smoother = Smoother(half_life_s=2.0)
    smoother.update({"a": 1.0}, 0)

    assert smoother.update({"a": 0.5}, 2 * SECOND)["a"] == pytest.approx(0.75)


def test_an_absent_label_counts_as_0() -> None:
    smoother = Smoother(half_life_s=1.0)
    smoother.update({"a": 0.8}, 0)

    assert smoother.update({"b": 0.8}, SECOND) == pytest.approx({"a": 0.4, "b": 0.4})


def test_frames_that_come_more_often_change_nothing() -> None:
    seldom, often = Smoother(half_life_s=0.5), Smoother(half_life_s=0.5)
    seldom.update({"a": 0.0}, 0)
    often.update({"a": 0.0}, 0)
    for at_ns in (SECOND // 7, SECOND // 3, SECOND // 2):
        often.update({"a": 1.0}, at_ns)

    assert often.update({"a": 1.0}, SECOND)["a"] == pytest.approx(
        seldom.update({"a": 1.0}, SECOND)["a"]
    )


def test_a_frame_of_the_same_instant_has_no_weight() -> None:
    smoother = Smoother(half_life_s=1.0)
    smoother.update({"a": 0.2}, 7)

    assert smoother.update({"a": 1.0}, 7) == {"a": 0.2}


def test_a_half_life_of_0_does_not_smooth() -> None:
    smoother = Smoother(half_life_s=0.0)
    smoother.update({"a": 0.2}, 7)

    assert smoother.update({"b": 1.0}, 7) == {"b": 1.0}


def test_after_a_reset_nothing_is_left_of_the_past() -> None:
    smoother = Smoother(half_life_s=100.0)
    smoother.update({"a": 1.0}, 0)
    smoother.reset()

    assert smoother.update({"b": 0.5}, 1) == {"b": 0.5}


def test_a_label_that_is_gone_for_long_is_dropped() -> None:
    smoother = Smoother(half_life_s=0.1)
    smoother.update({"a": 1.0}, 0)

    assert smoother.update({"b": 1.0}, 10 * SECOND).keys() == {"b"}


def test_what_is_returned_may_be_changed() -> None:
    smoother = Smoother(half_life_s=1.0)
    smoother.update({"a": 0.4}, 0).clear()

    assert smoother.update({"a": 0.4}, SECOND) == pytest.approx({"a": 0.4})


@pytest.mark.parametrize("half_life_s", [-1.0, math.nan, math.inf])
def test_half_lives_that_mean_nothing_are_refused(half_life_s: float) -> None:
    with pytest.raises(ValueError, match="half_life_s"):
        Smoother(half_life_s=half_life_s)


@settings(derandomize=True, deadline=None)
@given(
    st.floats(0, 10), st.lists(st.tuples(SCORES, st.integers(0, 10**12)), min_size=1, max_size=30)
)
def test_a_smoothed_score_lies_between_those_there_were(
    half_life_s: float, frames: list[tuple[dict[str, float], int]]
) -> None:
    smoother = Smoother(half_life_s=half_life_s)
    at_ns = 0
    seen: dict[str, list[float]] = {label: [] for label in "abc"}
    for scores, passed_ns in frames:
        at_ns += passed_ns
        smoothed = smoother.update(scores, at_ns)
        for label in "abc":
            seen[label].append(scores.get(label, 0.0))
            # What is dropped as forgotten differs from 0 by less than 1e-4.
            low, high = min(seen[label]) - 1e-4, max(seen[label]) + 1e-12
            assert low <= smoothed.get(label, 0.0) <= high
        assert all(0 <= score <= 1 for score in smoothed.values())
