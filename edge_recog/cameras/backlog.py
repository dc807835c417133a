"""Which frames of a stream have waited for us, so that they show what was and not what is. Pure.

A stream does not tell when its frames were taken. Whatever comes while nobody reads, which is so
during the second or two that FFmpeg takes to open it, is kept, and handed out at once afterwards.
"""

from __future__ import annotations

from typing import Final

_PAUSE_S: Final = 0.5
"""Without a read for so long, more than a frame or two may be waiting."""
_LONGEST_S: Final = 1.0
"""No camera is without a frame for longer than this only because all were there at once: well below
what is waited for a first frame."""
_RATES: Final = (1.0, 120.0)
"""That a stream may claim; others do not know theirs, and are taken for 30."""


class Backlog:
    """Tells frames that were kept from those that come as they are taken."""

    def __init__(self, *, since_s: float, rate: float) -> None:
        """Begin.

        Args:
            since_s: When frames may first have come: the beginning of opening the stream.
            rate: Frames a second, as the stream claims.
        """
        lowest, highest = _RATES
        # A frame that had to be waited for, and not only decoded.
        self._wait_s = 0.5 / (rate if lowest <= rate <= highest else 30.0)
        self._last_s = since_s
        self._until_s: float | None = None
        """Until when frames that are there at once are taken for old; None for fresh ones."""

    def is_old(self, asked_s: float, came_s: float) -> bool:
        """Tell whether a frame had waited.

        Args:
            asked_s: When it was asked for.
            came_s: When it came.
        """
        pause_s = asked_s - self._last_s
        if pause_s > _PAUSE_S and self._until_s is None:
            # What came in a pause is worked off in less than that, or the rest is let be. Another
            # pause meanwhile, of a process that is short of time, prolongs nothing.
            self._until_s = asked_s + min(pause_s, _LONGEST_S)
        self._last_s = came_s
        if self._until_s is not None and (
            came_s - asked_s >= self._wait_s or came_s >= self._until_s
        ):
            self._until_s = None
        return self._until_s is not None
