"""Whatever bytes come, the server lives, says nothing odd and holds on to nothing."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.h11_impl import RequestResponseCycle

from edge_recog.service.web.connections import Connection

if TYPE_CHECKING:
    import pytest

METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"TRACE", b"CONNECT", b"PRI", b"get"])
PATHS = st.one_of(
    st.sampled_from(
        [
            *(b"/", b"/healthz", b"/api/v1/status", b"/api/v1/frame.jpg", b"/page/live.js"),
            *(b"/api/v1/model/activate", b"/login", b"*", b"http://localhost/healthz", b"/../x"),
            *(b"/api/v1/events?kinds=event", b"/api/v1/stream.mjpg", b"/%00", b"/%ff%fe"),
        ]
    ),
    st.binary(max_size=30).map(lambda one: b"/" + one),
)
HEADERS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(b"Host: localhost", b"Host: evil", b"Connection: close", b"Upgrade: websocket"),
                *(b"Connection: Upgrade", b"Content-Length: 2", b"Content-Length: 999999"),
                *(b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Origin: null"),
                *(b"Content-Type: application/json", b"Cookie: edge_recog_session=1.2; \x80=;"),
                *(b"Authorization: Bearer \xff", b"If-None-Match: *", b"Range: bytes=0-1", b": x"),
            ]
        ),
        st.binary(max_size=40),
    ),
    max_size=6,
)
REQUESTS = st.builds(
    lambda method, path, version, headers, body: b"\r\n".join(
        [method + b" " + path + b" " + version, *headers, b"", body]
    ),
    METHODS,
    PATHS,
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 "]),
    HEADERS,
    st.one_of(
        st.just(b""), st.just(b"{}"), st.just(b"2\r\n{}\r\n0\r\n\r\n"), st.binary(max_size=60)
    ),
)
BYTES = st.one_of(
    st.binary(max_size=200), REQUESTS, st.lists(REQUESTS, min_size=2, max_size=4).map(b"".join)
)


def test_any_bytes_are_survived(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    @seed(1)
    @settings(
        max_examples=250,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(BYTES)
    def send(data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", served.server.port), 20) as connection:
            try:
                connection.sendall(data)
                # What was sent is whole: nothing more comes, and an answer may be read or not.
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(0.02)
                assert not connection.recv(4096).startswith(b"HTTP/1.1 5")
            except (TimeoutError, ConnectionResetError, BrokenPipeError, OSError):
                pass

    # Once to load and fill whatever is loaded and filled once.
    send()
    _until_all_left(served)
    before = (_descriptors(), threading.active_count())
    send()
    _until_all_left(served)

    assert served.ask("/healthz").status == 200
    _until_all_left(served)
    assert (_descriptors(), threading.active_count()) == before
    gc.collect()
    held = [one for one in gc.get_objects() if isinstance(one, Connection | RequestResponseCycle)]
    assert held == []
    assert "Traceback" not in caplog.text
    assert not [one for one in caplog.records if one.levelname in {"ERROR", "CRITICAL"}]


def _until_all_left(served: Any) -> None:
    deadline = time.monotonic() + 30
    while served.server.connections or served.hub.viewers:
        assert time.monotonic() < deadline, "connections are held on to"
        time.sleep(0.02)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough.
