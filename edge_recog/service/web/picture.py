"""The live picture as JPEG: encoded once for all who watch, and not at all while nobody does."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from edge_recog.annotation import encode_jpeg
from edge_recog.cameras.scaling import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from edge_recog.frames import Frame
    from edge_recog.service.web.hub import Hub

WIDEST: Final = 1280
"""In pixels; wider pictures are made smaller."""
QUALITY: Final = 80
"""Of JPEG, 0-100."""


class Shot(NamedTuple):
    """One encoded picture."""

    number: int
    """Running, from 1."""
    jpeg: bytes


Stamp = tuple[str, int, int]
"""Tells one frame from another without holding it."""


class TooManyViewersError(Exception):
    """No more may watch."""


def encode(frame: Frame, *, widest: int = WIDEST) -> bytes:
    """Return a frame as JPEG; one that is wider than `widest` smaller. OpenCV releases the GIL."""
    pixels = scaled(frame.pixels, widest, None) if frame.width > widest else frame.pixels
    return encode_jpeg(pixels, QUALITY)


class LivePicture:
    """Encodes the newest frame, so often, while somebody watches. For one loop."""

    def __init__(self, hub: Hub, executor: Executor, *, fps: float, most_viewers: int) -> None:
        """Begin without viewers.

        Args:
            hub: Knows the newest frame.
            executor: Encodes.
            fps: Pictures a second at most.
            most_viewers: Who may watch at the same time.
        """
        self._hub = hub
        self._executor = executor
        self._every_s = 1.0 / fps
        self._most_viewers = most_viewers
        self._shots = 0
        self._task: asyncio.Task[None] | None = None
        self._next: asyncio.Future[Shot] | None = None
        self._kept: tuple[Stamp, bytes] | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have pictures encoded while inside.

        Raises:
            TooManyViewersError: No more may watch.
        """
        if self._hub.viewers >= self._most_viewers:
            raise TooManyViewersError
        self._hub.viewers += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._encode_all())
        try:
            yield
        finally:
            self._hub.viewers -= 1
            if self._hub.viewers == 0 and self._task is not None:
                self._task.cancel()
                self._task = self._next = self._kept = None

    async def next(self) -> Shot:
        """Wait for the next picture, while `watched`."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        # Of several that wait, one that gives up must not take it from the others.
        return await asyncio.shield(self._next)

    async def newest(self) -> bytes | None:
        """Return the newest picture; None where there is none of now."""
        frame = self._hub.frame
        return None if frame is None else await self._encoded(frame)

    async def _encoded(self, frame: Frame) -> bytes:
        stamp = _stamp(frame)
        if self._kept is not None and self._kept[0] == stamp:
            return self._kept[1]
        loop = asyncio.get_running_loop()
        jpeg = await loop.run_in_executor(self._executor, encode, frame)
        if self._hub.viewers:
            self._kept = (stamp, jpeg)
        return jpeg

    async def _encode_all(self) -> None:
        loop = asyncio.get_running_loop()
        shown: Stamp | None = None
        while True:
            due_s = loop.time() + self._every_s
            frame = self._hub.frame
            if frame is not None and _stamp(frame) != shown and self._next is not None:
                shown = _stamp(frame)
                await self._show(frame)
            del frame
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def _show(self, frame: Frame) -> None:
        try:
            jpeg = await self._encoded(frame)
        except Exception as error:  # noqa: BLE001 - whoever waits for the picture raises it again.
            if self._next is not None:
                self._next.set_exception(error)
                self._next = None
            return
        self._shots += 1
        if self._next is not None:
            self._next.set_result(Shot(self._shots, jpeg))
            self._next = None


def _stamp(frame: Frame) -> Stamp:
    return frame.source, frame.index, frame.captured_ns
