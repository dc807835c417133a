from __future__ import annotations

import resource
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.answers import Answer
from edge_recog.frames import Frame
from edge_recog.service.web import connections, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def everything(connection: socket.socket) -> bytes:
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD,
        HEAD + b"\r\n" + HEAD,
        b"POST /api/v1/model/activate HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{",
    ],
    ids=["nothing", "half-a-head", "half-a-second-one", "half-a-body"],
)
def test_a_request_that_does_not_come_is_not_waited_for(
    served: Any, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    with served.raw(sent) as connection:
        everything(connection)

    assert served.activated == 0
    until(lambda: served.server.connections == 0)


def test_a_head_that_trickles_is_cut_off(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)
    with served.raw(HEAD) as connection:
        connection.settimeout(0.02)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                connection.sendall(b"X: y\r\n")
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            pytest.fail("it may trickle for ever")


def test_who_does_not_read_is_cut_off(
    served: Any,
    answer: Callable[..., Answer],
    noise: Callable[..., NDArray[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "WRITE_S", 0.2)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    with connection:
        connection.connect(("127.0.0.1", served.server.port))
        connection.sendall(b"GET /api/v1/stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: served.hub.viewers == 1)
        index = 0

        def is_gone() -> bool:
            nonlocal index
            index += 1
            one = answer(index=index)
            frame = Frame.from_rgb(noise(300, 400, index), index=index)
            served.hub.answer(Answer(frame, one.classification, (), ()))
            return bool(served.hub.viewers == 0)

        until(is_gone)
    until(lambda: served.server.connections == 0)


def test_an_answer_that_nobody_takes_does_not_hold_its_connection(
    served: Any,
    answer: Callable[..., Answer],
    noise: Callable[..., NDArray[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "WRITE_S", 0.2)
    frame = Frame.from_rgb(noise(1000, 1280, 1))
    one = answer()
    served.hub.answer(Answer(frame, one.classification, (), ()))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with connection:
        connection.connect(("127.0.0.1", served.server.port))
        connection.sendall(
            b"GET /api/v1/frame.jpg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        until(lambda: served.server.connections == 1)
        until(lambda: served.server.connections == 0)


def test_one_more_than_may_connect_is_refused(served: Any) -> None:
    held = [served.raw(HEAD) for _ in range(serving.CONNECTIONS)]
    try:
        until(lambda: served.server.connections == serving.CONNECTIONS)
        with served.raw() as one_more:
            heard = everything(one_more)
        assert heard.startswith(b"HTTP/1.1 503")
        assert b"application/problem+json" in heard
        assert b"default-src 'none'" in heard
        # Who is in is still answered.
        held[0].sendall(b"Connection: close\r\n\r\n")
        assert everything(held[0]).startswith(b"HTTP/1.1 200")
    finally:
        for connection in held:
            connection.close()
    until(lambda: served.server.connections == 0)
    assert served.ask("/healthz").status == 200


def test_many_requests_on_one_connection_are_answered_in_order(served: Any) -> None:
    heard = served.say((HEAD + b"\r\n") * 20 + HEAD + b"Connection: close\r\n\r\n")

    assert heard.count(b"HTTP/1.1 200 OK") == 21


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["tls", "no-path", "version", "length", "two-lengths", "space", "no-ascii"],
)
def test_what_is_no_request_is_answered_and_ended(served: Any, sent: bytes) -> None:
    heard = served.say(sent)

    assert heard.startswith(b"HTTP/1.1 4")
    assert b"Traceback" not in heard


def test_when_files_run_out_one_waits_for_some(
    served: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "_REST_S", 0.05)
    served.ask("/healthz")  # It runs, and needs no more files for that.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = socket.socket()
    waiting.settimeout(20)
    with waiting:
        try:
            # What is open stays so, and nothing more can be opened, in the server either.
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            waiting.connect(("127.0.0.1", served.server.port))
            until(lambda: "takes no connections" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        waiting.sendall(HEAD + b"Connection: close\r\n\r\n")
        assert everything(waiting).startswith(b"HTTP/1.1 200")

    assert caplog.text.count("takes no connections") == 1
