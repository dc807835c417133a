"""The live classifier: reader, classifying thread and supervisor, joined by locks and queues.

What is to be done is decided by `edge_recog.supervision` and `edge_recog.pipeline`, and done here.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np

from edge_recog.answers import Answer, Vanished
from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog.frames import Frame
from edge_recog.pipeline import Passed, Pipeline, PipelineRules
from edge_recog.service.notify import Notifier
from edge_recog.service.reader import Reader
from edge_recog.service.worker import TAKE_S, Read, Worker
from edge_recog.slot import NewestSlot
from edge_recog.supervision import (
    AbandonInference,
    AbandonReader,
    CheckModel,
    CloseSource,
    FallBackToCpu,
    FeedWatchdog,
    Finish,
    NotifyReady,
    OpenSource,
    Publish,
    ReloadModel,
    Supervisor,
)
from edge_recog.watching import FrameCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge_recog.cameras import FrameSource
    from edge_recog.classifier import Classifier
    from edge_recog.events import Event
    from edge_recog.pipeline import Outcome
    from edge_recog.supervision import Action, Status, SupervisionRules
    from edge_recog.watching import Fault

_LOG = logging.getLogger(__name__)
_TICK_S = 0.1
"""Between two looks at the time."""
_PATIENCE_S = 1.0
"""That a recording waits for its last frame to be taken."""
_COURTESY_S = 0.001
"""That a camera does so, so that one that gives more than anybody can take leaves the processor to
whoever classifies; it is late by no more than that."""
_AHEAD_S = 0.1
"""That a recording's frame may wait beside others, if the model is fast enough."""
_SMALL = 2_000_000
"""Bytes of a frame of which several may wait."""

Where = Literal["given", "cpu"]
"""Where a model is to run: as configured, or without its accelerator."""


class Output(Protocol):
    """Takes what there is to tell and never waits: a `SinkQueue`, `Metrics`."""

    def answer(self, answer: Answer) -> None:
        """Take an answer."""

    def vanished(self, vanished: Vanished) -> None:
        """Take what vanished because no frames come any more."""

    def status(self, status: Status) -> None:
        """Take a change of state."""


_NOTHING: Final = Frame.from_rgb(np.full((240, 320, 3), 128, np.uint8), source="nothing")


class LiveClassifier:
    """Classifies one source for as long as it is let. `run` does it; the rest is for any thread."""

    def __init__(
        self,
        open_frames: Callable[[], FrameSource],
        open_model: Callable[[Where], Classifier],
        *,
        open_isolated: Callable[[], FrameSource] | None = None,
        rules: PipelineRules | None = None,
        supervision: SupervisionRules | None = None,
        outputs: Sequence[Output] = (),
        count: Callable[[Outcome], object] = lambda outcome: None,
        notifier: Notifier | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            open_frames: Opens the source; called anew after every failure, in a reader's thread.
            open_model: Opens the model; called anew after a failure, in a thread of its own.
            open_isolated: Opens the source so that closing it ends any read, called in place of
                `open_frames` once a read has hung; the same if None.
            rules: Of the pipeline.
            supervision: Of retries and time limits.
            outputs: Take what there is to tell.
            count: Called for each frame, with what became of it.
            notifier: Tells systemd; nobody if None.
        """
        self._open_frames = open_frames
        self._open_isolated = open_isolated or open_frames
        self._open_model = open_model
        self._rules = rules or PipelineRules()
        self._check = None if self._rules.watch is None else FrameCheck(self._rules.watch)
        self._checking = threading.Lock()
        self._outputs = tuple(outputs)
        self._count = count
        self._notifier = notifier or Notifier()
        self._lock = threading.RLock()
        """Held for whatever the supervisor is told or says; for microseconds."""
        self._supervisor = Supervisor(supervision, now_ns=time.monotonic_ns(), random=random.random)
        self._settled = threading.Condition()
        self._unsettled = 0
        """Frames of which nothing is known yet."""
        self._slot: NewestSlot[Read] = NewestSlot()
        self._readers: dict[int, Reader] = {}
        self._worker: Worker | None = None
        self._check_wanted = threading.Event()
        """Whether the model is to be tried on a picture of nothing."""
        self._where: Where = "given"
        self._refused: UsageError | None = None
        self._finished = threading.Event()

    @property
    def status(self) -> Status:
        """How things are."""
        return self._supervisor.status

    def run(self) -> None:
        """Classify until `stop`, or until a source that has an end comes to it.

        Raises:
            BundleError: The model cannot be used; so are others of `Classifier.open`, at the start.
            UsageError: There is no source of this kind, or it has no such option.
        """
        try:
            # The camera starts while the model is loaded.
            self._tell(self._supervisor.start)
            self._employ(self._open_model(self._where))
            while not self._finished.wait(_TICK_S):
                self._tell(self._supervisor.tick)
        finally:
            self._notifier.stopping()
            self._finished.set()
            for reader in tuple(self._readers.values()):
                reader.close()
            self._slot.close()
            if self._worker is not None:
                self._worker.retire()
                self._worker.join(TAKE_S)
        if self._refused is not None:
            raise self._refused

    def stop(self) -> None:
        """Have `run` end, soon."""
        self._tell(self._supervisor.stop)

    def stand_by(self, reason: str) -> None:
        """Let the source go and rest, until `wake`; a sentence says why."""
        self._tell(self._supervisor.stand_by, reason)

    def wake(self) -> None:
        """End standby."""
        self._tell(self._supervisor.wake)

    def swap(self, classifier: Classifier) -> None:
        """Go on with another model, an open one, from the next frame on; the old one is closed.

        Raises:
            UsageError: There is none to swap at the moment; the other one stays open.
        """
        with self._lock:
            if self._worker is None:
                raise UsageError("no model is at work at the moment: try again when one is")
            self._worker.go_on_with(classifier)

    # What readers say; see `Listener`.

    def opened(self, reader: int) -> None:
        """The source is open."""
        self._tell(self._supervisor.opened, reader)

    def frame(self, reader: int, frame: Frame, *, is_patient: bool) -> None:
        """A frame was read."""
        with self._settled:
            self._unsettled += 1
        patience_s = _PATIENCE_S if is_patient else _COURTESY_S
        ahead_s = _AHEAD_S if is_patient and frame.pixels.nbytes <= _SMALL else 0.0
        read = Read(reader, frame, self._judged(frame))
        if self._slot.put(read, patience_s=patience_s, ahead_s=ahead_s):
            self._settle("overwritten")
        self._tell(self._supervisor.frame_read, reader)

    def settle(self) -> None:
        """Wait for a moment until it is known what became of all frames."""
        with self._settled:
            self._settled.wait_for(lambda: self._unsettled == 0, _PATIENCE_S)

    def open_failed(self, reader: int, reason: str) -> None:
        """The source could not be opened."""
        self._readers.pop(reader, None)
        self._tell(self._supervisor.open_failed, reader, reason)

    def refused(self, reader: int, error: UsageError) -> None:
        """The source is none that there could ever be: trying again is of no use."""
        self._refused = error
        self.open_failed(reader, str(error))
        self.stop()

    def ended(self, reader: int, reason: str | None) -> None:
        """A reader has ended."""
        self._readers.pop(reader, None)
        self._tell(self._supervisor.source_ended, reader, reason)

    # What the classifying thread asks and says.

    def begin(self, worker: Worker, reader: int, frame: Frame) -> int | None:
        """Return a ticket for a frame that may be classified; None, and count it, if it may not."""
        with self._lock:
            ticket = None
            if worker is self._worker and not worker.is_retired:
                ticket = self._supervisor.begin(reader, frame.captured_ns, time.monotonic_ns())
        if ticket is None:
            self._settle("stale")
        return ticket

    def end(self, worker: Worker, ticket: int, found: Answer | Passed | EdgeRecogError) -> None:
        """Take what became of a frame; nothing is told of one that was given up with its worker."""
        with self._lock:
            if worker.is_retired or not self._supervisor.is_current(ticket):
                outcome: Outcome = "stale"
            elif isinstance(found, Answer):
                outcome = "answered"
                for output in self._outputs:
                    output.answer(found)
                self._tell(self._supervisor.answered, ticket)
            elif isinstance(found, EdgeRecogError):
                outcome = "failed"
                self._tell(self._supervisor.inference_failed, ticket, str(found))
            elif found.fault is not None:
                outcome = found.outcome
                fault = found.fault
                self._tell(self._supervisor.frame_fault, ticket, fault.kind, fault.reason)
            else:
                outcome = found.outcome
                self._tell(self._supervisor.passed, ticket)
        self._settle(outcome)

    def check(self, worker: Worker, classifier: Classifier) -> None:
        """Try the model on a picture of nothing, if that is wanted."""
        if not self._check_wanted.is_set():
            return
        self._check_wanted.clear()
        try:
            classifier.classify(_NOTHING)
        except EdgeRecogError as error:
            failed: str | None = str(error)
        else:
            failed = None
        with self._lock:
            if worker.is_retired:
                return
            if failed is None:
                self._tell(self._supervisor.checked)
            else:
                self._tell(self._supervisor.check_failed, failed)

    def _settle(self, outcome: Outcome) -> None:
        """Count what became of a frame."""
        self._count(outcome)
        with self._settled:
            self._unsettled -= 1
            self._settled.notify_all()

    def tell_vanished(self, events: tuple[Event, ...], source: str) -> None:
        """Tell everybody what vanished because no frames come any more."""
        if events:
            for output in self._outputs:
                output.vanished(Vanished(events, source))

    def _judged(self, frame: Frame) -> Fault | None:
        """Return what is wrong with a frame: here, so that it is known before the model is free."""
        if self._check is None:
            return None
        # A reader that was given up may come back beside the next one.
        with self._checking:
            return self._check.judge(frame)

    # What the supervisor wants done.

    def _tell(self, method: Callable[..., Iterable[Action]], *values: Any) -> None:
        """Tell the supervisor something, and do at once what it answers."""
        with self._lock:
            for action in method(*values, time.monotonic_ns()):
                self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case OpenSource(number, after_s, isolated) if not self._finished.is_set():
                open_it = self._open_isolated if isolated else self._open_frames
                self._readers[number] = Reader(number, open_it, self, after_s=after_s)
            case CloseSource(number) | AbandonReader(number):
                # One that hangs lets go of the source when it comes back, if it ever does.
                reader = self._readers.get(number)
                if reader is not None:
                    reader.close()
                if isinstance(action, AbandonReader):
                    self._readers.pop(number, None)
            case AbandonInference():
                if self._worker is not None:
                    self._worker.retire()
            case ReloadModel(after_s):
                self._load_later(after_s)
            case FallBackToCpu():
                self._where = "cpu"
                self._load_later(0.0)
            case CheckModel():
                self._check_wanted.set()
            case FeedWatchdog():
                self._notifier.watchdog()
            case NotifyReady():
                self._notifier.ready(_line(self._supervisor.status))
            case Publish(status):
                self._publish(status)
            case Finish():
                self._finished.set()

    def _publish(self, status: Status) -> None:
        level = logging.WARNING if status.state == "degraded" else logging.INFO
        _LOG.log(level, "%s", _line(status))
        self._notifier.status(_line(status))
        if status.state != "running" and self._worker is not None:
            self._worker.interrupted_ns = time.monotonic_ns()
        for output in self._outputs:
            output.status(status)

    def _employ(self, classifier: Classifier) -> None:
        with self._lock:
            self._worker = Worker(self, Pipeline(classifier, self._rules), classifier, self._slot)
            self._worker.start()

    def _load_later(self, after_s: float) -> None:
        before, self._worker = self._worker, None

        def load() -> None:
            if before is not None:
                # An accelerator serves one at a time; one that hangs is not waited for.
                before.retire()
                before.join(TAKE_S * 2)
            if self._finished.wait(after_s):
                return
            try:
                classifier = self._open_model(self._where)
            except EdgeRecogError as error:
                self._tell(self._supervisor.reload_failed, str(error))
                return
            except Exception as error:  # noqa: BLE001 - a delegate's library may raise anything.
                _LOG.exception("loading the model failed in an unknown way")
                reason = f"the model cannot be loaded: {type(error).__name__}: {error}"
                self._tell(self._supervisor.reload_failed, reason)
                return
            if self._finished.is_set():
                classifier.close()
                return
            self._employ(classifier)
            self._tell(self._supervisor.model_reloaded)

        threading.Thread(target=load, name="model-loader", daemon=True).start()


def _line(status: Status) -> str:
    return status.state if status.reason is None else f"{status.state}: {status.reason}"
