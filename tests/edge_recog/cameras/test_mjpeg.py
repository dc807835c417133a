from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.cameras import FrameSource, open_source
from edge_recog.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def opened(http_camera: Any) -> Iterator[Callable[..., FrameSource]]:
    """Return what opens the camera with options, and closes it in the end."""
    sources = []

    def start(options: str = "", login: str = "") -> FrameSource:
        address = http_camera.address.replace("//", f"//{login}")
        source = open_source(f"{address}#{options}" if options else address)
        sources.append(source)
        return source

    yield start
    for source in sources:
        source.close()


def test_pictures_become_frames(http_camera: Any, opened: Callable[..., Any], stream: Any) -> None:
    frames = iter(opened())
    for number, value in enumerate((10, 90, 200)):
        before = time.monotonic_ns()
        http_camera.to_send.put(stream.part(stream.jpeg(value)))
        frame = next(frames)

        assert stream.shade(frame.pixels) == value
        assert (frame.index, frame.source) == (number, http_camera.address)
        assert before <= frame.captured_ns <= time.monotonic_ns()


def test_pictures_that_do_not_tell_their_length_end_where_the_next_begins(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    frames = iter(opened())
    http_camera.to_send.put(b"--frame\r\n")
    seen = []
    for value in (10, 90, 200):
        head = b"Content-Type: image/jpeg\r\n\r\n"
        http_camera.to_send.put(head + stream.jpeg(value) + b"\r\n--frame\r\n")
        seen.append(stream.shade(next(frames).pixels))

    assert seen == [10, 90, 200]


def test_the_resolution_may_change(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    frames = iter(opened())
    sizes = [(64, 48), (32, 80), (640, 480)]
    seen = []
    for size in sizes:
        http_camera.to_send.put(stream.part(stream.jpeg(size=size)))
        frame = next(frames)
        seen.append((frame.width, frame.height))

    assert seen == sizes


def test_pictures_are_scaled_if_that_is_asked_for(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    http_camera.to_send.put(stream.part(stream.jpeg(size=(640, 480))))
    frame = next(iter(opened("width=320")))

    assert (frame.width, frame.height) == (320, 240)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"<html>no signal</html>", id="no picture"),
        pytest.param(lambda data: data[:300] + b"\xff\x07" * 40 + data[380:], id="overwritten"),
        pytest.param(lambda data: data[:-10] + b"\xff\xd9", id="ended too soon"),
    ],
)
def test_a_damaged_picture_is_skipped_and_counted(
    http_camera: Any,
    opened: Callable[..., Any],
    stream: Any,
    broken: Callable[[bytes], bytes],
) -> None:
    source = opened()
    good = stream.jpeg(90)
    http_camera.to_send.put(stream.part(broken(good)))
    http_camera.to_send.put(stream.part(good))
    frame = next(iter(source))

    assert stream.shade(frame.pixels) == 90
    # It may have been overtaken by the next one before it was looked at.
    assert source.skipped["damaged"] + source.skipped["late"] == 1
    assert frame.index == 1


def test_a_picture_too_large_to_decode_is_skipped(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    source = opened("read_timeout_s=0.3")
    small = stream.jpeg()
    at = small.index(b"\xff\xc0") + 5
    http_camera.to_send.put(stream.part(small[:at] + b"\xff\xff\xff\xff" + small[at + 4 :]))

    with pytest.raises(SourceError, match=r"no whole picture within 0\.3 s; 1 so far were damaged"):
        next(iter(source))


def test_of_several_pictures_the_newest_is_taken(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    source = opened()
    http_camera.to_send.put(b"".join(stream.part(stream.jpeg(value)) for value in (10, 20, 30)))
    frame = next(iter(source))

    assert stream.shade(frame.pixels) == 30
    assert frame.index == source.skipped["late"] == 2


def test_pictures_beyond_the_rate_are_skipped(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    source = opened("rate=0.1&read_timeout_s=0.4")
    frames = iter(source)
    http_camera.to_send.put(stream.part(stream.jpeg()))
    next(frames)
    http_camera.to_send.put(stream.part(stream.jpeg()))

    with pytest.raises(SourceError, match="no whole picture within"):
        next(frames)
    assert source.skipped["limited"] == 1


@pytest.mark.parametrize("wait", [0.0, 0.02], ids=["silent", "trickling"])
def test_a_camera_that_sends_no_whole_picture_is_given_up(
    http_camera: Any, opened: Callable[..., Any], stream: Any, wait: float
) -> None:
    def trickle(handler: Any) -> None:
        stream.begin(handler)
        for byte in stream.part(stream.jpeg(), length=False):
            if http_camera.stopped.wait(wait or None):
                return
            handler.wfile.write(bytes([byte]))

    http_camera.script = trickle
    source = opened("read_timeout_s=0.3")

    with pytest.raises(SourceError, match=r"no whole picture within 0\.3 s"):
        next(iter(source))


def test_headers_that_trickle_are_given_up(http_camera: Any, opened: Callable[..., Any]) -> None:
    def trickle(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
        while not http_camera.stopped.wait(0.02):
            handler.wfile.write(b"x")

    http_camera.script = trickle

    with pytest.raises(SourceError, match=r"connected, but no answer within 0\.3 s"):
        opened("open_timeout_s=0.3")


def test_a_stream_that_breaks_off_is_an_error(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    frames = iter(opened())
    http_camera.to_send.put(stream.part(stream.jpeg()))
    next(frames)
    http_camera.to_send.put(stream.part(stream.jpeg())[:200])
    http_camera.to_send.put(None)

    with pytest.raises(SourceError, match="the camera ended the stream"):
        next(frames)


def test_the_end_that_the_camera_announces_is_an_error_after_the_last_picture(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    frames = iter(opened())
    http_camera.to_send.put(stream.part(stream.jpeg(90)) + b"--frame--\r\n")

    assert stream.shade(next(frames).pixels) == 90
    with pytest.raises(SourceError, match="the camera ended the stream"):
        next(frames)


def test_a_part_without_end_is_not_kept_for_ever(
    http_camera: Any, opened: Callable[..., Any]
) -> None:
    http_camera.to_send.put(b"--frame\r\nContent-Length: 999999999\r\n\r\n")

    with pytest.raises(SourceError, match=r"video\.mjpg: a part has more than 16000000 bytes"):
        next(iter(opened()))


def test_chunks_of_http_are_put_together(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    def chunked(handler: Any) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace;boundary=frame")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        data = stream.part(stream.jpeg(90))
        for at in range(0, len(data), 100):
            piece = data[at : at + 100]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        http_camera.stopped.wait()

    http_camera.script = chunked

    assert stream.shade(next(iter(opened())).pixels) == 90


def test_closing_from_another_thread_ends_a_read_at_once(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    source = opened("read_timeout_s=600")
    http_camera.to_send.put(stream.part(stream.jpeg()))
    seen: list[int] = []
    first = threading.Event()

    def read() -> None:
        for frame in source:
            seen.append(frame.index)
            first.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert first.wait(20)
    source.close()
    thread.join(20)

    assert not thread.is_alive()
    assert seen == [0]


def test_a_closed_camera_is_hung_up(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    source = opened()
    source.close()
    source.close()
    while not http_camera.gone.is_set():
        http_camera.to_send.put(stream.part(stream.jpeg()))
        http_camera.gone.wait(0.01)

    assert list(source) == []


def answer(status: int, **headers: str) -> Callable[[Any], None]:
    def script(handler: Any) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return script


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (answer(401), r"it asks for user and password \(401\)"),
        (answer(403), r"this user may not see it \(403\)"),
        (answer(404), r"no such page \(404\)"),
        (answer(500), "it answers with status 500"),
        (answer(503), r"it is busy \(503\)"),
        (answer(200, Content_Type="text/html"), "it sends 'text/html', not multipart"),
        (answer(200, Content_Type="image/jpeg"), "it sends 'image/jpeg', not multipart"),
        (answer(200), "it sends 'nothing', not multipart"),
        (answer(200, Content_Type="multipart/x-mixed-replace"), "with a boundary"),
        (answer(302, Location="ftp://127.0.0.1/x"), "only http and https are followed"),
        (answer(302, Location="file:///etc/passwd"), "only http and https are followed"),
        (answer(302, Location="rtsp://127.0.0.1/x"), "only http and https are followed"),
        (answer(302, Location="http://elsewhere.example/x"), "another host, http://elsewhere"),
        (answer(302), "more than 3 redirects"),
        (answer(302, Location="/again"), "more than 3 redirects"),
        (lambda handler: handler.wfile.write(b"RTSP/1.0 200 OK\r\n\r\n"), "no HTTP there"),
        (lambda handler: None, "no HTTP there"),
    ],
)
def test_what_is_no_stream_is_refused_with_its_reason(
    http_camera: Any, opened: Callable[..., Any], script: Any, message: str
) -> None:
    http_camera.script = script

    with pytest.raises(SourceError, match=message) as caught:
        opened()
    assert http_camera.address.partition("?")[0][:20] in str(caught.value)


def test_a_redirect_on_the_same_host_is_followed(
    http_camera: Any, opened: Callable[..., Any], stream: Any
) -> None:
    def redirect(handler: Any) -> None:
        if handler.path == "/video.mjpg":
            answer(307, Location="/real?stream=1")(handler)
        else:
            http_camera.live(handler)

    http_camera.script = redirect
    http_camera.to_send.put(stream.part(stream.jpeg(90)))

    assert stream.shade(next(iter(opened())).pixels) == 90
    assert [path for path, _ in http_camera.asked] == ["/video.mjpg", "/real?stream=1"]


@pytest.mark.parametrize(
    ("challenge", "expected"),
    [
        ('Basic realm="cam"', "Basic YW5uOnMvZWNyZXQ="),
        ('Digest realm="cam", nonce="n1", qop="auth"', 'Digest username="ann", realm="cam"'),
    ],
    ids=["basic", "digest"],
)
def test_it_logs_in_when_it_is_asked_to(
    http_camera: Any, opened: Callable[..., Any], stream: Any, challenge: str, expected: str
) -> None:
    def locked(handler: Any) -> None:
        if "Authorization" in handler.headers:
            http_camera.live(handler)
        else:
            answer(401, WWW_Authenticate=challenge)(handler)

    http_camera.script = locked
    http_camera.to_send.put(stream.part(stream.jpeg(90)))
    source = opened(login="ann:s%2Fecret@")

    assert stream.shade(next(iter(source)).pixels) == 90
    assert "Authorization" not in http_camera.asked[0][1]
    assert http_camera.asked[1][1]["Authorization"].startswith(expected)
    assert source.name == http_camera.address


def test_a_wrong_password_is_said_and_not_told(
    http_camera: Any, opened: Callable[..., Any]
) -> None:
    http_camera.script = answer(401, WWW_Authenticate='Basic realm="cam"')

    with pytest.raises(SourceError, match=r"user or password is wrong \(401\)") as caught:
        opened(login="ann:geheim@")
    assert "geheim" not in str(caught.value)
    assert "ann" not in str(caught.value)


def test_a_port_where_nothing_listens_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(
            SourceError, match=f"connection refused: nothing listens at port {port}"
        ):
            open_source(f"http://127.0.0.1:{port}/")


@pytest.fixture
def tls_address(http_camera: Any, certificate: tuple[str, str]) -> str:
    """Return the address of a camera that speaks TLS."""
    http_camera.use_tls(certificate)
    return f"https://localhost:{http_camera.port}/video.mjpg"


def test_a_camera_with_tls_is_read_and_interrupted(
    http_camera: Any,
    stream: Any,
    tls_address: str,
    certificate: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    source = open_source(f"{tls_address}#read_timeout_s=600")
    seen: list[int] = []
    last = threading.Event()

    def read() -> None:
        for frame in source:
            seen.append(stream.shade(frame.pixels))
            http_camera.to_send.put(stream.part(stream.jpeg(200, size=(640, 480))))
            if len(seen) == 2:
                last.set()

    http_camera.to_send.put(stream.part(stream.jpeg(90)))
    thread = threading.Thread(target=read)
    thread.start()
    assert last.wait(20)
    source.close()
    thread.join(20)

    assert not thread.is_alive()
    assert seen[:2] == [90, 200]


def test_a_camera_whose_certificate_is_not_trusted_is_refused(tls_address: str) -> None:
    with pytest.raises(SourceError, match=r"not trusted: self-signed certificate.*SSL_CERT_FILE"):
        open_source(tls_address)


def test_a_redirect_that_gives_up_tls_is_not_followed(
    http_camera: Any,
    tls_address: str,
    certificate: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    http_camera.script = answer(302, Location="http://localhost/x")

    with pytest.raises(SourceError, match="without TLS: not followed"):
        open_source(tls_address)


def test_tls_where_there_is_none_is_said(http_camera: Any) -> None:
    with pytest.raises(SourceError, match=r"no TLS there: .*is it http:// instead of https://\?"):
        open_source(http_camera.address.replace("http", "https", 1))


def test_a_host_that_does_not_answer_is_given_up() -> None:
    # A full backlog: the kernel drops further connections, as a host that is off would.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with (
            socket.create_connection(("127.0.0.1", port)),
            pytest.raises(SourceError, match=r"no connection within 0\.3 s"),
        ):
            open_source(f"http://127.0.0.1:{port}/#open_timeout_s=0.3")


def test_options_follow_the_hash_sign_and_the_query_is_the_cameras(
    http_camera: Any, stream: Any
) -> None:
    http_camera.to_send.put(stream.part(stream.jpeg()))
    with open_source(f"{http_camera.address}?size=vga&pwd=geheim#rate=5") as source:
        next(iter(source))

    assert http_camera.asked[0][0] == "/video.mjpg?size=vga&pwd=geheim"
    assert source.name == f"{http_camera.address}?…"


def test_an_unknown_option_names_the_nearest(http_camera: Any) -> None:
    with pytest.raises(UsageError, match="no option 'read_timeout'; did you mean 'read_timeout_s'"):
        open_source(f"{http_camera.address}#read_timeout=1")
    assert http_camera.asked == []
