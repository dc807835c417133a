"""When frames are due: of a recording that is played like a camera, and of one with too many."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


class Pace:
    """Plays numbered frames at a rate, beginning with the first that is asked for."""

    def __init__(
        self,
        rate: float,
        closed: threading.Event,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin at the first frame.

        Args:
            rate: Frames a second.
            closed: Ends a wait when it is set.
            clock: Monotonic, ns.
        """
        self._period_ns = 1e9 / rate
        self._most_in_a_row = max(1, int(rate))
        self._closed = closed
        self._clock = clock
        self._begun_ns: int | None = None
        self._in_a_row = 0

    def is_late(self, number: int) -> bool:
        """Tell whether a frame must be skipped, because the one after it is due already.

        Who is late with all frames of a second is too slow for this rate, and gets a frame all the
        same; the others are due after it.

        Args:
            number: Of the frame, from 0; may skip numbers, never goes back.
        """
        lag_ns = self._clock() - self._due_ns(number)
        if lag_ns < self._period_ns:
            self._in_a_row = 0
            return False
        self._in_a_row += 1
        if self._in_a_row <= self._most_in_a_row:
            return True
        self._in_a_row = 0
        self._begun_ns = (self._begun_ns or 0) + lag_ns
        return False

    def wait(self, number: int) -> bool:
        """Wait until a frame is due; return False, at once, if the source is closed meanwhile."""
        left_ns = self._due_ns(number) - self._clock()
        if left_ns > 0:
            return not self._closed.wait(left_ns / 1e9)
        return not self._closed.is_set()

    def _due_ns(self, number: int) -> int:
        if self._begun_ns is None:
            self._begun_ns = self._clock() - round(number * self._period_ns)
        return self._begun_ns + round(number * self._period_ns)


class Limit:
    """Lets at most so many frames a second through."""

    def __init__(self, rate: float | None) -> None:
        """Begin with a frame that passes.

        Args:
            rate: Frames a second; all of them if None.
        """
        self._period_ns = None if rate is None else round(1e9 / rate)
        self._due_ns: int | None = None

    def passes(self, at_ns: int) -> bool:
        """Tell whether a frame passes.

        Args:
            at_ns: When it was taken, monotonic.
        """
        if self._period_ns is None:
            return True
        if self._due_ns is None or at_ns - self._due_ns > self._period_ns:
            self._due_ns = at_ns
        if at_ns < self._due_ns:
            return False
        # By the period and not from now: 30 a second limited to 20 gives 20, not 15.
        self._due_ns += self._period_ns
        return True
