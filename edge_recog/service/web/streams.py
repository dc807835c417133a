"""Answers without an end: server-sent events, and motion JPEG."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from edge_recog.service.sinks import encoded
from edge_recog.service.web.picture import TooManyViewersError
from edge_recog.service.web.problems import HttpProblem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from edge_recog.service.web.bell import Bell
    from edge_recog.service.web.guard import Receive, Scope, Send
    from edge_recog.service.web.hub import Hub
    from edge_recog.service.web.picture import LivePicture

Told = Literal["classification", "event", "status", "model"]
TOLD: Final[tuple[Told, ...]] = ("classification", "event", "status", "model")
"""What server-sent events tell, by their type."""

STATUS_S: Final = 2.0
"""At least so often the status is told."""
KEEP_ALIVE_S: Final = 15.0
"""After so long a silence a comment is sent."""
BOUNDARY: Final = "edge_recog"


class Streamed:
    """An answer that goes on until whoever asked is gone."""

    def __init__(self, media_type: str, parts: Callable[[], AsyncIterator[bytes]]) -> None:
        """Prepare.

        Args:
            media_type: Content-Type.
            parts: What is sent, piece by piece.
        """
        self._media_type = media_type
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = [(b"content-type", self._media_type.encode()), (b"x-accel-buffering", b"no")]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.ensure_future(self._send_all(start, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def _send_all(self, start: dict[str, object], send: Send) -> None:
        parts = self._parts()
        try:
            # Before anything is sent: what speaks against it is still a problem document.
            first = await anext(parts)
            await send(start)
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await parts.aclose()  # type: ignore[attr-defined]  # A generator, all of ours are.


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def live_pictures(pictures: LivePicture) -> AsyncIterator[bytes]:
    """Yield parts of multipart/x-mixed-replace, one for each picture.

    Raises:
        HttpProblem: No more may watch.
    """
    try:
        with pictures.watched():
            # Browsers show a part when the next one begins, so each ends with a boundary.
            yield f"--{BOUNDARY}\r\n".encode()
            while True:
                jpeg = (await pictures.next()).jpeg
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield b"".join((head.encode(), jpeg, f"\r\n--{BOUNDARY}\r\n".encode()))
    except TooManyViewersError:
        raise HttpProblem(
            429, "as many as may watch the live picture do already", {"retry-after": "5"}
        ) from None


async def live_events(
    hub: Hub, bell: Bell, kinds: Collection[Told], ended: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield server-sent events: first how things are, then everything new.

    Args:
        hub: Knows what there is.
        bell: Rings when something is new.
        kinds: What is wanted.
        ended: Whether this is the end for all.
    """
    loop = asyncio.get_running_loop()
    answers = statuses = models = -1
    last_event = hub.last_event
    status_s = told_s = loop.time()
    bell.listeners += 1
    try:
        text = b"retry: 2000\n\n"
        while True:
            news = bell.next
            now_s = loop.time()
            had = (answers, statuses, models)
            answers, statuses, models = hub.numbers
            if "status" in kinds and (statuses != had[1] or now_s - status_s >= STATUS_S):
                status_s = now_s
                text += _event("status", msgspec.json.encode(hub.status_document()))
            if "model" in kinds and models != had[2]:
                text += _event("model", msgspec.json.encode(hub.model))
            events = hub.events_after(last_event)
            if events is None:
                # Too slow for what must not be left out: whoever comes back sees all anew.
                return
            for event in events:
                last_event = event.number
                if "event" in kinds:
                    text += _event("event", encoded(event.document))
            if "classification" in kinds and answers != had[0]:
                document = hub.classification()
                if document is not None:
                    text += _event("classification", encoded(document))
            if not text and now_s - told_s >= KEEP_ALIVE_S:
                text = b":\n\n"
            if text:
                told_s = now_s
                yield text
                text = b""
            if ended():
                return
            await asyncio.wait({news}, timeout=STATUS_S)
    finally:
        bell.listeners -= 1


def _event(kind: Told, document: bytes) -> bytes:
    return b"".join((b"event: ", kind.encode(), b"\ndata: ", document, b"\n\n"))
