"""A real web server on the loopback, without a camera behind it, and clients."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from edge_recog.errors import BundleError
from edge_recog.pipeline import OUTCOMES
from edge_recog.service.metrics import CONTENT_TYPE, Metrics
from edge_recog.service.web.documents import InputDocument, ModelDocument
from edge_recog.service.web.hub import Hub
from edge_recog.service.web.server import WebServer
from edge_recog.service.web.settings import WebSettings
from edge_recog.service.web.shown import Shown
from edge_recog.supervision import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_recog.answers import Answer

PATIENCE_S = 30.0
MODEL_ID = "sha256:" + "ab" * 32
TOKEN = "a-token-that-is-long-enough"


class Heard(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Stream:
    """An answer that goes on."""

    def __init__(self, connection: http.client.HTTPConnection, path: str, **headers: str) -> None:
        connection.request("GET", path, headers=headers)
        # The connection lets go of its socket where the answer has no length.
        self.socket = connection.sock
        self.answer = connection.getresponse()
        self._connection = connection

    def event(self) -> tuple[str, Any]:
        """Return type and document of the next server-sent event."""
        kind, data = "", ""
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream has ended"
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not line.strip() and data:
                return kind, json.loads(data)

    def event_of(self, kind: str) -> Any:
        """Return the next document of a type."""
        while True:
            found, document = self.event()
            if found == kind:
                return document

    def picture(self) -> bytes:
        """Return the next JPEG of a multipart stream."""
        while not (line := self.answer.readline()).lower().startswith(b"content-length:"):
            assert line, "the stream has ended"
        self.answer.readline()
        return self.answer.read(int(line.partition(b":")[2]))

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


class Served:
    """A server, and what is told to it."""

    def __init__(self, settings: WebSettings, name_of: Any, environ: dict[str, str]) -> None:
        self.frames: dict[Any, int] = dict.fromkeys(OUTCOMES, 0)
        self.model = ModelDocument(
            1,
            MODEL_ID,
            "clothing",
            ["shirt", "hat"],
            "single-label",
            InputDocument(96, 64, "RGB"),
            "int8",
            1000,
            1,
            None,
            None,
        )
        self.hub = Hub(
            node="kitchen",
            version="0.1.0",
            source="synthetic:8x6",
            model=self.model,
            name_of=name_of,
            frames=self.frames,
        )
        self.metrics = Metrics(version="0.1.0", outcomes=OUTCOMES)
        self.refusal: str | None = None
        """Why no model can be loaded."""
        self.activated = 0
        self.settings = settings
        self.hub.begun.set()
        self.server = WebServer(
            settings,
            Shown(
                hub=self.hub,
                version="0.1.0",
                metrics=self.metrics.exposition,
                metrics_type=CONTENT_TYPE,
                config=lambda: {"source": "synthetic:8x6"},
                activate=self._activate,
                stand_by=self._stand_by,
                wake=self._wake,
            ),
            environ=environ,
        )

    def _activate(self) -> ModelDocument:
        if self.refusal is not None:
            raise BundleError(self.refusal)
        self.activated += 1
        return self.model

    def _stand_by(self, reason: str) -> None:
        self.hub.status(Status("standby", reason, time.monotonic_ns()))

    def _wake(self) -> None:
        self.hub.status(Status("starting", None, time.monotonic_ns()))

    def connection(self, host: str = "127.0.0.1") -> http.client.HTTPConnection:
        return http.client.HTTPConnection(host, self.server.port, timeout=PATIENCE_S)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        host: str = "127.0.0.1",
        **headers: str,
    ) -> Heard:
        """Ask once; `_` in a header's name stands for `-`."""
        connection = self.connection(host)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Heard(answer.status, found, answer.read())
        finally:
            connection.close()

    @contextmanager
    def listening(self, path: str, **headers: str) -> Iterator[Stream]:
        stream = Stream(self.connection(), path, **headers)
        try:
            yield stream
        finally:
            stream.close()

    def raw(self, data: bytes = b"") -> socket.socket:
        """Return a connection on which these bytes were sent."""
        connection = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_S)
        connection.sendall(data)
        return connection

    def say(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes until the other side closes."""
        with self.raw(data) as connection:
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes, one way or the other."""
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.fixture
def serve(
    name_of: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Served]]:
    """Return what starts a server, on the loopback at a free port unless told otherwise."""
    running: list[Served] = []

    def begin(listen: str = "127.0.0.1:0", **settings: Any) -> Served:
        environ = {"STATE_DIRECTORY": str(tmp_path / "state")}
        running.append(Served(WebSettings(listen=listen, **settings), name_of, environ))
        return running[-1]

    yield begin
    for one in running:
        one.server.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]


@pytest.fixture
def served(
    serve: Callable[..., Served], answer: Callable[..., Answer], status: Callable[..., Any]
) -> Served:
    """Return a server on the loopback that has an answer."""
    one = serve()
    one.hub.answer(answer())
    one.hub.status(status("running"))
    return one


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def guarded(serve: Callable[..., Served], answer: Callable[..., Answer], token_file: str) -> Served:
    """Return a server that is there for all, so that it wants the token."""
    one = serve("0.0.0.0:0", token_file=token_file)
    one.hub.answer(answer())
    return one
