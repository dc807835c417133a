"""The state machine that keeps camera and model going."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.supervision.actions import (
    AbandonInference,
    CheckModel,
    FeedWatchdog,
    Finish,
    NotifyReady,
    Publish,
)
from edge_recog.supervision.checking import CheckCare
from edge_recog.supervision.model import ModelCare
from edge_recog.supervision.picture import PictureCare
from edge_recog.supervision.reader import ReaderCare
from edge_recog.supervision.rules import Backoff, SupervisionRules
from edge_recog.supervision.status import State, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.supervision.actions import Action
    from edge_recog.watching import FaultKind


class Supervisor:
    """Decides what to do. Not thread-safe: its shell passes one thing in at a time.

    Every method takes what happened and when (`now_ns`, monotonic) and returns what to do, in this
    order. What a reader says that was given up, or that ended, changes nothing. A frame goes
    through `begin`, and then exactly one of `answered`, `passed`, `frame_fault` and
    `inference_failed`.
    """

    def __init__(
        self, rules: SupervisionRules | None = None, *, now_ns: int, random: Callable[[], float]
    ) -> None:
        """Begin in `starting`; `start` sets it going.

        Args:
            rules: The defaults if None.
            now_ns: Monotonic.
            random: Returns numbers from 0 to below 1, for the waits between attempts.
        """
        self.rules = rules or SupervisionRules()
        self._status = Status("starting", None, now_ns)
        self._trouble = ""
        """What the reason of `degraded` is about; the same trouble is told once."""
        self._backoff = Backoff(self.rules.retry_min_s, random)
        self._reader = ReaderCare(self.rules)
        self._model = ModelCare(self.rules, random)
        self._picture = PictureCare(self.rules, self._backoff)
        self._check = CheckCare(self.rules, now_ns)
        self._is_ready = False
        self._is_finished = False
        self._stop_by_ns = now_ns
        self._good_since_ns: int | None = None
        """Since when there are answers without a failure."""
        self._waiting_since_ns: int | None = None
        """Since when there is a frame of which nothing has been said."""
        self._ticket: int | None = None
        """Of the frame that is being classified."""
        self._tickets = 0
        self._captured_ns: int | None = None
        """Of the reader's last frame that went into the model."""
        self._is_late = False
        """Whether a frame was refused for its age since anything was said of one."""
        self._out: list[Action] = []

    @property
    def status(self) -> Status:
        """How things are."""
        return self._status

    @property
    def is_finished(self) -> bool:
        """Whether `Finish` was said; nothing is said after it."""
        return self._is_finished

    def start(self, now_ns: int) -> tuple[Action, ...]:
        """Begin to work."""
        if self._status.state == "starting" and self._reader.number == 0:
            self._out.append(Publish(self._status))
            self._open(0.0, now_ns)
        return self._told()

    # What readers say

    def opened(self, reader: int, now_ns: int) -> tuple[Action, ...]:
        """Take that a reader has opened the source."""
        if self._reader.is_at(reader, "opening"):
            self._reader.opened(now_ns)
        return self._told()

    def open_failed(self, reader: int, reason: str, now_ns: int) -> tuple[Action, ...]:
        """Take that a reader could not open the source, and has ended.

        Args:
            reader: Its number.
            reason: A sentence.
            now_ns: Monotonic.
        """
        return self.source_ended(reader, reason, now_ns)

    def frame_read(self, reader: int, now_ns: int) -> tuple[Action, ...]:
        """Take that a reader has read a frame."""
        if self._reader.is_at(reader, "reading"):
            self._reader.frame_read(now_ns)
            if self._waiting_since_ns is None:
                self._waiting_since_ns = now_ns
        return self._told()

    def source_ended(self, reader: int, reason: str | None, now_ns: int) -> tuple[Action, ...]:
        """Take that a reader has ended.

        Args:
            reader: Its number.
            reason: Why, if it was not told to: a lost device, a decoder's error. None of a source
                that has an end, such as a clip, and has come to it: then the work is done.
            now_ns: Monotonic.
        """
        if self._reader.is_at(reader, "closing"):
            self._gone(now_ns)
        elif self._reader.is_at(reader, "opening", "reading"):
            self._reader.ended()
            if reason is None:
                self._stop(now_ns)
            else:
                self._source_failed(reason, now_ns)
        return self._told()

    # What becomes of frames

    def begin(self, reader: int, captured_ns: int, now_ns: int) -> int | None:
        """Ask whether a frame may be classified, before it is.

        Args:
            reader: Who read it.
            captured_ns: Its capture, monotonic.
            now_ns: Monotonic.

        Returns:
            A ticket, with which what becomes of it is told; None for a frame that must not be
            answered: it is stale, no newer than the last, or from a reader of the past, or there is
            nothing to classify it with.
        """
        is_fresh = now_ns - captured_ns <= round(self.rules.stall_s * 1e9)
        is_newer = self._captured_ns is None or captured_ns > self._captured_ns
        is_wanted = self._reader.is_at(reader, "reading") and not self._model.is_loading
        if not is_wanted or self._ticket is not None:
            return None
        if not (is_fresh and is_newer):
            self._is_late = True
            return None
        self._captured_ns = captured_ns
        self._tickets += 1
        self._ticket = self._tickets
        return self._ticket

    def is_current(self, ticket: int) -> bool:
        """Tell whether it still matters what becomes of a frame; if not, no answer may be told."""
        return ticket == self._ticket

    def answered(self, ticket: int, now_ns: int) -> tuple[Action, ...]:
        """Take that a frame was classified: the only proof that all is well."""
        if self._redeem(ticket):
            self._picture.clear()
            self._check.answered(now_ns)
            if self._good_since_ns is None:
                self._good_since_ns = now_ns
            if now_ns - self._good_since_ns >= round(self.rules.healthy_s * 1e9):
                self._backoff.reset()
                self._model.healthy()
            self._enter("running", None, now_ns)
            self._out.append(FeedWatchdog())
        return self._told()

    def passed(self, ticket: int, now_ns: int) -> tuple[Action, ...]:
        """Take that a frame need not be classified: nothing moved, or it came too soon."""
        self._redeem(ticket)
        return self._told()

    def frame_fault(
        self, ticket: int, kind: FaultKind, reason: str, now_ns: int
    ) -> tuple[Action, ...]:
        """Take that a frame was no picture; see `edge_recog.watching.Fault`."""
        if self._redeem(ticket) and self._picture.fault(kind, now_ns):
            self._degrade(kind, reason, now_ns)
            self._check.blind(now_ns)
            self._reopen_if_due(now_ns)
        return self._told()

    # What becomes of the model

    def inference_failed(self, ticket: int, reason: str, now_ns: int) -> tuple[Action, ...]:
        """Take that the model failed on a frame.

        Args:
            ticket: Of the frame.
            reason: A sentence.
            now_ns: Monotonic.
        """
        if self._redeem(ticket):
            self._model_failed(reason, now_ns)
        return self._told()

    def model_reloaded(self, now_ns: int) -> tuple[Action, ...]:
        """Take that the model was loaded again, or another in its place."""
        self._model.loaded()
        self._waiting_since_ns = None
        return self._told()

    def reload_failed(self, reason: str, now_ns: int) -> tuple[Action, ...]:
        """Take that the model could not be loaded again; a sentence says why."""
        if self._model.is_loading and self._status.state != "stopping":
            self._model_failed(reason, now_ns)
        return self._told()

    # Time and orders

    def tick(self, now_ns: int) -> tuple[Action, ...]:
        """Take that time goes by. To be called some times a second, whatever else happens."""
        if self._status.state == "stopping":
            if now_ns >= self._stop_by_ns:
                self._out += self._reader.abandon()
                self._finish()
            return self._told()
        overdue = self._reader.overdue(now_ns)
        if overdue is not None:
            was_closing = self._reader.phase == "closing"
            # A read that hangs cannot be interrupted, and closing what is being read may crash.
            self._out += self._reader.abandon()
            if was_closing:
                self._gone(now_ns)
            else:
                self._source_failed(overdue, now_ns)
        self._reopen_if_due(now_ns)
        self._watch_inference(now_ns)
        self._check_if_due(now_ns)
        return self._told()

    def stand_by(self, reason: str, now_ns: int) -> tuple[Action, ...]:
        """Rest: let the source go until `wake`.

        Args:
            reason: Why, for people.
            now_ns: Monotonic.
        """
        if self._status.state not in {"standby", "stopping"}:
            self._rest(now_ns)
            self._enter("standby", reason, now_ns)
        return self._told()

    def checked(self, now_ns: int) -> tuple[Action, ...]:
        """Take that the model works, though there is no picture that could show it."""
        is_of_use = self._check.counts(self._status.state, self._trouble, now_ns)
        if self._check.passed(now_ns) and is_of_use:
            self._out.append(FeedWatchdog())
        return self._told()

    def check_failed(self, reason: str, now_ns: int) -> tuple[Action, ...]:
        """Take that the model failed on a picture of nothing; a sentence says how."""
        if self._check.is_running and self._status.state != "stopping":
            self._model_failed(reason, now_ns)
        return self._told()

    def wake(self, now_ns: int) -> tuple[Action, ...]:
        """End standby."""
        if self._status.state == "standby":
            self._enter("starting", None, now_ns)
            if self._reader.phase == "none":
                self._open(0.0, now_ns)
        return self._told()

    def stop(self, now_ns: int) -> tuple[Action, ...]:
        """End everything; `Finish` comes within `close_s`, at a `tick` if not before."""
        if self._status.state != "stopping":
            self._stop(now_ns)
        return self._told()

    # Within

    def _told(self) -> tuple[Action, ...]:
        out, self._out = tuple(self._out), []
        return out

    def _stop(self, now_ns: int) -> None:
        self._rest(now_ns)
        self._stop_by_ns = now_ns + round(self.rules.close_s * 1e9)
        self._enter("stopping", None, now_ns)
        if self._reader.phase == "none":
            self._finish()

    def _finish(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._out.append(Finish())

    def _rest(self, now_ns: int) -> None:
        self._ticket = self._waiting_since_ns = self._good_since_ns = None
        self._picture.clear()
        self._out += self._reader.close(now_ns)

    def _open(self, after_s: float, now_ns: int) -> None:
        self._ticket = self._waiting_since_ns = self._captured_ns = None
        self._is_late = False
        self._picture.clear()
        self._out += self._reader.start(after_s, now_ns)

    def _gone(self, now_ns: int) -> None:
        """Go on after a reader that was told to end."""
        self._reader.ended()
        if self._status.state == "stopping":
            self._finish()
        elif self._status.state != "standby":
            self._open(0.0, now_ns)

    def _source_failed(self, reason: str, now_ns: int) -> None:
        self._degrade(reason, reason, now_ns)
        self._check.blind(now_ns)
        self._open(self._backoff.next_s(self.rules.retry_max_s), now_ns)

    def _reopen_if_due(self, now_ns: int) -> None:
        if self._reader.phase == "reading" and self._picture.is_reopening_due(now_ns):
            self._rest(now_ns)

    def _model_failed(self, reason: str, now_ns: int) -> None:
        self._degrade(reason, reason, now_ns)
        self._check.is_running = False
        self._out += self._model.failed()

    def _check_if_due(self, now_ns: int) -> None:
        is_busy = self._ticket is not None or self._model.is_loading
        if not is_busy and self._check.begin_if_due(self._status.state, self._trouble, now_ns):
            self._out.append(CheckModel())

    def _watch_inference(self, now_ns: int) -> None:
        """Notice that frames come, but nothing is said of them."""
        since_ns, limit_s = self._waiting_since_ns, self.rules.inference_s
        if since_ns is None or self._model.is_loading or now_ns - since_ns <= round(limit_s * 1e9):
            return
        if self._is_late and self._ticket is None:
            reason = f"for {limit_s:g} s all frames have come too late to be answered"
            self._degrade(reason, reason, now_ns)
        else:
            self._ticket = self._waiting_since_ns = None
            self._out.append(AbandonInference())
            self._model_failed(f"the model has not come back for {limit_s:g} s", now_ns)

    def _redeem(self, ticket: int) -> bool:
        """Tell whether this frame's fate matters; each one's does once."""
        if not self.is_current(ticket):
            return False
        self._ticket = self._waiting_since_ns = None
        self._is_late = False
        return True

    def _degrade(self, trouble: str, reason: str, now_ns: int) -> None:
        self._good_since_ns = None
        if self._status.state in {"standby", "stopping"}:
            return
        if self._status.state != "degraded" or trouble != self._trouble:
            self._trouble = trouble
            self._enter("degraded", reason, now_ns)

    def _enter(self, state: State, reason: str | None, now_ns: int) -> None:
        if (state, reason) == (self._status.state, self._status.reason):
            return
        is_new = state != self._status.state
        self._status = Status(state, reason, now_ns if is_new else self._status.since_ns)
        self._out.append(Publish(self._status))
        if not self._is_ready and state in {"running", "degraded", "standby"}:
            self._is_ready = True
            self._out.append(NotifyReady())
