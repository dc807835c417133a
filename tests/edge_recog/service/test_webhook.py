from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.answers import Vanished
from edge_recog.errors import UsageError
from edge_recog.service.sinks import SinkError
from edge_recog.service.webhook import Target, WebhookSettings, WebhookSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_recog.answers import Answer


class Hook(ThreadingHTTPServer):
    """A server that answers with the statuses it is given, then with 204, and remembers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.bodies: list[Any] = []
        self.headers: list[Any] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?key=1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Who does not trust it hangs up, maybe when the test is over already.
        if not isinstance(sys.exception(), (ssl.SSLError, ConnectionError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        server = self.server
        server.paths.append(self.path)
        server.headers.append(self.headers)
        server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status = server.statuses.pop(0) if server.statuses else 204
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def sink_to(url: str, **settings: Any) -> WebhookSink:
    return WebhookSink(WebhookSettings(url=url, **{"backoff_s": 0.001, **settings}))


def test_what_vanished_without_a_frame_is_posted_too(hook: Hook, event: Callable[..., Any]) -> None:
    gone = Vanished((event("vanished", "hat"),), "kitchen")
    sink_to(hook.url).vanished(gone)
    sink_to(hook.url, kinds=("status",)).vanished(gone)

    (body,) = hook.bodies
    assert (body["event"], body["label"], body["source"]) == ("vanished", "hat", "kitchen")


def test_each_event_is_one_request(
    hook: Hook, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    sink = sink_to(hook.url)
    sink.answer(answer(event("appeared", "shirt"), event("vanished", "hat")))
    sink.close()

    assert [(body["event"], body["label"]) for body in hook.bodies] == [
        ("appeared", "shirt"),
        ("vanished", "hat"),
    ]
    assert hook.bodies[1]["duration_s"] == 1.5
    assert hook.paths == ["/hook?key=1"] * 2
    assert {headers["Content-Type"] for headers in hook.headers} == {"application/json"}
    assert not any("Authorization" in headers for headers in hook.headers)


def test_answers_without_events_and_states_are_not_posted(
    hook: Hook, answer: Callable[..., Answer], status: Callable[..., Any]
) -> None:
    sink = sink_to(hook.url)
    sink.answer(answer())
    sink.status(status())

    assert hook.bodies == []


def test_states_are_posted_where_they_are_asked_for(
    hook: Hook,
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
) -> None:
    sink = sink_to(hook.url, kinds=("status",))
    sink.answer(answer(event()))
    sink.status(status("degraded", "the camera is lost"))

    (body,) = hook.bodies
    assert (body["state"], body["reason"]) == ("degraded", "the camera is lost")


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_may_get_better_is_tried_again(
    hook: Hook, answer: Callable[..., Answer], event: Callable[..., Any], status: int
) -> None:
    hook.statuses = [status, status]
    sink_to(hook.url).answer(answer(event()))

    assert len(hook.bodies) == 3
    assert len({headers["Idempotency-Key"] for headers in hook.headers}) == 1


def test_two_events_have_keys_of_their_own(
    hook: Hook, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    sink_to(hook.url).answer(answer(event(), event()))

    assert len({headers["Idempotency-Key"] for headers in hook.headers}) == 2


def test_it_is_not_tried_for_ever(
    hook: Hook, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    hook.statuses = [500] * 10
    with pytest.raises(SinkError, match=r"the webhook at 127\.0\.0\.1:\d+ answered 500"):
        sink_to(hook.url, retries=2).answer(answer(event()))

    assert len(hook.bodies) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_what_will_not_get_better_is_not_tried_again(
    hook: Hook, answer: Callable[..., Answer], event: Callable[..., Any], status: int
) -> None:
    hook.statuses = [status]
    with pytest.raises(SinkError, match=f"answered {status}"):
        sink_to(hook.url).answer(answer(event()))

    assert len(hook.bodies) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(
    hook: Hook, answer: Callable[..., Answer], event: Callable[..., Any], status: int
) -> None:
    hook.statuses = [status]
    with pytest.raises(SinkError, match="a redirect, which is not followed"):
        sink_to(hook.url).answer(answer(event()))

    assert hook.paths == ["/hook?key=1"]


def test_the_token_comes_from_a_file_and_may_change(
    hook: Hook, tmp_path: Path, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    sink = sink_to(hook.url, token_file=str(token))
    sink.answer(answer(event()))
    token.write_text("n3xt")
    sink.answer(answer(event()))

    assert [one["Authorization"] for one in hook.headers] == ["Bearer s3cret", "Bearer n3xt"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "empty"),
        (b"two words", "must be the token"),
        (b"gr\xc3\xbcn", "plain ASCII"),
        (b"\xff", "not a text file"),
    ],
    ids=["missing", "empty", "spaces", "umlaut", "binary"],
)
def test_a_token_that_is_none_is_refused_at_once(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
        token.chmod(0o600)
    with pytest.raises(UsageError, match=reason) as refused:
        sink_to("https://home.local/", token_file=str(token))
    assert "words" not in str(refused.value)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        sink_to("https://home.local/", token_file=str(token))


def test_a_token_in_the_clear_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o600)
    sink_to("http://home.local/secret-path", token_file=str(token))

    assert "for all to read" in caplog.text
    assert "s3cret" not in caplog.text
    assert "secret-path" not in caplog.text


def test_a_server_that_is_not_there_is_an_error(
    answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/secret-path"
        with pytest.raises(SinkError, match="cannot be reached: Connection refused") as refused:
            sink_to(url, retries=1).answer(answer(event()))
    assert "secret-path" not in str(refused.value)


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n"],
    ids=["nothing", "a header without end", "headers without end"],
)
def test_a_server_that_says_a_byte_now_and_then_is_given_up(
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    within: Callable[..., None],
    said: bytes,
) -> None:
    gone = threading.Event()

    def trickle(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            try:
                connection.sendall(said)
                while not gone.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                pass  # As it should: the other side has hung up.

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        sink = sink_to(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_s=0.3, retries=0)
        try:
            with pytest.raises(SinkError, match=r"no answer within 0\.3 s"):
                within(lambda: sink.answer(answer(event())))
        finally:
            gone.set()
            thread.join()


def test_a_body_without_end_does_not_matter(
    answer: Callable[..., Answer], event: Callable[..., Any], within: Callable[..., None]
) -> None:
    def pour(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    connection.sendall(b"x" * 65536)
            except OSError:
                pass  # As it should: the other side has hung up.

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=pour, args=(server,))
        thread.start()
        sink = sink_to(f"http://127.0.0.1:{server.getsockname()[1]}/")
        within(lambda: sink.answer(answer(event())))
        thread.join(20)
        assert not thread.is_alive()


def test_what_is_no_http_is_an_error(
    answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    def greet(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"220 mail.local ESMTP\r\n")
            while connection.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet, args=(server,))
        thread.start()
        sink = sink_to(f"http://127.0.0.1:{server.getsockname()[1]}/", retries=0)
        with pytest.raises(SinkError, match="what it says is no HTTP"):
            sink.answer(answer(event()))
        thread.join()


@pytest.fixture
def certificate(self_signed: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """Return the files of a certificate for 127.0.0.1 and its key."""
    return self_signed("IP:127.0.0.1")


@pytest.fixture
def secure_hook(certificate: tuple[str, str]) -> Iterator[Hook]:
    with Hook() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_certificate_of_a_named_authority_is_trusted(
    secure_hook: Hook,
    certificate: tuple[str, str],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
) -> None:
    url = secure_hook.url.replace("http:", "https:")
    sink_to(url, ca_file=certificate[0]).answer(answer(event()))

    assert len(secure_hook.bodies) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_certificate_of_nobody_is_refused(
    secure_hook: Hook,
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = secure_hook.url.replace("http:", "https:")
    with pytest.raises(SinkError, match=r"its certificate is refused .* webhook\.ca_file"):
        sink_to(url, retries=0).answer(answer(event()))
    secure_hook.shutdown()
    capsys.readouterr()  # What the server says of it.

    assert secure_hook.bodies == []


def test_a_file_without_certificates_is_refused_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.touch()
    with pytest.raises(UsageError, match="no certificates"):
        sink_to("https://home.local/", ca_file=str(empty))
    with pytest.raises(UsageError, match="No such file"):
        sink_to("https://home.local/", ca_file=str(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://home.local", Target("home.local", 80, False, "/")),
        ("https://home.local/a/b?c=d", Target("home.local", 443, True, "/a/b?c=d")),
        ("https://[::1]:8443?x", Target("::1", 8443, True, "/?x")),
    ],
)
def test_an_address_is_taken_apart(url: str, expected: Target) -> None:
    assert Target.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "home.local/hook",
        "ftp://home.local/",
        "file:///etc/passwd",
        "https:///hook",
        "https://user:pass@home.local/",
        "https://home.local:99999/",
        "https://[::1/",
        "https://home.local/#part",
        "https://home.local/a b",
        "https://home.local/\r\nX: y",
        "https://k\u00fcche.local/",
    ],
)
def test_an_address_that_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        Target.parse(url)
    assert "pass@" not in str(refused.value)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"url": url}, WebhookSettings)


@given(
    st.text(max_size=60) | st.text("htps:/@[].#?%19ax\\ \r\n", max_size=30).map("http://".__add__)
)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        target = Target.parse(text)
    except UsageError:
        return
    assert target.host
    assert 0 < target.port < 65536
    assert target.path.startswith("/")
    assert not set(target.host + target.path) & set(" \r\n")
