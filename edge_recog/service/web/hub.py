"""What the web interface knows: the newest answer, how things are, and what happened lately."""

from __future__ import annotations

import threading
import time
from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from edge_recog.service.web.documents import (
    Latencies,
    ModelDocument,
    ModelName,
    Picture,
    SinkDocument,
    StatusDocument,
    full_classification,
    now_text,
)
from edge_recog.supervision import Status
from edge_recog.wire import event_document, milliseconds, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edge_recog.answers import Answer, Vanished
    from edge_recog.events import Event
    from edge_recog.frames import Frame
    from edge_recog.pipeline import Outcome
    from edge_recog.predictions import Classification, Prediction
    from edge_recog.service.sinks import SinkQueue

EVENTS: Final = 100
"""That are remembered."""

_ANSWERS: Final = 100
"""Whose times are remembered."""
_RATE_NS: Final = 5_000_000_000
"""Over which answers are counted."""


class Newest(NamedTuple):
    """An answer without its frame."""

    result: Classification
    smoothed: tuple[Prediction, ...]
    answered_ns: int
    """Monotonic."""


class NumberedEvent(NamedTuple):
    """An event and its running number, from 1."""

    number: int
    document: dict[str, Any]


class Hub:
    """Takes what there is to tell, cheaply, and makes documents of it when asked.

    An output of the live classifier, so that `answer`, `vanished` and `status` are called where
    frames wait for it. All of it is for any thread. Of frames it holds the newest alone.
    """

    def __init__(
        self,
        *,
        node: str,
        version: str,
        source: str,
        model: ModelDocument,
        name_of: Callable[[str], str],
        frames: Mapping[Outcome, int],
        temperature_c: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Begin without an answer.

        Args:
            node: This device's name.
            version: Of this program.
            source: Where frames come from, without secrets.
            model: In use.
            name_of: From a model's id to its name.
            frames: By what became of them; somebody else counts.
            temperature_c: Reads the processor's temperature, in degrees Celsius.
        """
        self.begun = threading.Event()
        """Set with the first answer, or when it is known why there is none."""
        self.on_change: Callable[[], object] = lambda: None
        """Called from any thread with everything new."""
        self.viewers = 0
        """Who watch the live picture."""
        self._node = node
        self._version = version
        self._source = source
        self._name_of = name_of
        self._frames = frames
        self._temperature_c = temperature_c
        self._sinks: tuple[SinkQueue, ...] = ()
        self._started_ns = time.monotonic_ns()
        self._lock = threading.Lock()
        self._model = model
        self._models = 1
        self._status = Status("starting", None, self._started_ns)
        self._statuses = 1
        self._newest: Newest | None = None
        self._answers = 0
        self._frame: Frame | None = None
        self._taken: deque[Newest] = deque(maxlen=_ANSWERS)
        self._events: deque[NumberedEvent] = deque(maxlen=EVENTS)
        self._told = 0
        """Events so far."""
        self._present: dict[str, int] = {}

    # What the live classifier says.

    def answer(self, answer: Answer) -> None:
        """Take an answer."""
        newest = Newest(answer.classification, answer.smoothed, time.monotonic_ns())
        with self._lock:
            self._newest = newest
            self._frame = answer.frame
            self._answers += 1
            self._taken.append(newest)
            if answer.events:
                self._note(answer.events, answer.classification.source)
        self.begun.set()
        self.on_change()

    def vanished(self, vanished: Vanished) -> None:
        """Take what vanished because no frames come any more."""
        with self._lock:
            self._note(vanished.events, vanished.source)
        self.on_change()

    def status(self, status: Status) -> None:
        """Take a change of state; an answer is of the past as soon as none follows it."""
        with self._lock:
            self._status = status
            self._statuses += 1
            if status.state != "running":
                self._newest = self._frame = None
                self._present.clear()
                self._taken.clear()
        if status.state == "degraded":
            self.begun.set()
        self.on_change()

    def change_model(self, model: ModelDocument) -> None:
        """Take another model, or the same on another device."""
        with self._lock:
            self._model = model
            self._models += 1
        self.on_change()

    def watch(self, sinks: Iterable[SinkQueue]) -> None:
        """Tell of these queues from now on."""
        self._sinks = tuple(sinks)

    # What is asked.

    @property
    def state(self) -> Status:
        """How things are."""
        return self._status

    @property
    def model(self) -> ModelDocument:
        """The model in use."""
        return self._model

    @property
    def frame(self) -> Frame | None:
        """The newest frame that was answered, after masks; None where it is not of now."""
        return self._frame

    @property
    def numbers(self) -> tuple[int, int, int]:
        """How many answers, states and models there were: another number is something new."""
        return self._answers, self._statuses, self._models

    @property
    def last_event(self) -> int:
        """The number of the last event; 0 before the first."""
        return self._told

    def events_after(self, number: int) -> list[NumberedEvent] | None:
        """Return the events after a number, oldest first; None if some of them are forgotten."""
        with self._lock:
            if self._told - number > len(self._events):
                return None
            return [event for event in self._events if event.number > number]

    def classification(self) -> dict[str, Any] | None:
        """Return the newest classification; None where there is none of now."""
        with self._lock:
            newest, present = self._newest, dict(self._present)
        if newest is None:
            return None
        return full_classification(
            newest.result,
            model_name=self._name_of(newest.result.model_id),
            answered_ns=newest.answered_ns,
            smoothed=newest.smoothed,
            present=present,
        )

    def status_document(self) -> StatusDocument:
        """Return how things are, in full."""
        with self._lock:
            status, model, frame = self._status, self._model, self._frame
            taken = tuple(self._taken)
            events = [event.document for event in self._events]
        now_ns = time.monotonic_ns()
        return StatusDocument(
            schema=1,
            time=now_text(),
            node=self._node,
            version=self._version,
            state=status.state,
            reason=status.reason,
            since=time_text(status.since_ns),
            uptime_s=round((now_ns - self._started_ns) / 1e9, 1),
            source=self._source,
            frame_rate_fps=_rate(taken, now_ns),
            frames=dict(self._frames),
            latency_ms=_medians(taken),
            temperature_celsius=self._temperature_c(),
            sinks=[
                SinkDocument(sink.name, sink.waiting, sink.dropped, sink.failed)
                for sink in self._sinks
            ],
            viewers=self.viewers,
            model=ModelName(model.id, model.name),
            recent_events=events,  # type: ignore[arg-type]  # Plain values of the same shape.
            picture=None if frame is None else Picture(frame.width, frame.height),
        )

    def _note(self, events: Iterable[Event], source: str) -> None:
        for event in events:
            self._told += 1
            document = event_document(event, source=source)
            self._events.append(NumberedEvent(self._told, document))
            if event.kind == "appeared":
                self._present[event.label] = event.at_ns
            else:
                self._present.pop(event.label, None)


def _rate(taken: tuple[Newest, ...], now_ns: int) -> float | None:
    """Return answers a second, of those that are not long ago."""
    late = [one.answered_ns for one in taken if now_ns - one.answered_ns <= _RATE_NS]
    if len(late) < 2:
        return None
    return round((len(late) - 1) * 1e9 / max(late[-1] - late[0], 1), 2)


def _medians(taken: tuple[Newest, ...]) -> Latencies | None:
    if not taken:
        return None
    timings = [one.result.timings for one in taken]
    return Latencies(
        milliseconds(int(median(one.preprocess_ns for one in timings))),
        milliseconds(int(median(one.invoke_ns for one in timings))),
        milliseconds(int(median(one.postprocess_ns for one in timings))),
        milliseconds(int(median(one.total_ns for one in timings))),
        milliseconds(int(median(one.answered_ns - one.result.captured_ns for one in taken))),
    )
