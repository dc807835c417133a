"""Reasons not to believe a run.

Kinds, of severity `invalid`: `incomplete`, `failed`, `missing-generation`, `too-short`, `noisy`,
`throttled`, `frequency`, `load`, `steal`, `clock`. Of severity `warning`: `one-generation`,
`switches`, `dropped`, `governor`, `hot`, `warming`, `throttled-before`, `wall-clock`,
`cannot-tell-throttling`, `cannot-tell-load`.

Slowing down is what `sustained` is there to show: there, `throttled` and `frequency` are warnings,
unless the power supply is to blame. So is `frequency` for `paced` while a governor lowers the clock
between pictures, as it would in use.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_recog_benchmarks.figures import END_TO_END, by_generation
from edge_recog_benchmarks.results import Finding
from edge_recog_benchmarks.statistics import least_samples, mean_interval
from edge_recog_benchmarks.steadiness import LARGEST, findings_of_machine, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog_benchmarks.device.events import Burst
    from edge_recog_benchmarks.results import ContestantResult, Result

MOST_NOISE = 0.05
"""How far the 95 % interval of a median latency may reach above it."""
MOST_SWITCHES_PER_S = 50.0
"""Two virtual cores that did nothing else than multiply showed 36, with no harm to be seen."""


def findings_of(result: Result, *, percentile: float = 90) -> tuple[Finding, ...]:
    """Return all that speaks against believing a run, what makes it invalid first.

    Args:
        result: Findings that it has already are not looked at.
        percentile: The highest that will be told of a latency; above 0, below 100.
    """
    found = [*_completeness(result), *findings_of_machine(result)]
    for contestant in result.contestants:
        for finding in _findings_of_contestant(result, contestant, percentile):
            found.append(msgspec.structs.replace(finding, contestant=contestant.name))
    return tuple(sorted(found, key=lambda finding: finding.severity))


def _completeness(result: Result) -> Iterator[Finding]:
    if not result.complete:
        yield Finding(
            severity="invalid",
            kind="incomplete",
            reason="the run was stopped, or lost its device, before its end",
            advice="measure again; with fewer --seconds, if it took too long",
        )


def _findings_of_contestant(
    result: Result, contestant: ContestantResult, percentile: float
) -> Iterator[Finding]:
    bursts = contestant.bursts
    if contestant.failed is not None:
        number = contestant.failed.generation + 1
        when = f" in generation {number}" if 0 < number < LARGEST else ""
        yield Finding(
            severity="invalid",
            kind="failed",
            reason=f"it failed{when}: {contestant.failed.reason}",
            advice="leave it out, or mend it and measure again; the others' figures stand",
        )
        return
    yield from _missing_generations(result, bursts)
    yield from _dropped_pictures(bursts)
    damaged = _damaged_count(bursts)
    if damaged:
        yield Finding(
            severity="invalid",
            kind="clock",
            reason=f"in {damaged} of {len(bursts)} bursts time stood still, went back, or leapt",
            advice="trust no latency of this device; update its kernel and firmware",
        )
    elif bursts:
        if result.plan.scenario != "offline":
            yield from _sample_count(bursts, percentile)
        yield from _switches(bursts, percentile)
        yield from _noise(result, contestant)


def _missing_generations(result: Result, bursts: Sequence[Burst]) -> Iterator[Finding]:
    planned = result.plan.generations
    measured = {burst.generation for burst in bursts if 0 <= burst.generation < planned}
    if result.complete and len(measured) < planned:
        first = next(number for number in range(planned) if number not in measured)
        yield Finding(
            severity="invalid",
            kind="missing-generation",
            reason=f"it was measured in {len(measured)} of {planned} generations: number "
            f"{first + 1} is missing",
            advice="measure again",
        )


def _dropped_pictures(bursts: Sequence[Burst]) -> Iterator[Finding]:
    dropped = sum(burst.dropped for burst in bursts)
    arrived = dropped + sum(burst.pictures for burst in bursts)
    if 0 < dropped <= arrived < LARGEST:
        yield Finding(
            severity="warning",
            kind="dropped",
            reason=f"{dropped} of {arrived} pictures ({percent(dropped / arrived)}) were overtaken "
            "by a newer one and dropped",
            advice="it is too slow for this rate: lower --fps, or use a smaller model or more "
            "--threads",
        )


def _damaged_count(bursts: Sequence[Burst]) -> int:
    """Return how many bursts have times that cannot be."""
    damaged = 0
    newest_ns = -LARGEST
    for burst in bursts:
        sound = (
            newest_ns < burst.started_ns < LARGEST
            and 0 < burst.elapsed_ns < LARGEST
            and 0 <= burst.pictures < LARGEST
            and 0 <= burst.switches < LARGEST
            and all(ns > 0 for ns in burst.samples.get(END_TO_END, ()))
            and all(0 <= ns < LARGEST for row in burst.samples.values() for ns in row)
        )
        damaged += not sound
        newest_ns = burst.started_ns if sound else newest_ns
    return damaged


def _sample_count(bursts: Sequence[Burst], percentile: float) -> Iterator[Finding]:
    samples = sum(len(burst.samples.get(END_TO_END, ())) for burst in bursts)
    needed = least_samples(percentile / 100)
    if samples < needed:
        elapsed_s = sum(burst.elapsed_ns for burst in bursts) / 1e9
        enough_s = math.ceil(elapsed_s * 1.2 * needed / max(1, samples))
        yield Finding(
            severity="invalid",
            kind="too-short",
            reason=f"{samples} samples are too few for p{percentile:g}: it takes {needed}",
            advice=f"measure longer: --seconds {enough_s}",
        )


def _switches(bursts: Sequence[Burst], percentile: float) -> Iterator[Finding]:
    """Warn if the percentile itself may be made of interrupted samples."""
    switches = sum(burst.switches for burst in bursts)
    samples = sum(burst.pictures for burst in bursts)
    per_second = switches / sum(burst.elapsed_ns for burst in bursts) * 1e9
    if per_second > MOST_SWITCHES_PER_S and switches > (1 - percentile / 100) * samples:
        yield Finding(
            severity="warning",
            kind="switches",
            reason=f"the kernel took the core away {per_second:.0f} times a second, "
            f"{switches} times in {samples} pictures",
            advice="stop other programs, and use no more --threads than there are free cores",
        )


def _noise(result: Result, contestant: ContestantResult) -> Iterator[Finding]:
    offline = result.plan.scenario == "offline"
    values = list(by_generation(contestant, "throughput" if offline else "p50").values())
    if len(values) < 2:
        if result.plan.generations == 1 and result.plan.scenario != "sustained":
            yield Finding(
                severity="warning",
                kind="one-generation",
                reason="it was measured in one process only: how much processes differ is unknown",
                advice="use --generations 5 or more",
            )
        return
    interval = mean_interval(np.log(values))
    above = math.expm1(min(700.0, interval.high - interval.estimate))
    if above > MOST_NOISE:
        name, unit = ("throughput", "pictures/s") if offline else ("median latency", "ms")
        yield Finding(
            severity="invalid",
            kind="noisy",
            reason=f"its {name} is known to ±{percent(above)} only: it was {min(values):.3g} to "
            f"{max(values):.3g} {unit} in {len(values)} generations",
            advice="measure with more --generations, while nothing else runs",
        )
