"""Connections that are cut off when the other side lets us wait."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_recog.service.web.guard import HEADERS
from edge_recog.service.web.problems import MEDIA_TYPE, HttpProblem

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

REQUEST_S: Final = 10.0
"""In which a request must be here, its body too, counted from when it could have begun."""
WRITE_S: Final = 5.0
"""In which what is sent must be taken."""


def plain_answer(problem: HttpProblem) -> bytes:
    """Return a whole answer, for those with whom there is no conversation."""
    body = problem.body()
    headers = {
        **HEADERS,
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "connection": "close",
        **problem.headers,
    }
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


class Connection(H11Protocol):
    """One connection of uvicorn's, with an end to every wait."""

    def __init__(
        self, config: Config, server_state: ServerState, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Prepare; it is made when the other side is there.

        Args:
            config: uvicorn's.
            server_state: Shared by all connections.
            loop: That it runs in.
        """
        super().__init__(config, server_state, {}, loop)
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when it is no more."""
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._wait_for_request()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._wait_for_request()
        self._end_if_closing()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which no further request came."""
        super().timeout_keep_alive_handler()
        self._end_if_closing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        del msg
        # Nothing may be sent while an answer is under way, or where this side has closed already.
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE} and not (
            self.cycle is not None and self.cycle.response_started
        ):
            self.transport.write(plain_answer(HttpProblem(400, "this is no request of HTTP/1.1")))
        self.transport.close()
        self._end_if_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        """Wait for the other side to take something, but not for ever."""
        super().pause_writing()
        self._writing = self.loop.call_later(WRITE_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _wait_for_request(self) -> None:
        """Count the time while the other side has something to send."""
        is_due = self.conn.their_state in {h11.IDLE, h11.SEND_BODY}
        if is_due and self._reading is None and not self.transport.is_closing():
            self._reading = self.loop.call_later(REQUEST_S, self.transport.abort)
        elif not is_due and self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _end_if_closing(self) -> None:
        """End a connection that is closed but whose last bytes nobody takes."""
        if self.transport.is_closing():
            self.loop.call_later(WRITE_S, self.transport.abort)


def quiet_logs() -> dict[str, Any]:
    """Return uvicorn's settings for a log without a line for each request or broken one."""
    return {"log_config": None, "log_level": "error", "access_log": False}
