"""Closing from one thread what another one may be using."""

from __future__ import annotations

import math
import os
import select
import threading
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Wake = Literal["ready", "interrupted", "timed out"]
"""Why a wait ended."""


class Guard:
    """Keeps something native alive while it is used: whoever comes last releases it.

    The reader says `with guard:` around each use and looks at `closed` inside.
    """

    def __init__(self, release: Callable[[], None]) -> None:
        """Begin open.

        Args:
            release: Called once, when it is closed and nobody uses it.
        """
        self._release = release
        self._lock = threading.Lock()
        self._released = False
        self.closed = False
        """Whether `close` was called; what is guarded must not be used any more."""

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        # Whoever closed meanwhile could not get the lock.
        if self.closed:
            self.close()

    def close(self) -> None:
        """Release it now, or leave that to whoever uses it at the moment. Never waits."""
        self.closed = True
        if self._lock.acquire(blocking=False):
            try:
                if not self._released:
                    self._released = True
                    self._release()
            finally:
                self._lock.release()


class Interrupt:
    """Ends waits for a device or connection, those under way and those to come."""

    def __init__(self) -> None:
        """Begin unset."""
        self._lock = threading.Lock()
        self._fd: int | None = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Return the descriptor, which is readable from `set` on; -1 after `close`."""
        return -1 if self._fd is None else self._fd

    def set(self) -> None:
        """End the wait, and those to come. Nothing happens after `close`."""
        with self._lock:
            if self._fd is not None:
                os.eventfd_write(self._fd, 1)

    def wait(self, fd: int, *, timeout_s: float, writing: bool = False) -> Wake:
        """Wait until something can be read from a descriptor, or written to it.

        Args:
            fd: Of a device or connection.
            timeout_s: How long at most.
            writing: Whether it is about writing.
        """
        poll = select.poll()
        poll.register(fd, select.POLLOUT if writing else select.POLLIN)
        poll.register(self.fileno(), select.POLLIN)
        ready = dict(poll.poll(max(0, math.ceil(timeout_s * 1000))))
        if self.fileno() in ready:
            return "interrupted"
        return "ready" if ready else "timed out"

    def close(self) -> None:
        """Let go of the descriptor. Safe to call twice."""
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
