"""Cameras of the tests' own: real HTTP and RTSP servers, and pictures that they send."""

from __future__ import annotations

import contextlib
import http.server
import queue
import ssl
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_RTSP_SERVER = Path(__file__).parent / "run_rtsp_server.py"
_SYSTEM_PYTHON = "/usr/bin/python3"


class Stream(NamedTuple):
    """What streams are made of, for the tests, which cannot import this file."""

    jpeg: Callable[..., bytes]
    part: Callable[..., bytes]
    shade: Callable[..., int]
    begin: Callable[..., None]


@pytest.fixture(scope="session")
def stream() -> Stream:
    return Stream(jpeg, part, shade, begin)


def jpeg(value: int = 128, size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a JPEG of one shade of grey, of this width and height."""
    width, height = size
    good, data = cv2.imencode(".jpg", np.full((height, width, 3), value, np.uint8))
    assert good
    return bytes(data)


def shade(pixels: NDArray[np.uint8]) -> int:
    """Return the shade that `jpeg` was given."""
    return int(pixels.mean().round())


def part(data: bytes, *, boundary: str = "frame", length: bool = True) -> bytes:
    """Return a part of multipart/x-mixed-replace."""
    head = f"--{boundary}\r\nContent-Type: image/jpeg\r\n"
    if length:
        head += f"Content-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data + b"\r\n"


class HttpCamera:
    """A network camera: what it does is a function of the request's handler."""

    def __init__(self) -> None:
        self.script: Callable[[http.server.BaseHTTPRequestHandler], None] = self.live
        self.to_send: queue.Queue[bytes | None] = queue.Queue()
        """What `live` sends next; it hangs up at None."""
        self.stopped = threading.Event()
        """Scripts that wait wait for this."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        """Path and headers of each request."""
        self.gone = threading.Event()
        """Set when a client has hung up while something was sent."""
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.asked.append((self.path, dict(self.headers)))
                try:
                    camera.script(self)
                except OSError:
                    camera.gone.set()

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def use_tls(self, certificate: tuple[str, str]) -> None:
        """Speak TLS from now on, with a file of certificate and key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/video.mjpg"

    def live(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Send what the test puts into `to_send`."""
        begin(handler)
        while (data := self.to_send.get()) is not None:
            handler.wfile.write(data)

    def close(self) -> None:
        self.stopped.set()
        self.to_send.put(None)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def begin(
    handler: http.server.BaseHTTPRequestHandler,
    kind: str = "multipart/x-mixed-replace; boundary=frame",
) -> None:
    """Answer as a stream."""
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.end_headers()


@pytest.fixture
def http_camera() -> Iterator[HttpCamera]:
    camera = HttpCamera()
    with contextlib.closing(camera):
        yield camera


@pytest.fixture(scope="session")
def certificate(self_signed: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """Return the files of a certificate for localhost, signed by itself, and of its key."""
    return self_signed("DNS:localhost")


class RtspServer(NamedTuple):
    """A process that serves RTSP."""

    process: subprocess.Popen[str]
    port: int

    def address(self, path: str, login: str = "") -> str:
        return f"rtsp://{login}127.0.0.1:{self.port}/{path}"

    def tell(self, word: str) -> None:
        """Give the server an order, and wait until it has done it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{word}\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def rtsp_server(missing: Callable[[str], NoReturn]) -> Iterator[Callable[..., RtspServer]]:
    """Return what starts an RTSP server, on a port of its own or on one that is free again."""
    asked = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if (
        not Path(_SYSTEM_PYTHON).exists()
        or subprocess.run(
            [_SYSTEM_PYTHON, "-c", asked], capture_output=True, check=False
        ).returncode
    ):
        missing("GStreamer's RTSP server is not installed (python3-gi, gir1.2-gst-rtsp-server-1.0)")
    servers: list[RtspServer] = []

    def start(port: int = 0, *, kind: str = "open") -> RtspServer:
        process = subprocess.Popen(
            [_SYSTEM_PYTHON, str(_RTSP_SERVER), str(port), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        server = RtspServer(process, int(process.stdout.readline()))
        servers.append(server)
        return server

    yield start
    for server in servers:
        with server.process:
            server.process.kill()
