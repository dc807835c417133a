"""Answers for somebody who looks at a terminal: what is seen now, and a line for each event."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from edge_recog.answers import Answer, Vanished
    from edge_recog.events import Event
    from edge_recog.supervision import Status

_EVERY_S: Final = 0.2
_LABELS: Final = 3
_CLEAR: Final = "\r\x1b[K"
"""To the line's start, and empty it: ECMA-48, EL."""


class TextSink:
    """Writes to a terminal. What is seen now is one line that changes."""

    name = "text"

    def __init__(self, stream: TextIO) -> None:
        """Begin.

        Args:
            stream: A terminal; not closed here.
        """
        self._stream = stream
        self._due_s = 0.0
        self._frames = 0
        self._since_s = time.monotonic()

    def answer(self, answer: Answer) -> None:
        """Write the events, and now and then what is seen."""
        for event in answer.events:
            self._tell(event)
        self._frames += 1
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        rate = self._frames / max(now_s - self._since_s, 1e-3)
        self._due_s, self._since_s, self._frames = now_s + _EVERY_S, now_s, 0
        seen = "  ".join(
            f"{_shown(found.label)} {found.score:.0%}" for found in answer.smoothed[:_LABELS]
        )
        took_ms = answer.classification.timings.total_ns / 1e6
        self._write(f"{_CLEAR}{seen}  ({took_ms:.1f} ms, {rate:.0f} a second)")

    def vanished(self, vanished: Vanished) -> None:
        """Write events that no frame brought."""
        for event in vanished.events:
            self._tell(event)

    def status(self, status: Status) -> None:
        """Write nothing: states are logged to the same terminal."""

    def close(self) -> None:
        """Leave an empty line behind."""
        self._write(_CLEAR)

    def _tell(self, event: Event) -> None:
        lasted = "" if event.duration_s is None else f" after {event.duration_s:.1f} s"
        what = f"{event.kind:<8}  {_shown(event.label)} {event.score:.0%}{lasted}"
        at_s = time.time() - (time.monotonic_ns() - event.at_ns) / 1e9
        clock = time.strftime("%H:%M:%S", time.localtime(at_s))
        self._write(f"{_CLEAR}{clock}  {what}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _shown(label: str) -> str:
    """Return a label without what a terminal would obey."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in label)
