"""Web servers that do as they are told, and repositories in memory."""

from __future__ import annotations

import hashlib
import socket
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle
from edge_recog.packing import pack_bundle
from edge_recog.updates.cohort import WHOLE_PPM
from edge_recog.updates.release import Offer, Offers, Release, Stopped, Stops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def release(model: str = "a" * 64, **changes: Any) -> Release:
    told: dict[str, Any] = {
        "schema_version": 1,
        "channel": "stable",
        "number": 1,
        "model": model,
        "name": "clothing",
        "share_ppm": WHOLE_PPM,
        "created_at": NOW,
        "minimum_version": "0",
    }
    return Release(**told | changes)


def offers(
    latest: Release | None,
    settled: Release | None = None,
    stopped: tuple[tuple[int, str], ...] = (),
) -> Offers:
    def offer(one: Release | None, name: str) -> Offer | None:
        return None if one is None else Offer(one, f"stable/{name}.tflite", 1000)

    stops = tuple(Stopped(number=number, reason=reason, at=NOW) for number, reason in stopped)
    return Offers(
        latest=offer(latest, "latest"),
        settled=offer(settled, "settled"),
        stops=Stops(schema_version=1, channel="stable", stopped=stops),
    )


@pytest.fixture(scope="session")
def make_release() -> Callable[..., Release]:
    """Return what makes a release for all devices, with changes."""
    return release


@pytest.fixture(scope="session")
def make_offers() -> Callable[..., Offers]:
    """Return what makes offers of releases."""
    return offers


@pytest.fixture(scope="session")
def model_of(tiny_bytes: bytes) -> Callable[[str], bytes]:
    """Return what makes a model file of a name."""
    bundle = Bundle.from_bytes(tiny_bytes, where="tiny")
    return lambda name: pack_bundle(tiny_bytes, bundle.contract, bundle.labels, name=name)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    connection: socket.socket
    server: WebServer

    def send(self, head: str, body: bytes = b"") -> None:
        self.connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    def answer(self, body: bytes, *, whole: int | None = None) -> None:
        """Answer with a file, or as much of it as there is of the `whole`."""
        length = len(body) if whole is None else whole
        self.send(f"HTTP/1.1 200 OK\nContent-Length: {length}\nConnection: close", body)


@dataclass
class WebServer:
    """Answers each request by a function, on a connection of its own."""

    respond: Callable[[Request], None]
    requests: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            head = iter(file.readline, b"\r\n")
            try:
                first = next(head, b"").decode().split()
                pairs = [line.decode().strip().split(": ", 1) for line in head if line]
            except (OSError, ValueError):
                return
            if len(first) < 2:
                return
            request = Request(first[1], dict(map(tuple, pairs)), connection, self)  # type: ignore[arg-type]
            self.requests.append(request)
            try:
                self.respond(request)
            except OSError:
                return  # It went away.


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Request], None]], WebServer]]:
    """Return what starts a server that answers by a function."""
    servers: list[WebServer] = []

    def start(respond: Callable[[Request], None]) -> WebServer:
        servers.append(WebServer(respond))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@dataclass
class MemoryRepository:
    """Offers what it is told to."""

    offers: Offers | Exception
    files: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    def look(self, channel: str) -> Offers:
        del channel
        if isinstance(self.offers, Exception):
            raise self.offers
        return self.offers

    def fetch(self, offer: Offer) -> bytes:
        self.fetched.append(offer.release.model)
        return self.files[offer.release.model]

    def forget(self, model: str) -> None:
        del model

    def close(self) -> None:
        pass

    def add(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.files[digest] = data
        return digest


@pytest.fixture
def repository() -> MemoryRepository:
    return MemoryRepository(offers(None))
