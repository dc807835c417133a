from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.pacing import Limit, Pace

_MS = 1_000_000


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_ns = 5_000

    def __call__(self) -> int:
        return self.now_ns


class Sleeper(threading.Event):
    """An event that is never set, and lets a clock run while it is waited for."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.waited_ms: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited_ms.append(round(timeout * 1000, 6))
        self.clock.now_ns += round(timeout * 1e9)
        return self.is_set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sleeper(clock: Clock) -> Sleeper:
    return Sleeper(clock)


def test_frames_are_due_a_period_apart(clock: Clock, sleeper: Sleeper) -> None:
    pace = Pace(10, sleeper, clock)
    for number in range(4):
        assert not pace.is_late(number)
        assert pace.wait(number)
        clock.now_ns += 30 * _MS

    assert sleeper.waited_ms == [70, 70, 70]


def test_a_frame_is_late_when_the_next_one_is_due(clock: Clock, sleeper: Sleeper) -> None:
    pace = Pace(10, sleeper, clock)
    assert pace.wait(0)

    clock.now_ns += 199 * _MS
    assert not pace.is_late(1)
    clock.now_ns += 1 * _MS
    assert pace.is_late(1)
    assert not pace.is_late(2)


def test_whoever_is_too_slow_still_gets_a_frame_a_second(clock: Clock, sleeper: Sleeper) -> None:
    pace = Pace(10, sleeper, clock)
    yielded = []
    for number in range(60):
        if pace.is_late(number):
            clock.now_ns += 150 * _MS  # Even passing over a frame takes longer than its period.
        elif pace.wait(number):
            yielded.append(number)
            clock.now_ns += 300 * _MS

    assert len(yielded) >= 60 // 11


def test_closing_ends_a_wait_at_once() -> None:
    closed = threading.Event()
    pace = Pace(0.1, closed)
    assert pace.wait(0)
    said: list[bool] = []
    thread = threading.Thread(target=lambda: said.append(pace.wait(1)))
    thread.start()
    closed.set()
    thread.join(5)

    assert said == [False]


def test_what_is_closed_is_not_due(clock: Clock, sleeper: Sleeper) -> None:
    sleeper.set()

    assert not Pace(10, sleeper, clock).wait(0)


def test_a_limit_of_none_lets_all_through() -> None:
    limit = Limit(None)

    assert all(limit.passes(at) for at in (5, 5, 6))


def test_a_limit_lets_the_first_through_and_then_its_rate() -> None:
    limit = Limit(20)
    passed = [number for number in range(60) if limit.passes(1000 + number * 1_000_000_000 // 30)]

    # 20 of 30 a second, not every other one.
    assert len(passed) == 40


def test_after_a_pause_a_limit_does_not_make_up_for_it() -> None:
    limit = Limit(10)
    times_ms = [0, 5_000, 5_010, 5_100]

    assert [limit.passes(at * _MS) for at in times_ms] == [True, True, False, True]


@given(st.lists(st.integers(0, 300), max_size=80), st.sampled_from([1.0, 7.0, 30.0, 240.0]))
def test_no_more_than_the_rate_pass_in_any_stretch(gaps_ms: list[int], rate: float) -> None:
    limit, now_ns = Limit(rate), 0
    passed: list[int] = []
    for gap in gaps_ms:
        now_ns += gap * _MS
        if limit.passes(now_ns):
            passed.append(now_ns)

    for first in range(len(passed)):
        for last in range(first, len(passed)):
            stretch_s = (passed[last] - passed[first]) / 1e9
            assert last - first <= stretch_s * rate + 1.001
