"""What was measured of a contestant, boiled down to the figures that tables show."""

from __future__ import annotations

import math
import statistics as standard
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_benchmarks.statistics import (
    Interval,
    early_stopping,
    exponential,
    mean_interval,
    percentile,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.events import Burst
    from edge_recog_benchmarks.results import ContestantResult, Result

PERCENTS = {"p50": 50, "p90": 90, "p99": 99}
LATENCIES = (*PERCENTS, "mean")
"""The metrics that every stage has; the others are of the whole contestant."""
END_TO_END = "end_to_end"
"""The stage that is all of the way, from the picture to the answer."""
FIRST_S = 10.0
"""Seconds at the start of a process that count as a burst of work (`sustained`)."""
LAST_SHARE = 0.25
"""Share of a process's time, at its end, that counts as sustained."""


@dataclass(frozen=True)
class StageFigures:
    """Latencies of one stage, in milliseconds."""

    samples: int
    p50_ms: Interval
    p90_ms: Interval
    p99_ms: Interval | None
    """None below 662 samples, where it would be little else than the maximum."""
    p90_early_stopping_ms: float | None
    """MLPerf's estimate: with confidence 99 % the true percentile is no higher. None below 64
    samples."""
    p99_early_stopping_ms: float | None
    """Likewise; None below 662 samples."""
    mean_ms: Interval
    min_ms: float


@dataclass(frozen=True)
class SustainedFigures:
    """How much slower it gets when it must go on for minutes."""

    first_p50_ms: float
    """Of the first 10 s of each process."""
    last_p50_ms: float
    """Of the last quarter of its time."""

    @property
    def ratio(self) -> float:
        """Last to first: 1.2 is 20 % slower."""
        return self.last_p50_ms / self.first_p50_ms


@dataclass(frozen=True)
class Figures:
    """All figures of a contestant; None where it was not measured.

    Intervals have confidence 95 % and come from the differences between generations: they are
    unbounded unless two generations or more show the figure (`by_generation`), and what differs
    between two runs is not in them. MB are 10^6 bytes.
    """

    contestant: str
    generations: int
    """That took samples."""
    stages: Mapping[str, StageFigures]
    """In the order of the stages, `end_to_end` last; empty where only throughput was measured."""
    throughput: Interval | None
    """Pictures a second during the bursts."""
    dropped_share: float | None
    """0-1, of the pictures that arrived (`paced`)."""
    first_answer_ms: Interval | None
    """From the start of the process; median."""
    load_ms: Interval | None
    """Opening the model; median."""
    peak_rss_mb: float | None
    """The highest of all processes."""
    steady_rss_mb: float | None
    """Median of the processes."""
    size_mb: float
    """Of the model file."""
    energy_mj: float | None
    """Millijoules a picture."""
    sustained: SustainedFigures | None
    """None under another scenario, and where the first 10 s reach into the last quarter."""

    def values(self) -> dict[str, Interval]:
        """Return what was measured, by `key_of`, in the fields' units: what gates look at."""
        found: dict[str, Interval | float | None] = {}
        for stage, latencies in self.stages.items():
            for metric in LATENCIES:
                found[key_of(metric, stage)] = getattr(latencies, f"{metric}_ms")
        found |= {
            "throughput": self.throughput,
            "load": self.load_ms,
            "first_answer": self.first_answer_ms,
            "rss": self.peak_rss_mb,
            "size": self.size_mb,
            "energy": self.energy_mj,
        }
        return {key: _exact(value) for key, value in found.items() if value is not None}


def key_of(metric: str, stage: str = END_TO_END) -> str:
    """Return what names a metric of a stage: `p50`, `p50@invoke`."""
    return metric if stage == END_TO_END else f"{metric}@{stage}"


def figures_of(result: Result, contestant: ContestantResult) -> Figures:
    """Return a contestant's figures; a failed one has those of what it did before."""
    stages = {stage: _stage_figures(contestant, stage) for stage in contestant.stages}
    peaks = [end.peak_rss_bytes / 1e6 for end in contestant.ends]
    steady = [end.steady_rss_bytes / 1e6 for end in contestant.ends]
    rate = _throughput(contestant.bursts)
    scenario = result.plan.scenario
    return Figures(
        contestant=contestant.name,
        generations=len({burst.generation for burst in contestant.bursts}),
        stages={stage: figures for stage, figures in stages.items() if figures is not None},
        throughput=None if rate is None else _around(rate, contestant, "throughput"),
        dropped_share=_dropped_share(contestant) if scenario == "paced" else None,
        first_answer_ms=_median(contestant, "first_answer"),
        load_ms=_median(contestant, "load"),
        peak_rss_mb=max(peaks, default=None),
        steady_rss_mb=standard.median(steady) if steady else None,
        size_mb=contestant.model.size_bytes / 1e6,
        energy_mj=None if contestant.energy_j is None else contestant.energy_j * 1e3,
        sustained=_sustained(contestant) if scenario == "sustained" else None,
    )


def by_generation(
    contestant: ContestantResult, metric: str, stage: str = END_TO_END
) -> dict[int, float]:
    """Return a metric of each generation that has it, in the units of `Figures`; all above 0.

    A percentile needs enough samples to show in one generation: 10 for p90, 100 for p99.
    """
    values: dict[int, float | None]
    if metric == "load":
        values = {start.generation: start.load_ns / 1e6 for start in contestant.starts}
    elif metric == "first_answer":
        values = {start.generation: start.first_answer_ns / 1e6 for start in contestant.starts}
    elif metric == "rss":
        values = {end.generation: end.peak_rss_bytes / 1e6 for end in contestant.ends}
    else:
        values = {
            generation: _throughput(bursts)
            if metric == "throughput"
            else _latency_ms(_samples(bursts, stage), metric)
            for generation, bursts in _processes(contestant).items()
        }
    return {generation: value for generation, value in values.items() if value}


def _stage_figures(contestant: ContestantResult, stage: str) -> StageFigures | None:
    samples = contestant.samples(stage)
    if not samples.size:
        return None
    p90, p99 = (early_stopping(samples, PERCENTS[metric] / 100) for metric in ("p90", "p99"))

    def interval(metric: str) -> Interval:
        value = samples.mean() if metric == "mean" else percentile(samples, PERCENTS[metric])
        return _around(float(value) / 1e6, contestant, metric, stage)

    return StageFigures(
        samples=samples.size,
        p50_ms=interval("p50"),
        p90_ms=interval("p90"),
        p99_ms=None if p99 is None else interval("p99"),
        p90_early_stopping_ms=None if p90 is None else p90 / 1e6,
        p99_early_stopping_ms=None if p99 is None else p99 / 1e6,
        mean_ms=interval("mean"),
        min_ms=float(samples.min()) / 1e6,
    )


def _around(
    estimate: float, contestant: ContestantResult, metric: str, stage: str = END_TO_END
) -> Interval:
    """Return the estimate and as wide an interval as the generations' geometric mean has."""
    values = list(by_generation(contestant, metric, stage).values())
    if len(values) < 2:
        return Interval(estimate, 0.0, math.inf)
    mean = mean_interval(np.log(values))
    factor = exponential(mean.high - mean.estimate)
    return Interval(estimate, estimate / factor, estimate * factor)


def _median(contestant: ContestantResult, metric: str) -> Interval | None:
    values = by_generation(contestant, metric).values()
    return _around(standard.median(values), contestant, metric) if values else None


def _throughput(bursts: Iterable[Burst]) -> float | None:
    pictures = elapsed_ns = 0
    for burst in bursts:
        pictures += burst.pictures
        elapsed_ns += burst.elapsed_ns
    return pictures / elapsed_ns * 1e9 if pictures and elapsed_ns else None


def _dropped_share(contestant: ContestantResult) -> float | None:
    dropped = sum(burst.dropped for burst in contestant.bursts)
    arrived = dropped + sum(burst.pictures for burst in contestant.bursts)
    return dropped / arrived if arrived else None


def _sustained(contestant: ContestantResult) -> SustainedFigures | None:
    first: list[Burst] = []
    last: list[Burst] = []
    for bursts in _processes(contestant).values():
        start = min(burst.started_ns for burst in bursts)
        end = max(burst.started_ns + burst.elapsed_ns for burst in bursts)
        late = end - LAST_SHARE * (end - start)
        if late < start + FIRST_S * 1e9:
            return None
        first += [burst for burst in bursts if burst.started_ns < start + FIRST_S * 1e9]
        last += [burst for burst in bursts if burst.started_ns >= late]
    before, after = (_latency_ms(_samples(bursts, END_TO_END), "p50") for bursts in (first, last))
    return SustainedFigures(before, after) if before and after else None


def _processes(contestant: ContestantResult) -> dict[int, list[Burst]]:
    processes: dict[int, list[Burst]] = {}
    for burst in contestant.bursts:
        processes.setdefault(burst.generation, []).append(burst)
    return processes


def _samples(bursts: Iterable[Burst], stage: str) -> NDArray[np.int64]:
    return np.array([ns for burst in bursts for ns in burst.samples.get(stage, ())], np.int64)


def _latency_ms(samples_ns: NDArray[np.int64], metric: str) -> float | None:
    """Return a mean or percentile, None of too few samples for it."""
    if metric == "mean":
        return float(samples_ns.mean()) / 1e6 if samples_ns.size else None
    percent = PERCENTS[metric]
    least = 1 if percent == 50 else 100 // (100 - percent)
    return percentile(samples_ns, percent) / 1e6 if samples_ns.size >= least else None


def _exact(value: Interval | float) -> Interval:
    return value if isinstance(value, Interval) else Interval(value, value, value)
