"""The one reader there may be, and how long it may take for what it is at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from edge_recog.supervision.actions import AbandonReader, CloseSource, OpenSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog.supervision.actions import Action
    from edge_recog.supervision.rules import SupervisionRules

Phase = Literal["none", "opening", "reading", "closing"]
"""`none`: there is no reader; the other ones: what it is at."""


class ReaderCare:
    """Keeps count of readers. Another one is started only when the last is gone or given up."""

    def __init__(self, rules: SupervisionRules) -> None:
        """Begin without a reader."""
        self._rules = rules
        self.number = 0
        """Of the present reader, or of the last one."""
        self.phase: Phase = "none"
        self.frames = 0
        """That the present reader has read."""
        self._has_hung = False
        self._deadline_ns = 0

    def is_at(self, reader: int, *phases: Phase) -> bool:
        """Tell whether this is the present reader, and at one of these."""
        return reader == self.number and self.phase in phases

    def start(self, after_s: float, now_ns: int) -> Iterator[Action]:
        """Have a reader started; there must be none."""
        self.number += 1
        self.frames = 0
        self._enter("opening", after_s + self._rules.open_s, now_ns)
        yield OpenSource(self.number, after_s, self._has_hung)

    def opened(self, now_ns: int) -> None:
        """Note that the source is open; its first frame may take longer than others."""
        self._enter("reading", self._rules.first_frame_s, now_ns)

    def frame_read(self, now_ns: int) -> None:
        """Note a frame."""
        self.frames += 1
        self._enter("reading", self._rules.stall_s, now_ns)

    def close(self, now_ns: int) -> Iterator[Action]:
        """Have the reader end, if there is one and it was not told before."""
        if self.phase in {"opening", "reading"}:
            self._enter("closing", self._rules.close_s, now_ns)
            yield CloseSource(self.number)

    def ended(self) -> None:
        """Note that there is no reader any more."""
        self.phase = "none"

    def abandon(self) -> Iterator[Action]:
        """Give the reader up, if there is one."""
        if self.phase != "none":
            self.ended()
            self._has_hung = True
            yield AbandonReader(self.number)

    def overdue(self, now_ns: int) -> str | None:
        """Return what the reader takes too long for, as a sentence; None if it does not."""
        if self.phase == "none" or now_ns <= self._deadline_ns:
            return None
        if self.phase == "opening":
            return f"the source did not open within {self._rules.open_s:g} s"
        if self.phase == "closing":
            return f"the source did not close within {self._rules.close_s:g} s"
        if self.frames == 0:
            limit_s = self._rules.first_frame_s
            return f"the source is open, but no frame came within {limit_s:g} s"
        return f"no frame came for {self._rules.stall_s:g} s: the camera or its stream hangs"

    def _enter(self, phase: Phase, limit_s: float, now_ns: int) -> None:
        self.phase = phase
        self._deadline_ns = now_ns + round(limit_s * 1e9)
