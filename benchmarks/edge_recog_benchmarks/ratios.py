"""The ratio of one contestant's metric to another's, and how surely it is known.

Two processes that run the same file differ: memory lands elsewhere, and stays there for a process's
life. Samples of one process, however many, are therefore no independent evidence; generations are.
Of two contestants of one run

1. each turn gives the logarithm of the ratio of the two bursts' medians: they lie side by side in
   time, so that a drifting clock cancels out;
2. each generation gives the median of its turns: a neighbour who is busy for a few bursts is
   outvoted;
3. the mean over generations has Student's interval. With 5 to 10 of them it holds what it
   promises, where resampling them (bootstrap) gives intervals that are too narrow;
   `edge_recog_benchmarks.studies.verdicts` measures both.

p90, p99 and mean need more samples than a burst has: there, and for what a process does once
(loading, first answer, memory), a generation's value takes the place of its turns. Contestants of
two runs have no turns in common: the difference between the means of their generations' logarithms
has Welch's interval, which knows the noise within each run, not what differs between the runs.
"""

from __future__ import annotations

import math
import statistics as standard
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_benchmarks.figures import END_TO_END, LATENCIES, by_generation
from edge_recog_benchmarks.statistics import (
    Interval,
    difference_interval,
    exponential,
    mean_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.events import Burst
    from edge_recog_benchmarks.results import ContestantResult

BY_TURN = ("p50", "throughput")
"""The metrics that one burst shows."""
METRICS = (*LATENCIES, "throughput", "load", "first_answer", "rss", "size", "energy")


def ratio_of(
    reference: ContestantResult,
    other: ContestantResult,
    *,
    paired: bool,
    metric: str,
    stage: str = END_TO_END,
) -> Interval | None:
    """Return a metric of `other` divided by that of `reference`; None if either lacks it."""
    if metric in ("size", "energy"):
        before, after = (_single(one, metric) for one in (reference, other))
        return (
            Interval(after / before, after / before, after / before) if before and after else None
        )
    if paired:
        logarithms = log_ratios(reference, other, metric, stage)
        difference = mean_interval(logarithms) if logarithms.size else None
    else:
        values = [list(by_generation(one, metric, stage).values()) for one in (reference, other)]
        difference = difference_interval(*map(np.log, values)) if all(values) else None
    return None if difference is None else difference.map(exponential)


def log_ratios(
    reference: ContestantResult, other: ContestantResult, metric: str, stage: str = END_TO_END
) -> NDArray[np.float64]:
    """Return (generations,) logarithms of other to reference, of the generations both have.

    Those of a metric `BY_TURN` are medians over the turns both have.
    """
    if metric in BY_TURN:
        before, after = (_by_turn(one, metric, stage) for one in (reference, other))
    else:
        before, after = (
            {
                (generation, 0): value
                for generation, value in by_generation(one, metric, stage).items()
            }
            for one in (reference, other)
        )
    turns: dict[int, list[float]] = {}
    for generation, turn in sorted(before.keys() & after.keys()):
        pair = math.log(after[generation, turn] / before[generation, turn])
        turns.setdefault(generation, []).append(pair)
    return np.array([standard.median(pairs) for pairs in turns.values()])


def _single(one: ContestantResult, metric: str) -> float | None:
    return one.model.size_bytes if metric == "size" else one.energy_j


def _by_turn(one: ContestantResult, metric: str, stage: str) -> dict[tuple[int, int], float]:
    values = {
        (burst.generation, burst.turn): _of_burst(burst, metric, stage) for burst in one.bursts
    }
    return {turn: value for turn, value in values.items() if value}


def _of_burst(burst: Burst, metric: str, stage: str) -> float | None:
    if metric == "throughput":
        return burst.pictures / burst.elapsed_ns if burst.elapsed_ns else None
    samples = burst.samples.get(stage)
    return standard.median(samples) if samples else None
