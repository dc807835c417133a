"""What became of a fault: what was heard meanwhile against what is to be expected. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

from edge_recog_benchmarks.studies.faults.kinds import DETECT_S, OLDEST_S, RECOVER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_recog_benchmarks.studies.faults.drawing import Fault

Channel = Literal["file", "broker"]
"""Where something was heard: the file of answers, or the broker."""
MAIN_CHANNEL: Final[dict[str, Channel]] = {"slow disk": "broker"}
"""Of kinds that stop the file; the file for all others."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer that somebody heard."""

    at_ns: int
    """Monotonic, as all times here."""
    channel: Channel
    sent_ns: int | None
    """When the picture was sent that it was made of; None if it is none that was sent as good."""
    problem: str | None = None
    """Why its picture was bad, as far as the picture tells."""


@dataclass(frozen=True, slots=True)
class Told:
    """A state that was told in the file."""

    at_ns: int
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that happened around one fault."""

    began_ns: int
    ended_ns: int
    until_ns: int
    """When nobody listened any more."""
    answers: Sequence[Heard] = ()
    states: Sequence[Told] = ()
    exit_code: int | None = None
    """Of the live classifier, if it ended; it must not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one fault."""

    number: int
    kind: str
    source: str
    detected_s: float | None
    """From its beginning until the state left `running`; None if it never did."""
    recovered_s: float | None
    """From its end to the first answer of a picture that was sent since; None if there was none."""
    file_recovered_s: float | None
    """The same for the file."""
    broker_recovered_s: float | None
    """The same for the broker."""
    pause_s: float
    """Longest time between two answers."""
    bad_answers: dict[str, int] = field(default_factory=dict)
    """By what was wrong with their pictures."""
    reason: str | None = None
    """That was told first."""
    failures: tuple[str, ...] = ()
    """What was not as it should be; none if all was well."""

    @property
    def is_good(self) -> bool:
        """Whether all was as it should be."""
        return not self.failures

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def judge(fault: Fault, timeline: Timeline) -> Verdict:
    """Return what became of a fault.

    Args:
        fault: As drawn.
        timeline: What was heard.
    """
    channel = MAIN_CHANNEL.get(fault.kind, "file")
    others: Channel = "broker" if channel == "file" else "file"
    back = {one: _recovered_s(timeline, one) for one in (channel, others)}
    alarm = next((told for told in timeline.states if told.state == "degraded"), None)
    detected_s = None if alarm is None else _seconds(alarm.at_ns - timeline.began_ns)
    pause_s = _pause_s(timeline, channel)
    bad = _bad_answers(fault, timeline.answers)
    failures = []
    if timeline.exit_code is not None:
        failures.append(f"the process ended with {timeline.exit_code}")
    if bad:
        failures.append(f"{sum(bad.values())} answers of bad pictures")
    if fault.rules.expect == "told":
        if detected_s is None:
            failures.append("it was never told")
        elif detected_s > DETECT_S:
            failures.append(f"it was told after {detected_s:.2f} s, not within {DETECT_S:g} s")
    else:
        if alarm is not None:
            failures.append(f"it was to go unnoticed, but it was told: {alarm.reason}")
        if pause_s > DETECT_S:
            failures.append(f"there were no answers for {pause_s:.2f} s")
    failures += _not_back(channel, back[channel], RECOVER_S)
    failures += _not_back(others, back[others], limit_s(fault, others))
    return Verdict(
        number=fault.number,
        kind=fault.kind,
        source=fault.source,
        detected_s=detected_s,
        recovered_s=back[channel],
        file_recovered_s=back["file"],
        broker_recovered_s=back["broker"],
        pause_s=pause_s,
        bad_answers=bad,
        reason=None if alarm is None else alarm.reason,
        failures=tuple(failures),
    )


def limit_s(fault: Fault, channel: Channel) -> float:
    """Return by when a channel has answers again, from a fault's end.

    The waits between attempts to reach a broker double, so that it takes as long again as the
    broker was away.
    """
    is_broker_away = fault.kind == "broker" and channel == "broker"
    return max(RECOVER_S, fault.lasts_s + 2.0) if is_broker_away else RECOVER_S


def is_over(fault: Fault, timeline: Timeline) -> bool:
    """Tell whether all that is waited for after a fault's end has come: `judge` may begin."""
    is_running = not timeline.states or timeline.states[-1].state == "running"
    channels: tuple[Channel, ...] = ("file", "broker")
    return is_running and all(_recovered_s(timeline, one) is not None for one in channels)


def _not_back(channel: Channel, back_s: float | None, within_s: float) -> list[str]:
    if back_s is None:
        return [f"{channel}: no answers any more"]
    if back_s > within_s:
        return [f"{channel}: answers after {back_s:.2f} s, not within {within_s:.2f} s"]
    return []


def _recovered_s(timeline: Timeline, channel: Channel) -> float | None:
    for heard in timeline.answers:
        if (
            heard.channel == channel
            and heard.problem is None
            and heard.sent_ns is not None
            and heard.sent_ns >= timeline.ended_ns
        ):
            return _seconds(heard.at_ns - timeline.ended_ns)
    return None


def _pause_s(timeline: Timeline, channel: Channel) -> float:
    times = [timeline.began_ns]
    times += [heard.at_ns for heard in timeline.answers if heard.channel == channel]
    times.append(timeline.until_ns)
    times.sort()
    return max(_seconds(after - before) for before, after in pairwise(times))


def _bad_answers(fault: Fault, answers: Iterable[Heard]) -> dict[str, int]:
    """Return how many answers were made of which bad pictures."""
    found: dict[str, int] = {}
    seen: set[tuple[Channel, int]] = set()
    for heard in answers:
        problem = heard.problem
        if problem is None and heard.sent_ns is not None:
            # Behind a disk or a broker that hangs, answers get old, which is not the picture's.
            is_direct = MAIN_CHANNEL.get(fault.kind, "file") == heard.channel
            if (heard.channel, heard.sent_ns) in seen:
                problem = "answered before"
            elif is_direct and heard.at_ns - heard.sent_ns > OLDEST_S * 1e9:
                problem = "old"
            seen.add((heard.channel, heard.sent_ns))
        if problem is not None:
            found[problem] = found.get(problem, 0) + 1
    return found


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / 1e9, 3)
