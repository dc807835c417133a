"""Whether the machine was the same all the while: findings that concern all contestants."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from edge_recog_benchmarks.results import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge_recog_benchmarks.device.events import Burst, SystemSample
    from edge_recog_benchmarks.results import Result

UNDERVOLTAGE = 0x1
THROTTLE_BITS = {
    UNDERVOLTAGE: "undervoltage",
    0x2: "clock frequency capped",
    0x4: "throttled",
    0x8: "soft temperature limit",
}
"""As it is now; 16 bits higher, since it booted (raspberrypi.com/documentation/computers/os.html,
get_throttled)."""
_NOW = sum(THROTTLE_BITS)

LEAST_FREQUENCY = 0.9
"""Of the highest reachable. A Raspberry Pi 3B+ falls to 0.86 of it at its soft temperature limit
(frequency-management in the Raspberry Pi documentation)."""
MOST_OTHER_LOAD = 0.1
"""Of all cores' time: on four cores, nearly half of one."""
MOST_STEAL = 0.02
"""Of all cores' time. Stolen time is in every latency and cannot be told apart from it."""
HOT_C = 70.0
"""At the start. A Raspberry Pi throttles from 80 °C on (the same documentation)."""
MOST_WARMING_C = 15.0
"""From the start of the run to its hottest moment."""
MOST_CLOCK_STEP_S = 1.0
"""Between the clock that may be set and the one that may not, from one look to the next."""
LARGEST = 2**63
"""No counter of nanoseconds gets there: a number beyond it is damage."""
_SET_GOVERNOR = (
    "`echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor`"
)


def findings_of_machine(result: Result) -> Iterator[Finding]:
    """Yield what speaks against the state of the machine."""
    history = [sample for sample in result.history if abs(sample.at_ns) < LARGEST]
    yield from _throttling(result, history)
    span = _span(burst for contestant in result.contestants for burst in contestant.bursts)
    if span is not None:
        yield from _frequency(result, _within(history, span) or _around(history, span))
        yield from _load(_around(history, span))
    yield from _clocks(history)
    yield from _circumstances(result, history)
    if not any(_tells_throttling(sample) for sample in history):
        yield Finding(
            severity="warning",
            kind="cannot-tell-throttling",
            reason="cannot tell throttling: this machine tells neither temperature nor clock "
            "frequency",
            advice="measure on the machine itself, not in a container or virtual machine; on a "
            "Raspberry Pi, install vcgencmd and join the group `video`",
        )


def _span(bursts: Iterable[Burst]) -> tuple[int, int] | None:
    """Return start and end of the measuring, in nanoseconds; None if nothing was measured."""
    spans = [
        (burst.started_ns, burst.started_ns + burst.elapsed_ns)
        for burst in bursts
        if max(abs(burst.started_ns), abs(burst.elapsed_ns)) < LARGEST
    ]
    if not spans:
        return None
    return min(start for start, _ in spans), max(end for _, end in spans)


def _within(history: Sequence[SystemSample], span: tuple[int, int]) -> list[SystemSample]:
    start, end = span
    return [sample for sample in history if start <= sample.at_ns <= end]


def _around(history: Sequence[SystemSample], span: tuple[int, int]) -> list[SystemSample]:
    """Return the looks within, the last one before and the first one after."""
    start, end = span
    return [
        *[sample for sample in history if sample.at_ns < start][-1:],
        *_within(history, span),
        *[sample for sample in history if sample.at_ns > end][:1],
    ]


class _Throttled(NamedTuple):
    """What the firmware said."""

    bits: int
    """Of `THROTTLE_BITS`: true at any moment, or newly noted as having been."""
    first_ns: int
    looks: int
    """At which something of it showed."""


def _throttling(result: Result, history: Sequence[SystemSample]) -> Iterator[Finding]:
    told = [(sample.at_ns, bits) for sample in history if (bits := sample.throttled) is not None]
    seen = _seen_throttled(told)
    if seen.bits:
        wanted = result.plan.scenario == "sustained" and not seen.bits & UNDERVOLTAGE
        yield Finding(
            severity="warning" if wanted else "invalid",
            kind="throttled",
            reason=f"the firmware slowed the machine down ({_bit_names(seen.bits)}): first seen "
            f"{_seconds(seen.first_ns)} into the run, at {seen.looks} of {len(told)} looks",
            advice=_cure(seen.bits),
        )
    before = told[0][1] >> 16 & _NOW & ~seen.bits if told else 0
    if before:
        yield Finding(
            severity="warning",
            kind="throttled-before",
            reason="since it booted, but before this run, the firmware has slowed the machine down "
            f"({_bit_names(before)})",
            advice=_cure(before),
        )


def _seen_throttled(told: Sequence[tuple[int, int]]) -> _Throttled:
    bits = looks = first_ns = 0
    noted = told[0][1] >> 16 if told else 0
    for at_ns, value in told:
        # What has been cleared by somebody and is noted again is new as well.
        here = (value | (value >> 16 & ~noted)) & _NOW
        noted = value >> 16
        if here:
            first_ns = first_ns if bits else at_ns
            bits |= here
            looks += 1
    return _Throttled(bits, first_ns, looks)


def _bit_names(bits: int) -> str:
    return ", ".join(name for bit, name in THROTTLE_BITS.items() if bits & bit)


def _cure(bits: int) -> str:
    if bits & UNDERVOLTAGE:
        return (
            "use the power supply made for this board (5 V and 5 A for a Raspberry Pi 5, 5 V and "
            "3 A for a 4) with its own cable, unplug what takes its power over USB, restart, and "
            "measure again"
        )
    return (
        "fit a heat sink or a fan, or lower the clock to what it can hold (arm_freq in "
        "config.txt), let it cool down, and measure again"
    )


def _frequency(result: Result, looks: Sequence[SystemSample]) -> Iterator[Finding]:
    # Of the fastest core, as idle ones may rest: who measures keeps one busy.
    clocks = [
        (max(sample.frequencies_mhz), sample.at_ns) for sample in looks if sample.frequencies_mhz
    ]
    highest = result.system.max_frequency_mhz or max((mhz for mhz, _ in clocks), default=0.0)
    low = [(mhz, at_ns) for mhz, at_ns in clocks if mhz < LEAST_FREQUENCY * highest]
    if not low:
        return
    lowest, at_ns = min(low)
    scenario = result.plan.scenario
    fixed = _has_fixed_clock(result)
    wanted = scenario == "sustained" or (scenario == "paced" and not fixed)
    yield Finding(
        severity="warning" if wanted else "invalid",
        kind="frequency",
        reason=f"the processor's clock was {lowest:.0f} MHz, {percent(lowest / highest)} of the "
        f"{highest:.0f} MHz it can reach, {_seconds(at_ns)} into the run, and below "
        f"{percent(LEAST_FREQUENCY)} of them at {len(low)} of {len(clocks)} looks",
        advice="cool the machine, see to its power supply, and measure again; on a PC, switch "
        "turbo clocks off"
        if fixed
        else f"keep the clock up with {_SET_GOVERNOR}; if it falls all the same, cool the machine",
    )


def _has_fixed_clock(result: Result) -> bool:
    """Tell whether the governor keeps the clock up, as far as is known."""
    return set(result.system.governor.split(",")) <= {"performance", ""}


def _load(looks: Sequence[SystemSample]) -> Iterator[Finding]:
    shares = _others_shares(looks)
    if shares is None:
        yield Finding(
            severity="warning",
            kind="cannot-tell-load",
            reason="cannot tell whether other programs were running: this machine does not tell "
            "how its cores spend their time",
            advice="see that nothing else runs while measuring",
        )
        return
    other, stolen = shares
    if other > MOST_OTHER_LOAD:
        yield Finding(
            severity="invalid",
            kind="load",
            reason=f"other programs took {percent(other)} of all cores' time while measuring, "
            f"more than {percent(MOST_OTHER_LOAD)}",
            advice="stop them (`top` shows which) and measure again; a desktop, or an update in "
            "the background, is enough",
        )
    if stolen > MOST_STEAL:
        yield Finding(
            severity="invalid",
            kind="steal",
            reason=f"the hypervisor gave {percent(stolen)} of all cores' time to other machines "
            f"while measuring, more than {percent(MOST_STEAL)}",
            advice="measure on a machine of its own, or while its host is quiet",
        )


def _others_shares(looks: Sequence[SystemSample]) -> tuple[float, float] | None:
    """Return what other programs and the hypervisor took of all cores' time, each 0-1."""
    told = [
        (cpu_ns, sample.own_cpu_ns)
        for sample in looks
        if (cpu_ns := sample.cpu_ns)
        and all(0 <= ns < LARGEST for ns in (*cpu_ns, sample.own_cpu_ns))
    ]
    if len(told) < 2:
        return None
    (before, own_before), (after, own_after) = told[0], told[-1]
    busy, stolen, total = (last - first for first, last in zip(before, after, strict=True))
    if total <= 0:
        return None
    return (busy - max(0, own_after - own_before)) / total, stolen / total


def _clocks(history: Sequence[SystemSample]) -> Iterator[Finding]:
    pairs = list(itertools.pairwise(history))
    wrong = sum(later.at_ns <= earlier.at_ns for earlier, later in pairs)
    if wrong:
        yield Finding(
            severity="invalid",
            kind="clock",
            reason="the device's monotonic clock stood still or went back between two looks, "
            f"{wrong} of {len(pairs)} times",
            advice="trust no latency of this device; update its kernel and firmware",
        )
    steps = [
        later.wall_clock_s - earlier.wall_clock_s - (later.at_ns - earlier.at_ns) / 1e9
        for earlier, later in pairs
        if earlier.wall_clock_s > 0 and later.wall_clock_s > 0
    ]
    step = max(steps, key=abs, default=0.0)
    if abs(step) > MOST_CLOCK_STEP_S:
        yield Finding(
            severity="warning",
            kind="wall-clock",
            reason=f"the device's date and time were set during the run, by {step:+.3g} s: times "
            "of day are wrong, latencies are not",
            advice="wait until `timedatectl` says that the clock is synchronised",
        )


def _circumstances(result: Result, history: Sequence[SystemSample]) -> Iterator[Finding]:
    if not _has_fixed_clock(result):
        yield Finding(
            severity="warning",
            kind="governor",
            reason=f"the clock's governor is {result.system.governor}: the clock follows the load, "
            "and latencies with it",
            advice=f"keep the clock up with {_SET_GOVERNOR}",
        )
    temperatures = [celsius for sample in history if (celsius := sample.temperature_c) is not None]
    if not temperatures:
        return
    if temperatures[0] > HOT_C:
        yield Finding(
            severity="warning",
            kind="hot",
            reason=f"the machine was hot from the start: {temperatures[0]:.0f} °C",
            advice=f"let it cool down below {HOT_C:.0f} °C first, or fit a fan",
        )
    warming = max(temperatures) - temperatures[0]
    if warming > MOST_WARMING_C and result.plan.scenario != "sustained":
        yield Finding(
            severity="warning",
            kind="warming",
            reason=f"the machine warmed up by {warming:.0f} °C, to {max(temperatures):.0f} °C, "
            "during the run: before long it may be slower",
            advice="use `--scenario sustained` to see how fast it stays",
        )


def _tells_throttling(sample: SystemSample) -> bool:
    return (
        sample.throttled is not None
        or sample.temperature_c is not None
        or bool(sample.frequencies_mhz)
    )


def percent(share: float) -> str:
    """Return a share, 0-1, as people read it."""
    return f"{100 * share:.3g} %"


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.1f} s"
