"""What runs in the web server's thread: it accepts connections, so many at most, and ends them."""

from __future__ import annotations

import asyncio
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from edge_recog.service.web.app import Routes, build_app
from edge_recog.service.web.bell import Bell
from edge_recog.service.web.connections import Connection, plain_answer, quiet_logs
from edge_recog.service.web.picture import LivePicture
from edge_recog.service.web.problems import HttpProblem
from edge_recog.service.web.tokens import Tokens, Tries

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from edge_recog.service.web.settings import WebSettings
    from edge_recog.service.web.shown import Shown

_LOG = logging.getLogger(__name__)

CONNECTIONS: Final = 64
"""At the same time."""

_REST_S: Final = 0.5
"""After a connection that could not be taken."""
_HANDSHAKE_S: Final = 5.0
_GOODBYE_S: Final = 0.2
"""For streams to end by themselves."""
_HEADER_BYTES: Final = 16_384
_SEND_BUFFER_BYTES: Final = 131_072
"""Of the kernel, for each connection: what is in it nobody has seen yet, so it makes pictures late
and hides that somebody does not read."""


class Serving:
    """Serves on a socket, in the loop that `run` is called in."""

    def __init__(
        self,
        bound: socket.socket,
        settings: WebSettings,
        shown: Shown,
        *,
        token: str | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Put everything together; to be made within the loop.

        Args:
            bound: Listens, and never blocks; closed at the end.
            settings: How often, and for how many.
            shown: What there is.
            token: That is needed; None for none.
            tls: For https.
        """
        self._socket = bound
        self._hub = shown.hub
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._bell = Bell(self._loop)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="web-picture")
        self._connections: dict[asyncio.Task[None], socket.socket] = {}
        tokens, tries = Tokens(token) if token is not None else None, Tries()
        routes = Routes(
            shown,
            bell=self._bell,
            pictures=LivePicture(
                self._hub, self._executor, fps=settings.stream_fps, most_viewers=settings.viewers
            ),
            tokens=tokens,
            tries=tries,
            is_secure=tls is not None,
            ended=self._end.is_set,
        )
        self._is_told = False
        """Whether it was logged that nobody can be let in."""
        self._state = ServerState()
        self._config = Config(
            build_app(routes, tokens=tokens, tries=tries),
            http=Connection,
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=5,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            **quiet_logs(),
        )
        self._config.load()

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    def end(self) -> None:
        """Have `run` end, soon; from any thread."""
        with suppress(RuntimeError):  # The loop is closed: it has ended by itself.
            self._loop.call_soon_threadsafe(self._end.set)

    async def run(self, begun: Callable[[], object]) -> None:
        """Serve until `end`.

        Args:
            begun: Called as soon as somebody who connects is answered.
        """
        self._hub.on_change = self._bell.ring
        self._listen()
        begun()
        try:
            await self._end.wait()
        finally:
            self._hub.on_change = lambda: None
            self._end.set()
            self._loop.remove_reader(self._socket)
            self._socket.close()
            await self._say_goodbye()
            # One picture, a few milliseconds.
            self._executor.shutdown(cancel_futures=True)

    def _accept(self) -> None:
        """Let in who is next; called by the loop when somebody is there."""
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # Gone again.
        except OSError as error:
            # Too many open files, as a rule: some will be closed.
            if not self._is_told:
                _LOG.error("the live page takes no connections: %s", error.strerror or error)
            self._is_told = True
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_REST_S, self._listen)
            return
        self._is_told = False
        connection.setblocking(False)
        if len(self._connections) >= CONNECTIONS:
            _refuse(connection, is_plain=self._tls is None)
            return
        task = self._loop.create_task(self._hold(connection))
        self._connections[task] = connection
        task.add_done_callback(self._let_go)

    def _listen(self) -> None:
        if not self._end.is_set():
            self._loop.add_reader(self._socket, self._accept)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        # A task that is cancelled before its first turn could not do it.
        self._connections.pop(task).close()

    async def _hold(self, connection: socket.socket) -> None:
        """Speak with one client, to the end."""
        protocol = Connection(self._config, self._state, self._loop)
        _tune(connection)
        limits: dict[str, Any] = {}
        if self._tls is not None:
            limits = {"ssl_handshake_timeout": _HANDSHAKE_S, "ssl_shutdown_timeout": _GOODBYE_S}
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=self._tls, **limits
            )
        except OSError:
            # No TLS, or gone already: nobody is there to tell.
            connection.close()
            return
        try:
            # Not the future itself, which would be cancelled with this task.
            await asyncio.shield(protocol.ended)
        finally:
            transport.abort()

    async def _say_goodbye(self) -> None:
        """Let event streams tell the last state; then cut off whoever is left."""
        self._bell.ring()
        for connection in tuple(self._state.connections):
            connection.shutdown()
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=_GOODBYE_S)
        for task in tuple(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections))
        # Requests are told of it by their connections, in the next turn of the loop.
        requests = set(self._state.tasks)
        for request in requests:
            request.cancel()
        if requests:
            await asyncio.wait(requests, timeout=_GOODBYE_S)


def _tune(connection: socket.socket) -> None:
    """Have one that is gone without a word noticed, and little wait in the kernel."""
    with suppress(OSError):  # It may be gone already.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _refuse(connection: socket.socket, *, is_plain: bool) -> None:
    """Close a connection at once, with a word where that is possible without waiting."""
    with connection, suppress(OSError):
        if is_plain:
            problem = HttpProblem(
                503, "too many are connected: try again later", {"retry-after": "5"}
            )
            connection.send(plain_answer(problem))
