"""The newest of what comes: one thread puts, another takes, what was not taken in time is lost."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_MOST_AHEAD: Final = 16
"""Items that may wait where somebody is ahead. Two threads that hand over one at a time wake each
other for every one, which on some machines takes as long as a small model does."""


class NewestSlot(Generic[T]):
    """Holds one item; one that nobody has taken in time is overwritten.

    Who is patient may be ahead of who takes, by a few items.
    """

    def __init__(self) -> None:
        """Begin empty and open."""
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._items: deque[T] = deque()
        self._low = 0
        """So few are left when whoever waits for room is woken."""
        self._taken_s = time.monotonic()
        self._between_s = float("inf")
        """Between the last two items that were taken."""
        self._is_open = True

    def put(self, item: T, *, patience_s: float = 0.0, ahead_s: float = 0.0) -> bool:
        """Leave an item; return whether one was overwritten.

        A closed slot takes nothing and overwrites nothing.

        Args:
            item: To be taken.
            patience_s: How long to wait for room.
            ahead_s: How long an item may wait beside others to be taken, at the pace that they are
                taken at; 0 for a single item.
        """
        with self._lock:
            most = min(max(1, int(ahead_s / max(self._between_s, 1e-6))), _MOST_AHEAD)
            if patience_s > 0 and len(self._items) >= most and self._is_open:
                self._low = most // 2
                self._emptied.wait_for(
                    lambda: len(self._items) <= self._low or not self._is_open, patience_s
                )
            if not self._is_open:
                return False
            overwrote = len(self._items) >= most
            if overwrote:
                self._items.pop()
            self._items.append(item)
            self._filled.notify()
            return overwrote

    def take(self, timeout_s: float | None = None) -> T | None:
        """Return the oldest item as soon as there is one; None if there is none in time.

        Args:
            timeout_s: How long to wait, unless the slot is closed; for ever if None.
        """
        with self._lock:
            self._filled.wait_for(lambda: self._items or not self._is_open, timeout_s)
            if not self._items:
                return None
            now_s = time.monotonic()
            self._between_s, self._taken_s = now_s - self._taken_s, now_s
            item = self._items.popleft()
            if len(self._items) <= self._low:
                self._emptied.notify()
            return item

    def close(self) -> None:
        """Let go of all items and of whoever waits. Safe to call twice."""
        with self._lock:
            self._is_open = False
            self._items.clear()
            self._filled.notify_all()
            self._emptied.notify_all()
