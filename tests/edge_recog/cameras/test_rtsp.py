from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from edge_recog.cameras import open_source
from edge_recog.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def server(rtsp_server: Callable[..., Any]) -> Any:
    return rtsp_server()


def test_a_stream_is_a_source_of_frames(server: Any) -> None:
    with open_source(server.address("ball")) as source:
        frames = iter(source)
        first, second = next(frames), next(frames)

    assert (source.name, source.length) == (server.address("ball"), None)
    assert (first.width, first.height) == (320, 240)
    assert first.index == source.skipped["late"]
    assert second.index == first.index + 1
    assert first.captured_ns <= second.captured_ns
    # A white ball on black.
    assert first.pixels.max() > 200
    assert first.pixels.mean() < 60


def test_frames_that_were_kept_while_opening_are_of_the_past(server: Any, emulated: bool) -> None:
    if emulated:
        pytest.skip("emulated: decoding takes as long as waiting for the next frame")
    for _ in range(5):  # A busy machine may be so slow once or twice.
        with open_source(server.address("ball")) as source:
            if next(iter(source)).index > 0:
                return
    pytest.fail("no frame was kept, or none was skipped")


def test_frames_are_scaled_if_that_is_asked_for(server: Any) -> None:
    with open_source(server.address("ball#width=160&height=100")) as source:
        frame = next(iter(source))

    assert (frame.width, frame.height) == (160, 100)


def test_frames_beyond_the_rate_are_skipped(server: Any) -> None:
    with open_source(server.address("ball#rate=2")) as source:
        frames = iter(source)
        first, second = next(frames), next(frames)

    assert second.index - first.index == 1 + source.skipped["limited"]
    assert source.skipped["limited"] > 5


@pytest.mark.skipif(
    tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 8),
    reason="this OpenCV scales all pictures to the size of the first",
)
def test_the_resolution_may_change(server: Any) -> None:
    with open_source(server.address("ball")) as source:
        frames = iter(source)
        next(frames)
        server.tell("shrink")
        sizes = {(frame.width, frame.height) for frame, _ in zip(frames, range(90), strict=False)}

    assert (160, 120) in sizes


def test_a_server_that_dies_is_an_error_and_can_be_opened_again_later(
    rtsp_server: Callable[..., Any],
) -> None:
    first = rtsp_server()
    with open_source(first.address("ball")) as source:
        frames = iter(source)
        next(frames)
        first.kill()
        with pytest.raises(SourceError, match="the camera ended the stream, or sent nothing"):
            list(frames)
    with pytest.raises(SourceError, match="connection refused"):
        open_source(first.address("ball"))

    second = rtsp_server(first.port)
    with open_source(second.address("ball")) as source:
        assert next(iter(source)).width == 320


def test_a_closed_stream_ends_in_the_thread_that_reads_it(server: Any) -> None:
    source = open_source(server.address("ball"))
    begun = threading.Event()

    def read() -> None:
        for _ in source:
            begun.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(20)
    source.close()
    source.close()
    thread.join(20)

    assert not thread.is_alive()
    assert list(source) == []


@pytest.fixture
def locked(rtsp_server: Callable[..., Any]) -> Any:
    return rtsp_server(kind="locked")


def test_it_logs_in(locked: Any) -> None:
    with open_source(locked.address("ball", "ann:secret@")) as source:
        assert next(iter(source)).width == 320

    assert source.name == locked.address("ball")


@pytest.mark.parametrize(
    ("login", "path", "message"),
    [
        ("", "ball", r"it asks for user and password \(401\)"),
        ("ann:geheim@", "ball", r"user or password is wrong \(401\)"),
        ("ann:secret@", "geheim?pwd=geheim", r"no such stream \(404\)"),
    ],
    ids=["no login", "wrong password", "wrong path"],
)
def test_why_it_cannot_be_opened_is_said(
    locked: Any, login: str, path: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        open_source(locked.address(path, login))

    # Neither we nor FFmpeg tell the password.
    for secret in ("ann", "secret", "pwd"):
        assert secret not in str(caught.value) + capfd.readouterr().err


def test_a_port_that_answers_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        with pytest.raises(SourceError, match=r"connected, but no answer within 0\.5 s"):
            open_source(f"rtsp://127.0.0.1:{port}/x#open_timeout_s=0.5")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no RTSP there; check the port"),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", "no picture within 0.5 s, though the camera ans"),
        (b"RTSP/1.0 453 Not Enough Bandwidth\r\n\r\n", r"too many viewers\?"),
        (b"RTSP/1.0 500 Internal\r\n\r\n", "it answers with status 500"),
        (b"", "no RTSP there"),
    ],
    ids=["HTTP", "empty", "viewers", "broken", "hangs up"],
)
def test_what_a_strange_server_says_is_passed_on(answer: bytes, message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stopped = threading.Event()

        def serve() -> None:
            server.settimeout(0.05)
            while not stopped.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                with client:
                    client.settimeout(5)
                    client.recv(4096)
                    client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(SourceError, match=message):
                open_source(f"rtsp://127.0.0.1:{port}/x#open_timeout_s=0.5")
        finally:
            stopped.set()
            thread.join()


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="no option 'fps'; there are width, height, rate"):
        open_source("rtsp://127.0.0.1:1/x#fps=5")
