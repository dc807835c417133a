"""Telling whether one contestant is faster than another, or that it cannot be told.

`edge_recog_benchmarks.ratios` gives the ratio of their times with its 95 % interval; that decides:

- *slower*, if all of it lies above 1.01. The margin of 1 % is there because so small a difference,
  however certain, is no reason to prefer a model: the next build may take it back.
- *faster*, if all of it lies below 1 / 1.01.
- *no difference*, if neither, and all of it lies between 1 / 1.05 and 1.05: whatever difference
  there is, it is less than 5 %.
- *undecided* otherwise: a difference of 5 % cannot be excluded, and longer measuring helps.

A contestant that failed, was not measured, or has a single generation is *undecided* with the
reason, not an exception: it must not keep the others from being compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from edge_recog.errors import UsageError
from edge_recog_benchmarks.device.plan import SyntheticFrames
from edge_recog_benchmarks.figures import END_TO_END, LATENCIES, by_generation, key_of
from edge_recog_benchmarks.ratios import METRICS, ratio_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edge_recog_benchmarks.results import ContestantResult, Result
    from edge_recog_benchmarks.statistics import Interval

    AccuracyDifference = Callable[
        [Result, ContestantResult, Result, ContestantResult], Mapping[str, Interval]
    ]
    """Of reference and other, each behind its result: other minus reference by metric, as shares
    (-0.012 is 1.2 points less); empty where they have no labelled pictures in common."""

Verdict = Literal["faster", "slower", "no difference", "undecided"]

MARGIN = 0.01
"""A smaller difference is never called one."""
RESOLUTION = 0.05
"""A greater difference must be excluded before "no difference" is said."""
TIMES = (*LATENCIES, "load", "first_answer")
"""The metrics of which less is faster."""
_OPPOSITE: dict[Verdict, Verdict] = {"faster": "slower", "slower": "faster"}


@dataclass(frozen=True)
class Comparison:
    """How one contestant compares to another by one metric."""

    metric: str
    stage: str
    ratio: Interval | None
    """Other to reference, confidence 95 %; unbounded with a single generation, None where one of
    them was not measured."""
    verdict: Verdict
    """Of the other."""
    reason: str = ""
    """Why it is undecided."""


@dataclass(frozen=True)
class ContestantComparison:
    """How one contestant compares to another by everything that both have."""

    reference: str
    other: str
    paired: bool
    """They took turns in one run."""
    headline: Comparison
    """By the median of the whole way; by throughput where only that was measured."""
    stages: Mapping[str, Comparison]
    """By the median of each stage."""
    ratios: Mapping[str, Interval]
    """Other to reference by `key_of`; of size and energy, which are one number each, the ratio
    alone."""
    accuracy: Mapping[str, Interval]
    """Other minus reference by metric, as shares."""


@dataclass(frozen=True)
class ResultComparison:
    """How the contestants of a run, or of two runs, compare."""

    rows: tuple[ContestantComparison, ...]
    notes: tuple[str, ...]
    """What a reader must know before he believes it: whole sentences."""


def compare(
    reference: ContestantResult,
    other: ContestantResult,
    *,
    paired: bool,
    metric: str = "p50",
    stage: str = END_TO_END,
) -> Comparison:
    """Return how `other` compares to `reference`; see the module for how it is decided.

    Args:
        reference: Of the same run if `paired`.
        other: Its ratio is above 1 if its metric is greater.
        paired: They took turns in one run.
        metric: `throughput` or one of `TIMES`.
        stage: For `p50`, `p90`, `p99` and `mean`.
    """
    ratio = ratio_of(reference, other, paired=paired, metric=metric, stage=stage)
    obstacle = _obstacle((reference, other), ratio, metric, stage)
    if obstacle or ratio is None:
        return Comparison(metric, stage, ratio, "undecided", obstacle)
    verdict = decide(ratio)
    if metric == "throughput":
        verdict = _OPPOSITE.get(verdict, verdict)
    reason = ""
    if verdict == "undecided":
        reason = f"the interval does not exclude a difference of {RESOLUTION:.0%}; measure longer"
    return Comparison(metric, stage, ratio, verdict, reason)


def _obstacle(
    pair: tuple[ContestantResult, ContestantResult], ratio: Interval | None, metric: str, stage: str
) -> str:
    """Return why there can be no verdict; empty if there can."""
    for one in pair:
        if one.failed is not None:
            return f"{one.name} failed: {one.failed.reason}"
        if ratio is None and not by_generation(one, metric, stage):
            return f"{one.name}: too few samples for {key_of(metric, stage)}, or none"
    if ratio is None:
        return "they have no generation in common"
    if not ratio.bounded:
        return "one generation does not tell how processes differ; measure 5 or more"
    return ""


def decide(ratio: Interval) -> Verdict:
    """Return what a ratio of times, other to reference, means."""
    if ratio.low > 1 + MARGIN:
        return "slower"
    if ratio.high < 1 / (1 + MARGIN):
        return "faster"
    if ratio.low >= 1 / (1 + RESOLUTION) and ratio.high <= 1 + RESOLUTION:
        return "no difference"
    return "undecided"


def compare_results(
    a: Result, b: Result | None = None, *, accuracy: AccuracyDifference | None = None
) -> ResultComparison:
    """Compare each contestant of a run with its first, or two runs contestant by contestant.

    Args:
        a: The run; with `b`, what `b` is compared to.
        b: Its contestants are matched with those of `a` by name, the rest by model, threads and
            runner, and if each run has one contestant these two are a pair.
        accuracy: Called for each pair.

    Raises:
        UsageError: There is nothing to compare.
    """
    if b is None:
        first, *others = a.contestants
        if not others:
            raise UsageError(
                f"the result has one contestant, {first.name}, and nothing to compare it with; "
                "name a second result, or measure two models in one run"
            )
        pairs = [(first, other) for other in others]
        paired = a.plan.scenario != "sustained"
    else:
        pairs, paired = _match(a.contestants, b.contestants), False
    return ResultComparison(
        tuple(_row((a, before), (b or a, after), paired, accuracy) for before, after in pairs),
        tuple(_notes(a, b, pairs)),
    )


def _row(
    reference: tuple[Result, ContestantResult],
    other: tuple[Result, ContestantResult],
    paired: bool,
    accuracy: AccuracyDifference | None,
) -> ContestantComparison:
    before, after = reference[1], other[1]
    common = [stage for stage in after.stages if stage in before.stages]
    stages = {stage: compare(before, after, paired=paired, stage=stage) for stage in common}
    ratios = {
        key_of(metric, stage): ratio
        for metric in METRICS
        for stage in (common if metric in LATENCIES else [END_TO_END])
        if (ratio := ratio_of(before, after, paired=paired, metric=metric, stage=stage))
    }
    rate_only = "p50" not in ratios and "throughput" in ratios
    return ContestantComparison(
        reference=before.name,
        other=after.name,
        paired=paired,
        headline=compare(before, after, paired=paired, metric="throughput" if rate_only else "p50"),
        stages=stages,
        ratios=ratios,
        accuracy=accuracy(*reference, *other) if accuracy else {},
    )


def _match(
    before: Sequence[ContestantResult], after: Sequence[ContestantResult]
) -> list[tuple[ContestantResult, ContestantResult]]:
    pairs = []
    left, right = list(before), list(after)
    for likeness in (_name, _way):
        for one in list(left):
            same = [other for other in right if likeness(other) == likeness(one)]
            alike = [other for other in left if likeness(other) == likeness(one)]
            if len(same) == len(alike) == 1:
                pairs.append((one, same[0]))
                left.remove(one)
                right.remove(same[0])
    if len(before) == len(after) == 1 and not pairs:
        pairs = [(before[0], after[0])]
    if not pairs:
        raise UsageError(
            f"the results have no contestant in common: {_names(before)} in the first, "
            f"{_names(after)} in the second; measure the same models, or give them the same names"
        )
    return sorted(pairs, key=lambda pair: before.index(pair[0]))


def _name(one: ContestantResult) -> object:
    return one.name


def _way(one: ContestantResult) -> object:
    return one.model.name, one.contestant.threads, one.contestant.runner


def _names(contestants: Sequence[ContestantResult]) -> str:
    return ", ".join(one.name for one in contestants)


def _notes(
    a: Result, b: Result | None, pairs: list[tuple[ContestantResult, ContestantResult]]
) -> Iterator[str]:
    if b is None:
        if a.plan.scenario == "sustained":
            yield "the contestants ran one after the other: what drifted meanwhile is in the ratios"
        if reasons := _invalid(a):
            yield f"the result is invalid: {reasons}"
        return
    yield (
        "the intervals hold the noise within each run, not what differs between two runs; to be "
        "sure, measure both in one run"
    )
    for result, which in ((a, "first"), (b, "second")):
        if reasons := _invalid(result):
            yield f"the {which} result is invalid: {reasons}"
        elif not result.complete:
            yield f"the {which} run was stopped half way"
        matched = {id(one) for pair in pairs for one in pair}
        for one in result.contestants:
            if id(one) not in matched:
                yield f"{one.name} is in the {which} result only"
    for what, first, second in zip(_CONDITIONS, _conditions(a), _conditions(b), strict=True):
        if first != second:
            yield f"{what}: {first} in the first run, {second} in the second"
    for before, after in pairs:
        if before.runtime != after.runtime and before.runtime and after.runtime:
            yield f"{after.name}: {before.runtime} in the first run, {after.runtime} in the second"


def _invalid(result: Result) -> str:
    return "; ".join(
        f"{one.contestant}: {one.reason}" if one.contestant else one.reason
        for one in result.findings
        if one.severity == "invalid"
    )


_CONDITIONS = ("board", "processor", "cores", "governor", "scenario", "frames")


def _conditions(result: Result) -> tuple[str, ...]:
    """Return what should be alike in two runs, in the order of `_CONDITIONS`."""
    system, plan, frames = result.system, result.plan, result.plan.frames
    if isinstance(frames, SyntheticFrames):
        pictures = f"a test card of {frames.width}x{frames.height}"
    else:
        pictures = f"{len(frames.paths)} pictures from {PurePosixPath(frames.paths[0]).name} on"
    pace = f" at {1 / plan.period_s:.4g} a second" if plan.scenario == "paced" else ""
    return (
        system.board or "unknown",
        str(system.machine.get("processor") or "unknown"),
        str(system.cores),
        system.governor or "unknown",
        plan.scenario + pace,
        pictures,
    )
