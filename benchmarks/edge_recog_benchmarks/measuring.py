"""A run: the plan goes to the device, events come back and add up to a result."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog_benchmarks.connections import DeviceError
from edge_recog_benchmarks.device.events import (
    Answers,
    AnyEvent,
    Burst,
    Done,
    Ended,
    Failed,
    Profiled,
    Started,
    SystemFacts,
    SystemSample,
)
from edge_recog_benchmarks.results import ContestantResult, Result
from edge_recog_benchmarks.validity import findings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog_benchmarks.connections import Device
    from edge_recog_benchmarks.device.events import ModelFacts
    from edge_recog_benchmarks.device.plan import Contestant, Plan
    from edge_recog_benchmarks.results import AccuracyData


def measure(
    plan: Plan,
    device: Device,
    *,
    models: Mapping[str, ModelFacts],
    accuracy: AccuracyData | None = None,
    listen: Callable[[AnyEvent], None] = lambda event: None,
) -> Result:
    """Return what a device measured.

    A run that is stopped by Ctrl-C, or loses its device, returns what was measured until then, with
    `complete` false.

    Args:
        plan: With the paths of this machine.
        device: What runs it.
        models: Facts of the contestants' models, by `Contestant.model`.
        accuracy: The labelled pictures; those of `plan.accuracy`, in its order.
        listen: Told every event, for progress.

    Raises:
        DeviceError: The device measured nothing.
    """
    tally = Tally()
    with device.run(plan) as lines:
        try:
            for line in lines:
                event = _event(line)
                tally.take(event)
                listen(event)
        except KeyboardInterrupt:
            # What is under way is let finish; a second Ctrl-C ends everything.
            lines.stop()
            for line in lines:
                tally.take(_event(line))
        if tally.system is None:
            raise DeviceError(f"{device.name}: it measured nothing: {lines.last_words()}")
    return tally.result(plan, device=device.name, models=models, accuracy=accuracy)


def _event(line: bytes) -> AnyEvent:
    try:
        event: AnyEvent = msgspec.json.decode(line, type=AnyEvent)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DeviceError(f"the device said something else than a measurement: {error}") from error
    return event


class Tally:
    """Adds events up to a result."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.system: SystemFacts | None = None
        self.complete = False
        self._history: list[SystemSample] = []
        self._parts: defaultdict[str, dict[str, Any]] = defaultdict(
            lambda: {"starts": [], "ends": [], "bursts": [], "answers": [], "unreadable": {}}
        )

    def take(self, event: AnyEvent) -> None:
        """Add one event."""
        match event:
            case SystemFacts():
                self.system = event
            case SystemSample():
                self._history.append(event)
            case Started():
                if not event.rehearsal:
                    self._parts[event.contestant]["starts"].append(event)
            case Ended():
                self._parts[event.contestant]["ends"].append(event)
            case Burst():
                self._parts[event.contestant]["bursts"].append(event)
            case Answers():
                part = self._parts[event.contestant]
                part["answers"].extend(event.answers)
                part["unreadable"].update(event.unreadable)
            case Profiled():
                self._parts[event.contestant]["profiled"] = event
            case Failed():
                self._parts[event.contestant]["failed"] = event
            case Done():
                self.complete = event.complete

    def result(
        self,
        plan: Plan,
        *,
        device: str,
        models: Mapping[str, ModelFacts],
        accuracy: AccuracyData | None,
    ) -> Result:
        """Return everything so far, with its findings. There must have been system facts."""
        assert self.system is not None
        contestants = tuple(
            self._part(contestant, models[contestant.model]) for contestant in plan.contestants
        )
        result = Result(
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            device=device,
            plan=plan,
            system=self.system,
            history=tuple(self._history),
            contestants=contestants,
            accuracy=accuracy,
            complete=self.complete,
        )
        return msgspec.structs.replace(result, findings=findings_of(result))

    def _part(self, contestant: Contestant, model: ModelFacts) -> ContestantResult:
        gathered: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in self._parts[contestant.name].items()
        }
        return ContestantResult(contestant=contestant, model=model, **gathered)
