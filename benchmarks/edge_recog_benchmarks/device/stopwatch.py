"""Taking samples: the loops between the clock and a runner."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_recog_benchmarks.device.runners import Runner

END_TO_END = "end_to_end"
WAIT = "wait"
"""Stage of `paced`: from a picture's arrival to the moment it is taken up."""


class Taken:
    """The samples of one burst."""

    def __init__(self, stages: Sequence[str]) -> None:
        """Start empty; `stages` are those of a row."""
        self.stages = tuple(stages)
        self.rows: list[tuple[int, ...]] = []
        """Nanoseconds of each of `stages`."""
        self.totals: list[int] = []
        """Nanoseconds from end to end."""
        self.pictures = 0
        self.dropped = 0
        self.started_ns = 0
        """By the clock."""
        self.elapsed_ns = 0

    def samples(self) -> dict[str, list[int]]:
        """Return nanoseconds by stage, `end_to_end` last."""
        named = {
            stage: [row[place] for row in self.rows] for place, stage in enumerate(self.stages)
        }
        return {**named, END_TO_END: self.totals}


def single_stream(
    runner: Runner,
    *,
    first: int,
    duration_ns: int,
    least: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Taken:
    """Answer one picture after the other.

    Args:
        runner: What answers.
        first: Number of the first picture.
        duration_ns: No sample starts after this.
        least: Samples to take however long they last.
        clock: Nanoseconds.
    """
    taken = Taken(runner.stages)
    step, row, total = runner.step, taken.rows.append, taken.totals.append
    number = first
    taken.started_ns = end = clock()
    last_start = end + duration_ns
    while end < last_start or number < first + least:
        start = clock()
        stages = step(number)
        end = clock()
        total(end - start)
        row(stages)
        number += 1
    taken.elapsed_ns = end - taken.started_ns
    taken.pictures = number - first
    return taken


def paced(
    runner: Runner,
    *,
    first: int,
    duration_ns: int,
    least: int,
    period_ns: int,
    clock: Callable[[], int] = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Taken:
    """Answer pictures that arrive every `period_ns`, the newest first, as a live pipeline does.

    Latency counts from a picture's arrival, whether or not the runner was free to take it up
    then: a slow answer makes the next one late as well, and both are told. A picture that a newer
    one has overtaken is dropped and counted.
    """
    taken = Taken((WAIT, *runner.stages))
    arrival = 0
    taken.started_ns = now = clock()
    while True:
        due = taken.started_ns + arrival * period_ns
        while now < due:
            sleep((due - now) / 1e9)
            now = clock()
        newest = max(arrival, (now - taken.started_ns) // period_ns)
        taken.dropped += newest - arrival
        arrived = taken.started_ns + newest * period_ns
        start = clock()
        stages = runner.step(first + newest)
        now = clock()
        taken.rows.append((start - arrived, *stages))
        taken.totals.append(now - arrived)
        arrival = newest + 1
        enough = len(taken.totals) >= least
        if enough and taken.started_ns + arrival * period_ns >= taken.started_ns + duration_ns:
            break
    taken.elapsed_ns = now - taken.started_ns
    taken.pictures = len(taken.totals)
    return taken


def offline(
    runners: Sequence[Runner],
    *,
    first: int,
    duration_ns: int,
    least: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Taken:
    """Answer as many pictures as possible with all `runners` at once; only throughput is told."""
    taken = Taken(())
    taken.started_ns = clock()
    last_start = taken.started_ns + duration_ns

    def work(start: int) -> int:
        runner, done = runners[start], 0
        while clock() < last_start or done < least:
            runner.step(first + start + done * len(runners))
            done += 1
        return done

    with ThreadPoolExecutor(len(runners)) as pool:
        taken.pictures = sum(pool.map(work, range(len(runners))))
    taken.elapsed_ns = clock() - taken.started_ns
    return taken
