"""When a candidate has proved itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.store import Candidate, TrialRules
from edge_recog.store.health import Commit, Health, RollBack

SECOND = 10**9
RULES = TrialRules(healthy_min=1.0, frames=100, pause_s=5.0, patience_h=1.0)
FRESH = Candidate(version="a" * 64)


def test_enough_frames_prove_it() -> None:
    health = Health(RULES, FRESH, now_ns=0)
    health.answered(SECOND, 99)
    assert health.decide(SECOND) is None
    health.answered(SECOND)

    assert health.decide(SECOND) == Commit()


def test_enough_healthy_time_proves_it() -> None:
    health = Health(RULES, FRESH, now_ns=0)
    for second in range(0, 60, 3):
        health.answered(second * SECOND)
        assert health.decide(second * SECOND) is None
    health.answered(60 * SECOND)

    assert health.decide(60 * SECOND) == Commit()


def test_time_without_answers_does_not_count() -> None:
    health = Health(RULES, FRESH, now_ns=0)
    for minute in range(10):
        health.answered(minute * 60 * SECOND)

    assert health.healthy_s == 0.0
    assert health.decide(600 * SECOND) is None


def test_what_an_earlier_process_saw_counts() -> None:
    earlier = Candidate(version="a" * 64, frames=99, healthy_s=10.0, ran_s=100.0)
    health = Health(RULES, earlier, now_ns=7 * SECOND)
    assert health.decide(7 * SECOND) is None
    assert health.ran_s(8 * SECOND) == 101.0
    health.answered(8 * SECOND)

    assert health.decide(8 * SECOND) == Commit()


def test_the_first_failure_decides_whatever_comes_after() -> None:
    health = Health(RULES, FRESH, now_ns=0)
    health.answered(SECOND, 1000)
    health.unhealthy("it hangs")
    health.unhealthy("it crashed")

    assert health.decide(SECOND) == RollBack("it hangs", counts=True)


def test_who_proves_nothing_is_given_up_and_not_blamed() -> None:
    health = Health(RULES, FRESH, now_ns=0)
    assert health.decide(3599 * SECOND) is None
    decision = health.decide(3600 * SECOND)

    assert isinstance(decision, RollBack)
    assert not decision.counts


@given(st.lists(st.tuples(st.integers(-100, 100), st.integers(1, 5)), max_size=60))
def test_healthy_time_is_never_more_than_went_by(steps: list[tuple[int, int]]) -> None:
    health = Health(TrialRules(), FRESH, now_ns=0)
    now_ns = latest_ns = 0
    for step, frames in steps:
        now_ns = max(0, now_ns + step * SECOND)
        latest_ns = max(latest_ns, now_ns)
        before_s = health.healthy_s
        health.answered(now_ns, frames)
        assert before_s <= health.healthy_s <= before_s + 5.0

    assert health.frames == sum(frames for _, frames in steps)


@pytest.mark.parametrize("now_ns", [-(10**18), 0, 10**18])
def test_a_clock_that_is_elsewhere_is_survived(now_ns: int) -> None:
    health = Health(RULES, FRESH, now_ns=now_ns)
    health.answered(now_ns)
    health.answered(now_ns - 10 * SECOND)

    assert health.ran_s(now_ns - SECOND) == 0.0
    assert health.decide(now_ns) is None
