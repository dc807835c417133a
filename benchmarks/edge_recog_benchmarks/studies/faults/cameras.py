"""Cameras that can be broken: real servers of HTTP-MJPEG and RTSP, and a clock that drives them."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from edge_recog.errors import UsageError
from edge_recog_benchmarks.studies.faults import pictures

if TYPE_CHECKING:
    from collections.abc import Callable

RATE: Final = 15.0
"""Pictures a second."""
_TRICKLE_S: Final = 0.15
"""Between two bytes of a picture that trickles."""
_FEW: Final = 3
"""Pictures that a frozen camera may hand out in turn."""
_SYSTEM_PYTHON: Final = "/usr/bin/python3"
_RTSP_SERVER: Final = Path(__file__).with_name("rtsp_server.py")
_ORDER: Final = struct.Struct("<cI")
_START_S: Final = 20.0


class Server(Protocol):
    """Sends pictures to whoever asks."""

    @property
    def address(self) -> str:
        """The source, for a configuration."""

    def show(self, jpeg: bytes) -> None:
        """Send a picture to everybody, now. Never waits."""

    def hang(self, *, on: bool) -> None:
        """Keep connections and send nothing; or go on."""

    def shut(self, *, on: bool) -> None:
        """Hang up and let nobody in; or let them in again."""

    def close(self) -> None:
        """End. Safe to call twice."""


class Camera:
    """Shows a new picture `RATE` times a second, or what a fault makes of it."""

    def __init__(self, server: Server) -> None:
        """Begin.

        Args:
            server: Closed with it.
        """
        self.server = server
        self.sent_ns: dict[int, int] = {}
        """Number of a good picture → when it was last sent as a new one, monotonic."""
        self._change: Callable[[bytes, int], bytes] | None = None
        self._size = pictures.SIZES[0]
        self._is_frozen = self._is_bad = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="camera", daemon=True)
        self._thread.start()

    def good(self) -> None:
        """Show good pictures again."""
        self._change, self._is_frozen, self._is_bad = None, False, False
        self._size = pictures.SIZES[0]

    def freeze(self, variant: int) -> None:
        """Show the last picture again and again, or the last few in turn."""
        self._few = 1 if variant % 2 else _FEW
        self._is_frozen = True

    def go_black(self) -> None:
        """Show nothing but black."""
        self._is_bad, self._change = True, lambda jpeg, index: pictures.black()

    def damage(self, variant: int) -> None:
        """Damage every picture, all in the same way."""
        kinds = len(pictures.DAMAGES)
        self._is_bad = True
        self._change = lambda jpeg, index: pictures.damaged(jpeg, variant + index * kinds)

    def resize(self, variant: int) -> None:
        """Show pictures of another size."""
        self._size = pictures.SIZES[1 + variant % (len(pictures.SIZES) - 1)]

    def close(self) -> None:
        """End. Safe to call twice."""
        self._ended.set()
        self._thread.join()
        self.server.close()

    def _work(self) -> None:
        index = 0
        last: list[bytes] = []
        due_s = time.monotonic()
        while not self._ended.wait(max(0.0, due_s - time.monotonic())):
            due_s = max(due_s + 1 / RATE, time.monotonic())
            if self._is_frozen and last:
                self.server.show(last[-(1 + index % min(self._few, len(last)))])
            else:
                change, is_bad = self._change, self._is_bad
                jpeg = pictures.picture(index, is_bad=is_bad, size=self._size)
                if change is not None:
                    jpeg = change(jpeg, index)
                if not is_bad:
                    last = [*last[1 - _FEW :], jpeg]
                    self.sent_ns[index % pictures.NUMBERS] = time.monotonic_ns()
                self.server.show(jpeg)
            index += 1


class HttpServer:
    """Motion JPEG over HTTP."""

    def __init__(self) -> None:
        """Listen."""
        self._news = threading.Condition()
        self._number = 0
        self._jpeg = b""
        self._mode = "good"
        self._clients: set[socket.socket] = set()
        self._port = 0
        self._server: http.server.ThreadingHTTPServer | None = None
        self._listen()

    @property
    def address(self) -> str:
        """See `Server`."""
        return f"http://127.0.0.1:{self._port}/video.mjpg"

    def show(self, jpeg: bytes) -> None:
        """See `Server`."""
        with self._news:
            self._number, self._jpeg = self._number + 1, jpeg
            self._news.notify_all()

    def hang(self, *, on: bool) -> None:
        """See `Server`."""
        self._set("hang" if on else "good")

    def trickle(self, *, on: bool) -> None:
        """Send a byte now and then, and no more; or the rest, and go on."""
        self._set("trickle" if on else "good")

    def shut(self, *, on: bool) -> None:
        """See `Server`."""
        if on:
            self._stop_listening()
        else:
            self._listen()

    def close(self) -> None:
        """See `Server`."""
        self._set("closed")
        self._stop_listening()

    def _set(self, mode: str) -> None:
        with self._news:
            self._mode = mode
            self._news.notify_all()

    def _listen(self) -> None:
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    camera._serve(self.request)

            def log_message(self, *_: object) -> None: ...

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Those who are hung up on say so."""

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _stop_listening(self) -> None:
        if self._server is not None:
            # First: whoever is hung up on comes back at once.
            self._server.socket.shutdown(socket.SHUT_RDWR)
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for client in tuple(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _serve(self, client: socket.socket) -> None:
        self._clients.add(client)
        try:
            head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
            self._send(client, f"{head}\r\n".encode())
            seen = 0
            while True:
                with self._news:
                    self._news.wait_for(partial(self._is_to_send, seen))
                    if self._mode == "closed":
                        return
                    seen, jpeg = self._number, self._jpeg
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
                self._send(client, f"{head}\r\n".encode() + jpeg + b"\r\n")
        finally:
            self._clients.discard(client)

    def _is_to_send(self, seen: int) -> bool:
        return self._mode == "closed" or (self._mode != "hang" and self._number != seen)

    def _send(self, client: socket.socket, data: bytes) -> None:
        while self._mode != "good" and data:
            with self._news:
                if self._mode == "hang":
                    self._news.wait_for(lambda: self._mode != "hang")
                elif self._mode == "closed":
                    raise BrokenPipeError
                else:
                    self._news.wait_for(lambda: self._mode != "trickle", _TRICKLE_S)
                if self._mode == "trickle":
                    client.sendall(data[:1])
                    data = data[1:]
        client.sendall(data)


class RtspServer:
    """RTSP by GStreamer, in a process of the system's Python."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            UsageError: GStreamer's RTSP server is not installed, or does not start.
        """
        self._lock = threading.Lock()
        self._port = 0
        self._is_hung = False
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        """See `Server`."""
        return f"rtsp://127.0.0.1:{self._port}/live"

    def show(self, jpeg: bytes) -> None:
        """See `Server`."""
        self._order(b"P", jpeg)

    def hang(self, *, on: bool) -> None:
        """See `Server`."""
        with self._lock:
            self._is_hung = on
            if self._process is not None:
                self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def shut(self, *, on: bool) -> None:
        """See `Server`."""
        self._order(b"D" if on else b"R")

    def kill(self) -> None:
        """Have it die without a goodbye."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            _close_pipes(process)

    def start(self) -> None:
        """Start it, at the port it had.

        Raises:
            UsageError: It does not start.
        """
        if shutil.which(_SYSTEM_PYTHON) is None:
            raise UsageError(f"{_SYSTEM_PYTHON}, which runs the RTSP camera, is not there")
        process = subprocess.Popen(
            [_SYSTEM_PYTHON, str(_RTSP_SERVER), str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # A Ctrl-C is meant for the campaign.
        )
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said.strip().isdigit():
            _, error = process.communicate(timeout=_START_S)
            raise UsageError(
                "the RTSP camera does not start: "
                f"{error.decode(errors='replace').strip()[-200:]}; it needs python3-gi, "
                "gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-good"
            )
        self._port = int(said)
        with self._lock:
            self._process = process

    def close(self) -> None:
        """See `Server`."""
        self.kill()

    def _order(self, letter: bytes, data: bytes = b"") -> None:
        with self._lock:
            process = self._process
            if process is None or self._is_hung:
                return
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.write(_ORDER.pack(letter, len(data)) + data)
                process.stdin.flush()


def _close_pipes(process: subprocess.Popen[Any]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
