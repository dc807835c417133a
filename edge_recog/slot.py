"""The newest of what comes: one thread puts, another takes, what was not taken in time is lost."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Holds one item; one that nobody has taken in time is overwritten."""

    def __init__(self) -> None:
        """Begin empty and open."""
        self._ready = threading.Condition()
        self._item: T | None = None
        self._is_open = True

    def put(self, item: T, *, patience_s: float = 0.0) -> bool:
        """Leave an item, which is not None; return whether one was overwritten.

        A closed slot takes nothing and overwrites nothing.

        Args:
            item: To be taken.
            patience_s: How long to wait for the item before to be taken.
        """
        with self._ready:
            if patience_s > 0:
                self._ready.wait_for(lambda: self._item is None or not self._is_open, patience_s)
            if not self._is_open:
                return False
            overwrote = self._item is not None
            self._item = item
            self._ready.notify_all()
            return overwrote

    def take(self, timeout_s: float | None = None) -> T | None:
        """Return the item as soon as there is one; None after `timeout_s`, or once closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or not self._is_open, timeout_s)
            item, self._item = self._item, None
            self._ready.notify_all()
            return item

    def close(self) -> None:
        """Let go of the item and of whoever waits. Safe to call twice."""
        with self._ready:
            self._is_open = False
            self._item = None
            self._ready.notify_all()
