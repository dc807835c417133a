"""Energy of a picture, from a power meter's recording or the processor's own counter.

Both count what the whole board, or the whole processor, used during a contestant's bursts: idle
power is in it.
"""

from __future__ import annotations

import bisect
import itertools
import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_recog.errors import UsageError
from edge_recog_benchmarks.meters import EARLIEST_S, LATEST_S, PowerTrace, date_of, read_meter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_recog_benchmarks.device.events import Burst, SystemSample
    from edge_recog_benchmarks.results import ContestantResult, Result

__all__ = [
    "PowerTrace",
    "energy_per_picture",
    "rapl_energy_per_picture",
    "read_meter",
    "with_energy",
]

MOST_PERIOD = 0.5
"""Of the shortest burst: with fewer readings, a burst's power is mostly its neighbours'."""
MOST_GAP = 1.0
"""Of the burst that it reaches into."""
MOST_CLOCK_STEP_S = 0.1
"""Of the device's date and time, between two looks at it: a jump would put bursts elsewhere."""
MOST_SLEW = 1e-3
"""Second a second that may come on top: a clock being synchronised runs 0.0005 too fast at most
(adjtimex(2))."""
MOST_SLACK = 0.1
"""Of a burst, between it and the two looks at the processor's counter that enclose it."""


def with_energy(result: Result, trace: PowerTrace | None = None) -> Result:
    """Return the result with the energy of a picture of each contestant, where it can be told.

    Args:
        result: Of a run.
        trace: What a power meter recorded meanwhile; without it, the processor's own counter is
            used where the machine tells it.

    Raises:
        UsageError: As in `energy_per_picture`.
    """
    contestants = tuple(
        msgspec.structs.replace(
            contestant,
            energy_j=rapl_energy_per_picture(contestant, result.history)
            if trace is None
            else energy_per_picture(trace, contestant, result.history),
        )
        for contestant in result.contestants
    )
    return msgspec.structs.replace(result, contestants=contestants)


def energy_per_picture(
    trace: PowerTrace, contestant: ContestantResult, history: Sequence[SystemSample]
) -> float | None:
    """Return the joules that one picture of a contestant took, from a power meter.

    The meter's clock and the device's must agree to a small part of a burst: both synchronised by
    NTP, or the meter read by the device itself.

    Args:
        trace: Recorded during the whole run.
        contestant: Its bursts are what is counted.
        history: The run's; it tells what the date and time was.

    Returns:
        None if the contestant answered no picture.

    Raises:
        UsageError: The recording is too coarse, has a gap or does not cover the run, or the
            device's clock was set meanwhile.
    """
    bursts = [burst for burst in contestant.bursts if burst.pictures > 0 and burst.elapsed_ns > 0]
    if not bursts:
        return None
    _check_period(trace, bursts)
    to_wall_s = _wall_clock(history, trace)
    energy_j = 0.0
    for burst in bursts:
        start_s = to_wall_s(burst.started_ns)
        end_s = to_wall_s(burst.started_ns + burst.elapsed_ns)
        gap_s = trace.longest_gap_s(start_s, end_s)
        if math.isinf(gap_s):
            raise UsageError(
                f"{trace.source}: it was recorded from {date_of(trace.times_s[0])} to "
                f"{date_of(trace.times_s[-1])}, but {contestant.name} was measured at "
                f"{date_of(start_s)}; record during the whole run, with both clocks synchronised"
            )
        if gap_s > MOST_GAP * (end_s - start_s):
            raise UsageError(
                f"{trace.source}: it has no reading for {gap_s:.3g} s at {date_of(start_s)}, while "
                f"{contestant.name} was measured; record again without gaps"
            )
        energy_j += trace.energy_j(start_s, end_s)
    return energy_j / sum(burst.pictures for burst in bursts)


def rapl_energy_per_picture(
    contestant: ContestantResult, history: Sequence[SystemSample]
) -> float | None:
    """Return the joules that one picture took in the processor, from its own counter (RAPL).

    Only bursts count that two looks with `energy_uj` enclose so closely that a tenth of a burst or
    less lies between.

    Returns:
        None if there is no such burst with a picture.
    """
    looks = sorted(
        (sample.at_ns, sample.energy_uj) for sample in history if sample.energy_uj is not None
    )
    moments = [at_ns for at_ns, _ in looks]
    energy_uj = pictures = 0
    for burst in contestant.bursts:
        end_ns = burst.started_ns + burst.elapsed_ns
        before = bisect.bisect_right(moments, burst.started_ns) - 1
        after = bisect.bisect_left(moments, end_ns)
        if before < 0 or after == len(moments) or burst.elapsed_ns <= 0:
            continue
        slack_ns = moments[after] - moments[before] - burst.elapsed_ns
        if slack_ns <= MOST_SLACK * burst.elapsed_ns:
            energy_uj += looks[after][1] - looks[before][1]
            pictures += burst.pictures
    return energy_uj / 1e6 / pictures if pictures > 0 else None


def _check_period(trace: PowerTrace, bursts: Sequence[Burst]) -> None:
    shortest_s = min(burst.elapsed_ns for burst in bursts) / 1e9
    if trace.period_s > MOST_PERIOD * shortest_s:
        enough_s = 1.2 * trace.period_s / MOST_PERIOD
        raise UsageError(
            f"{trace.source}: it has a reading every {trace.period_s:.3g} s, but a model was "
            f"measured for {shortest_s:.3g} s at a time; measure again with --burst-seconds "
            f"{enough_s:.2g}"
        )


def _wall_clock(history: Sequence[SystemSample], trace: PowerTrace) -> Callable[[int], float]:
    """Return what tells the date and time (seconds since 1970) of a moment of the run (ns).

    Raises:
        UsageError: The device did not tell it, or it was set during the run.
    """
    looks = sorted(
        (sample.at_ns / 1e9, sample.wall_clock_s)
        for sample in history
        if EARLIEST_S <= sample.wall_clock_s <= LATEST_S
    )
    if not looks:
        raise UsageError(
            f"{trace.source}: it cannot be matched with the run, for the device did not know date "
            "and time; set its clock and measure again"
        )
    moments = [at_s for at_s, _ in looks]
    offsets = [wall_s - at_s for at_s, wall_s in looks]
    for (start_s, before), (end_s, after) in itertools.pairwise(zip(moments, offsets, strict=True)):
        if abs(after - before) > MOST_CLOCK_STEP_S + MOST_SLEW * (end_s - start_s):
            raise UsageError(
                f"{trace.source}: it cannot be matched with the run, for the device's clock was "
                f"set by {after - before:+.3g} s meanwhile; wait until `timedatectl` says that it "
                "is synchronised, and measure again"
            )
    return lambda at_ns: float(np.interp(at_ns / 1e9, moments, offsets)) + at_ns / 1e9
