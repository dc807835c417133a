"""News from any thread for coroutines that wait, at most so often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

EVERY_S: Final = 0.1
"""At most so often coroutines are woken, however often it is rung."""


class Bell:
    """Wakes all that wait. Whoever waits looks at what there is before, and again after it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, every_s: float = EVERY_S) -> None:
        """Begin; to be used in this loop.

        Args:
            loop: In which coroutines wait.
            every_s: The shortest time between two wake-ups.
        """
        self.listeners = 0
        """Who wait now and then; nobody is woken while it is 0."""
        self._loop = loop
        self._every_s = every_s
        self._is_rung = False
        self._last_s = float("-inf")
        self._next: asyncio.Future[None] = loop.create_future()

    def ring(self) -> None:
        """Have all woken; from any thread, which pays for the first ring between two wake-ups."""
        if self._is_rung or not self.listeners:
            return
        self._is_rung = True
        try:
            self._loop.call_soon_threadsafe(self._plan)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            self.listeners = 0

    @property
    def next(self) -> asyncio.Future[None]:
        """What is done at the next wake-up; taken before a look at what there is."""
        return self._next

    def _plan(self) -> None:
        wait_s = self._last_s + self._every_s - self._loop.time()
        if wait_s > 0:
            self._loop.call_later(wait_s, self._wake)
        else:
            self._wake()

    def _wake(self) -> None:
        # Before anybody looks: what comes after is rung for again.
        self._is_rung = False
        self._last_s = self._loop.time()
        woken, self._next = self._next, self._loop.create_future()
        woken.set_result(None)
