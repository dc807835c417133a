"""From which score on a label is said."""

from __future__ import annotations

import numpy as np
import pytest
from edge_recog_converter.evaluation.thresholds import claimed, tuned_thresholds
from hypothesis import assume, given, settings
from hypothesis import strategies as st

scored = st.lists(
    st.tuples(
        st.one_of(
            st.floats(0, 1, width=32), st.integers(0, 16).map(lambda sixteenths: sixteenths / 16)
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
"""Score and whether the label applies, of each picture; some scores are equal."""


@pytest.mark.parametrize(
    ("scores", "present", "expected"),
    [
        ([0.125, 0.25, 0.75, 0.875], [0, 0, 1, 1], 0.5),
        ([0.125, 0.25, 0.375, 0.875], [0, 0, 1, 1], 0.3125),
        ([0.25, 0.75], [1, 0], 0.125),
        ([0.0, 0.75], [1, 0], 0.0),
        ([0.5, 0.5], [1, 0], 0.25),
        ([0.25, 0.75], [0, 0], 0.5),
        ([0.25, 0.75], [1, 1], 0.5),
        ([0.9], [1], 0.5),
    ],
    ids=[
        "between",
        "nearer to 0",
        "under the least",
        "at 0 if that is the least",
        "all equal",
        "none has it",
        "all have it",
        "one picture",
    ],
)
def test_thresholds_by_hand(scores: list[float], present: list[int], expected: float) -> None:
    assert tuned_thresholds(np.array([scores]).T, np.array([present]).T) == (expected,)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.875, 0.625, 0.125, 0.125], 0.75), ([0.9375, 0.875, 0.75, 0.75], 0.375)],
    ids=["the upper", "the lower"],
)
def test_of_equally_good_ones_the_one_nearest_to_a_half_is_taken(
    scores: list[float], expected: float
) -> None:
    # F1 of saying the best one, two and all four: 2/3, 2/4, 4/6.
    present = np.array([[1, 0, 1, 0]]).T
    assert tuned_thresholds(np.array([scores]).T, present) == (expected,)


def test_of_two_equally_near_the_lower_is_taken() -> None:
    scores = np.array([[0.875, 0.625, 0.5, 0.5]]).T
    assert tuned_thresholds(scores, np.array([[1, 0, 1, 0]]).T) == (0.25,)


def test_each_label_has_its_own() -> None:
    scores = np.array([[0.125, 0.5], [0.375, 0.75]])
    assert tuned_thresholds(scores, np.array([[0, 0], [1, 1]])) == (0.25, 0.625)


def test_adjacent_scores_are_told_apart() -> None:
    low = np.float32(0.7)
    scores = np.array([[low], [np.nextafter(low, np.float32(1))]], np.float32)
    for values in (scores, scores.astype(np.float64)):
        (threshold,) = tuned_thresholds(values, np.array([[0], [1]]))
        assert claimed(values, [threshold]).ravel().tolist() == [False, True]


def test_a_score_on_its_threshold_counts_as_in_the_runtime() -> None:
    assert claimed(np.array([[0.3, 0.2]], np.float32), [0.3, 0.3]).tolist() == [[True, False]]


@settings(derandomize=True, deadline=None)
@given(scored)
def test_no_threshold_has_a_better_f1(pictures: list[tuple[float, bool]]) -> None:
    scores, present = _columns(pictures)
    assume(not present.all())
    (threshold,) = tuned_thresholds(scores, present)
    assert 0 <= threshold <= 1
    best = _f1(scores, present, threshold)
    for other in np.unique(np.concatenate([scores.ravel(), [0.0, 1.0]])):
        assert best >= _f1(scores, present, float(other))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 16), st.booleans()), min_size=1, max_size=40))
def test_answers_stay_if_scores_far_apart_come_in_steps_of_a_256th(
    pictures: list[tuple[int, bool]],
) -> None:
    # Off the grid, so that rounding moves them.
    scores, present = _columns([((step + 0.3) / 17, whether) for step, whether in pictures])
    assume(present.any() and not present.all())
    thresholds = tuned_thresholds(scores, present)
    quantised = (np.round(scores * 256) / 256).astype(np.float32)
    assert (claimed(quantised, thresholds) == claimed(scores, thresholds)).all()


def _columns(pictures: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores, present = zip(*pictures, strict=True)
    return np.array([scores], np.float32).T, np.array([present]).T


def _f1(scores: np.ndarray, present: np.ndarray, threshold: float) -> float:
    said = claimed(scores, [threshold])
    claims = int(said.sum() + present.sum())
    return 2 * int((said & present).sum()) / claims if claims else 0.0
