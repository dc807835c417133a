"""The thread that classifies; where the model hangs it is given up, and tells nothing more."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from edge_recog.errors import EdgeRecogError

if TYPE_CHECKING:
    from edge_recog.answers import Answer
    from edge_recog.classifier import Classifier
    from edge_recog.events import Event
    from edge_recog.frames import Frame
    from edge_recog.pipeline import Passed, Pipeline
    from edge_recog.slot import NewestSlot
    from edge_recog.watching import Fault

TAKE_S: Final = 0.5
"""After which one without frames looks whether it is still wanted."""


class Read(NamedTuple):
    """A frame on its way to the model."""

    reader: int
    frame: Frame
    fault: Fault | None


class Employer(Protocol):
    """Is asked and told by a worker, in the worker's thread."""

    def begin(self, worker: Worker, reader: int, frame: Frame) -> int | None:
        """Return a ticket for a frame that may be classified; None if it may not."""

    def end(self, worker: Worker, ticket: int, found: Answer | Passed | EdgeRecogError) -> None:
        """Take what became of a frame."""

    def check(self, worker: Worker, classifier: Classifier) -> None:
        """Try the model on a picture of nothing, if that is wanted."""

    def tell_vanished(self, events: tuple[Event, ...], source: str) -> None:
        """Tell what vanished because no frames come any more."""


class Worker(threading.Thread):
    """Classifies frame after frame with one pipeline, until retired; then closes its model."""

    def __init__(
        self,
        employer: Employer,
        pipeline: Pipeline,
        classifier: Classifier,
        slot: NewestSlot[Read],
    ) -> None:
        """Prepare; `start` sets it going.

        Args:
            employer: Asked and told about every frame.
            pipeline: Of this classifier.
            classifier: Closed in the end, or when another one takes its place.
            slot: Where frames come from.
        """
        super().__init__(name="classify", daemon=True)
        self.is_retired = False
        self.interrupted_ns: int | None = None
        """Since when there are no answers, until that was told."""
        self._employer = employer
        self._pipeline = pipeline
        self._classifier = classifier
        self._slot = slot
        self._source = ""
        self._lock = threading.Lock()
        self._next: Classifier | None = None
        """Another model to go on with."""

    def go_on_with(self, classifier: Classifier) -> None:
        """Use another model from the next frame on, and close the present one."""
        with self._lock:
            before, self._next = self._next, classifier
        if before is not None:
            before.close()

    def retire(self) -> None:
        """Have it end after the frame that it is at; nothing of that one is told."""
        self.is_retired = True

    def run(self) -> None:
        """Work, in the thread itself."""
        try:
            while not self.is_retired:
                self._look_at_next()
        finally:
            self._tell_interruption(time.monotonic_ns())
            self._change_model()
            self._classifier.close()

    def _look_at_next(self) -> None:
        item = self._slot.take(TAKE_S)
        interrupted_ns, self.interrupted_ns = self.interrupted_ns, None
        if interrupted_ns is not None:
            self._tell_interruption(interrupted_ns)
        self._change_model()
        self._employer.check(self, self._classifier)
        if item is None:
            return
        reader, frame, fault = item
        ticket = self._employer.begin(self, reader, frame)
        if ticket is None:
            return
        self._source = frame.source
        found: Answer | Passed | EdgeRecogError
        try:
            found = self._pipeline.look(frame, fault)
        except EdgeRecogError as error:
            found = error
        self._employer.end(self, ticket, found)

    def _change_model(self) -> None:
        with self._lock:
            other, self._next = self._next, None
        if other is not None:
            self._pipeline.replace_classifier(other).close()
            self._classifier = other

    def _tell_interruption(self, at_ns: int) -> None:
        self._employer.tell_vanished(self._pipeline.interrupt(at_ns), self._source)
