"""Samples: every picture is timed, and none is timed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks.device.stopwatch import offline, paced, single_stream
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable


class Clock:
    """Stands still unless told otherwise."""

    def __init__(self) -> None:
        self.now = 1000

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(1, round(seconds * 1e9))


class Steps:
    """A runner whose steps take given times; the last one is repeated."""

    stages = ("invoke",)
    runtime = "steps"

    def __init__(self, clock: Clock, durations: Iterable[int]) -> None:
        self._clock = clock
        self._durations = list(durations)
        self.seen: list[int] = []

    def step(self, index: int) -> tuple[int, ...]:
        self.seen.append(index)
        duration = self._durations.pop(0) if len(self._durations) > 1 else self._durations[0]
        self._clock.now += duration
        return (duration,)

    def close(self) -> None: ...


def test_single_stream_starts_no_sample_after_the_time_is_over() -> None:
    clock = Clock()
    runner = Steps(clock, [40])
    taken = single_stream(runner, first=7, duration_ns=100, least=1, clock=clock)
    assert taken.samples() == {"invoke": [40, 40, 40], "end_to_end": [40, 40, 40]}
    assert (taken.started_ns, taken.elapsed_ns, taken.pictures) == (1000, 120, 3)
    assert runner.seen == [7, 8, 9]


def test_single_stream_takes_the_least_number_of_samples_however_slow_they_are() -> None:
    clock = Clock()
    taken = single_stream(Steps(clock, [500]), first=0, duration_ns=100, least=3, clock=clock)
    assert taken.pictures == 3


def test_a_clock_that_goes_backwards_shows_in_the_samples() -> None:
    clock = Clock()
    taken = single_stream(
        Steps(clock, [10, -30, 50]), first=0, duration_ns=60, least=1, clock=clock
    )
    assert min(taken.totals) == -30


def test_paced_counts_from_a_pictures_arrival() -> None:
    clock = Clock()
    runner = Steps(clock, [30])
    taken = paced(
        runner, first=0, duration_ns=300, least=1, period_ns=100, clock=clock, sleep=clock.sleep
    )
    assert taken.samples() == {
        "wait": [0, 0, 0],
        "invoke": [30, 30, 30],
        "end_to_end": [30, 30, 30],
    }
    assert (taken.pictures, taken.dropped) == (3, 0)


def test_paced_lets_a_slow_answer_delay_the_next_and_drops_what_was_overtaken() -> None:
    clock = Clock()
    runner = Steps(clock, [250, 30, 30])
    taken = paced(
        runner, first=0, duration_ns=500, least=1, period_ns=100, clock=clock, sleep=clock.sleep
    )
    # Picture 0 takes until 250; 1 is overtaken by 2, which has waited for 50 then.
    assert runner.seen == [0, 2, 3, 4]
    assert taken.dropped == 1
    assert taken.totals[:2] == [250, 80]
    assert taken.samples()["wait"][:2] == [0, 50]


@settings(derandomize=True)
@given(
    durations=st.lists(st.integers(1, 700), min_size=1, max_size=30),
    period=st.integers(1, 300),
    duration=st.integers(1, 5000),
)
def test_paced_answers_or_drops_every_picture_that_arrived(
    durations: list[int], period: int, duration: int
) -> None:
    clock = Clock()
    runner = Steps(clock, durations)
    taken = paced(
        runner,
        first=0,
        duration_ns=duration,
        least=1,
        period_ns=period,
        clock=clock,
        sleep=clock.sleep,
    )
    assert runner.seen == sorted(set(runner.seen))
    assert taken.pictures + taken.dropped == runner.seen[-1] + 1
    assert all(total >= stage for (_, stage), total in zip(taken.rows, taken.totals, strict=True))


@pytest.mark.parametrize("count", [1, 3])
def test_offline_counts_what_all_runners_answered(count: int) -> None:
    clock = Clock()
    runners = [Steps(clock, [0]) for _ in range(count)]
    taken = offline(runners, first=0, duration_ns=0, least=4, clock=clock)
    assert taken.pictures == 4 * count
    assert sorted(index for runner in runners for index in runner.seen) == list(range(4 * count))
    assert taken.samples() == {"end_to_end": []}
