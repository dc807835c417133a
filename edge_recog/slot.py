"""The newest of what comes: one thread puts, another takes, what was not taken in time is lost."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Holds one item. `put` never waits: an item that nobody has taken is overwritten."""

    def __init__(self) -> None:
        """Begin empty and open."""
        self._ready = threading.Condition()
        self._item: T | None = None
        self._is_open = True

    def put(self, item: T) -> bool:
        """Leave an item, which is not None; return whether one was overwritten.

        A closed slot takes nothing and overwrites nothing.
        """
        with self._ready:
            if not self._is_open:
                return False
            overwrote = self._item is not None
            self._item = item
            self._ready.notify()
            return overwrote

    def take(self, timeout_s: float | None = None) -> T | None:
        """Return the item as soon as there is one; None after `timeout_s`, or once closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or not self._is_open, timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Let go of the item and of whoever waits. Safe to call twice."""
        with self._ready:
            self._is_open = False
            self._item = None
            self._ready.notify_all()
