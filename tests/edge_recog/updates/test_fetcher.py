from __future__ import annotations

import http.server
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)

from edge_recog.errors import UsageError
from edge_recog.updates.repository.fetcher import MOST_REDIRECTS, Fetcher, HttpStatusError
from edge_recog.updates.repository.protocol import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DATA = bytes(range(256)) * 400
QUICK = Limits(connect_s=5, silence_s=0.3, grace_s=0.2, slowest_bytes_s=1000)


@pytest.fixture
def fetcher() -> Any:
    made = Fetcher(QUICK, sleep=lambda _: None)
    yield made
    made.close()


def parts(request: Any) -> None:
    """Answer as servers do that know parts."""
    asked = request.headers.get("Range")
    if asked is None:
        request.answer(DATA)
        return
    start = int(asked.removeprefix("bytes=").removesuffix("-"))
    request.send(
        f"HTTP/1.1 206 Partial Content\nContent-Length: {len(DATA) - start}\n"
        f"Content-Range: bytes {start}-{len(DATA) - 1}/{len(DATA)}\nConnection: close",
        DATA[start:],
    )


def test_a_file_comes_whole(serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path) -> None:
    server = serve(parts)

    fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert (tmp_path / "x").read_bytes() == DATA


def test_a_download_goes_on_where_it_broke_off(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    server = serve(parts)
    (tmp_path / "x").write_bytes(DATA[:1000])

    fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert (tmp_path / "x").read_bytes() == DATA
    assert server.requests[0].headers["Range"] == "bytes=1000-"


def test_a_connection_that_breaks_is_taken_up_again(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    def breaks_once(request: Any) -> None:
        if len(request.server.requests) == 1:
            request.answer(DATA[:7000], whole=len(DATA))
        else:
            parts(request)

    server = serve(breaks_once)

    fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert (tmp_path / "x").read_bytes() == DATA
    assert server.requests[1].headers["Range"] == "bytes=7000-"


def test_a_server_that_knows_no_parts_sends_it_all_again(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    server = serve(lambda request: request.answer(DATA))
    (tmp_path / "x").write_bytes(b"?" * 1000)

    fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert (tmp_path / "x").read_bytes() == DATA


def test_a_part_that_is_too_long_is_thrown_away(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    server = serve(parts)
    (tmp_path / "x").write_bytes(DATA + b"?")

    fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert (tmp_path / "x").read_bytes() == DATA
    assert "Range" not in server.requests[0].headers


def test_a_part_that_the_server_does_not_have_is_begun_anew(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    def refuses(request: Any) -> None:
        if "Range" in request.headers:
            request.send("HTTP/1.1 416 No\nContent-Length: 0\nConnection: close")
        else:
            request.answer(DATA)

    server = serve(refuses)
    (tmp_path / "x").write_bytes(DATA[:10])

    fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert (tmp_path / "x").read_bytes() == DATA


def test_a_server_that_says_416_to_everything_is_an_error(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    server = serve(
        lambda request: request.send("HTTP/1.1 416 No\nContent-Length: 0\nConnection: close")
    )
    (tmp_path / "x").write_bytes(DATA[:10])

    with pytest.raises(DownloadHTTPError):
        fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))


@pytest.mark.parametrize(
    "told", ["bytes 0-9/10", "bytes 999-9/10", "", "lines 1000-2000/*"], ids=repr
)
def test_another_part_than_was_asked_for_is_refused(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path, told: str
) -> None:
    server = serve(
        lambda request: request.send(
            f"HTTP/1.1 206 Partial\nContent-Length: 5\nContent-Range: {told}\nConnection: close",
            b"12345",
        )
    )
    (tmp_path / "x").write_bytes(DATA[:1000])

    with pytest.raises(DownloadError, match="another part"):
        fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))


def test_endless_data_ends_at_the_length_that_was_signed(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    def endless(request: Any) -> None:
        request.send("HTTP/1.1 200 OK\nConnection: close")
        while not request.server.over.is_set():
            request.connection.sendall(DATA)

    server = serve(endless)

    with pytest.raises(DownloadLengthMismatchError):
        fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert (tmp_path / "x").stat().st_size <= len(DATA)


def drips(request: Any) -> None:
    request.send(f"HTTP/1.1 200 OK\nContent-Length: {len(DATA)}\nConnection: close")
    for byte in DATA:
        if request.server.over.wait(0.01):
            return
        request.connection.sendall(bytes([byte]))


def test_a_server_that_is_too_slow_is_given_up_and_what_came_is_kept(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    server = serve(drips)
    limits = Limits(silence_s=5, grace_s=0.1, slowest_bytes_s=1e6)
    slow = Fetcher(limits, sleep=lambda _: None)

    with pytest.raises(SlowRetrievalError, match="too slow"):
        slow.download(f"{server.url}/x", tmp_path / "x", len(DATA))

    assert DATA.startswith((tmp_path / "x").read_bytes())
    slow.close()


def test_a_server_that_falls_silent_is_given_up(
    serve: Callable[..., Any], fetcher: Fetcher, tmp_path: Path
) -> None:
    def silent(request: Any) -> None:
        request.server.over.wait(30)

    server = serve(silent)

    with pytest.raises(SlowRetrievalError):
        fetcher.download(f"{server.url}/x", tmp_path / "x", len(DATA))


def test_metadata_that_drips_is_given_up(serve: Callable[..., Any]) -> None:
    server = serve(drips)
    slow = Fetcher(Limits(silence_s=5, grace_s=0.1, slowest_bytes_s=1e6))

    with pytest.raises(SlowRetrievalError):
        slow.download_bytes(f"{server.url}/timestamp.json", 16_384)
    slow.close()


def test_no_more_metadata_is_read_than_allowed(serve: Callable[..., Any], fetcher: Fetcher) -> None:
    server = serve(lambda request: request.answer(DATA))

    with pytest.raises(DownloadLengthMismatchError):
        fetcher.download_bytes(f"{server.url}/timestamp.json", 16_384)


def test_compressed_data_that_was_not_asked_for_is_refused(
    serve: Callable[..., Any], fetcher: Fetcher
) -> None:
    server = serve(
        lambda request: request.send(
            "HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 3\nConnection: close", b"abc"
        )
    )

    with pytest.raises(DownloadError, match="compressed"):
        fetcher.download_bytes(f"{server.url}/timestamp.json", 16_384)


def test_a_few_redirections_are_followed(serve: Callable[..., Any], fetcher: Fetcher) -> None:
    def redirects(request: Any) -> None:
        step = int(request.path.removeprefix("/"))
        if step == MOST_REDIRECTS:
            request.answer(b"here")
        else:
            request.send(
                f"HTTP/1.1 302 Found\nLocation: /{step + 1}\nContent-Length: 0\nConnection: close"
            )

    server = serve(redirects)

    assert fetcher.download_bytes(f"{server.url}/0", 100) == b"here"


def test_not_more_than_a_few(serve: Callable[..., Any], fetcher: Fetcher) -> None:
    server = serve(
        lambda request: request.send(
            "HTTP/1.1 302 Found\nLocation: /x\nContent-Length: 0\nConnection: close"
        )
    )

    with pytest.raises(DownloadError, match="redirected"):
        fetcher.download_bytes(f"{server.url}/x", 100)

    assert len(server.requests) == MOST_REDIRECTS + 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://h/x", "gopher://h", "//"], ids=str)
def test_a_redirection_leads_to_the_web_only(
    serve: Callable[..., Any], fetcher: Fetcher, target: str
) -> None:
    server = serve(
        lambda request: request.send(
            f"HTTP/1.1 302 Found\nLocation: {target}\nContent-Length: 0\nConnection: close"
        )
    )

    with pytest.raises(DownloadError):
        fetcher.download_bytes(f"{server.url}/x", 100)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"])
def test_only_the_web_is_fetched(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(DownloadError, match="only http"):
        fetcher.download_bytes(url, 100)


def test_what_a_busy_server_asks_for_is_told(serve: Callable[..., Any], fetcher: Fetcher) -> None:
    server = serve(
        lambda request: request.send(
            "HTTP/1.1 503 Busy\nRetry-After: 120\nContent-Length: 0\nConnection: close"
        )
    )

    with pytest.raises(HttpStatusError) as caught:
        fetcher.download_bytes(f"{server.url}/timestamp.json", 100)

    assert (caught.value.status_code, caught.value.retry_after_s) == (503, 120)


@pytest.mark.parametrize(
    "head",
    ["nonsense", "HTTP/1.1 200 OK\nContent-Length: -5", "HTTP/1.1 banana", ""],
    ids=["nonsense", "negative-length", "no-status", "nothing"],
)
def test_what_is_no_http_is_an_error(
    serve: Callable[..., Any], fetcher: Fetcher, head: str, tmp_path: Path
) -> None:
    server = serve(lambda request: request.send(head, b""))

    with pytest.raises(DownloadError):
        fetcher.download(f"{server.url}/x", tmp_path / "x", 5)


def test_a_server_that_is_away_is_an_error(fetcher: Fetcher, serve: Callable[..., Any]) -> None:
    server = serve(parts)
    server.close()
    began = time.monotonic()

    with pytest.raises(DownloadError):
        fetcher.download_bytes(f"{server.url}/x", 100)

    assert time.monotonic() - began < 60
    server.close = lambda: None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the files of a certificate for this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/leave":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/x")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, *_arguments: Any) -> None:
        pass


class _Counting(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        type(self).connections += 1
        super().setup()

    def do_GET(self) -> None:
        body = b"here" if self.path == "/timestamp.json" else b"not found"
        self.send_response(200 if body == b"here" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


def test_a_look_takes_one_connection(fetcher: Fetcher) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(HttpStatusError):
            fetcher.download_bytes(f"{url}/2.root.json", 100)
        assert fetcher.download_bytes(f"{url}/timestamp.json", 100) == b"here"
        assert fetcher.download_bytes(f"{url}/timestamp.json", 100) == b"here"
        fetcher.close()
        server.shutdown()
        thread.join()

    assert _Counting.connections == 1


class _TlsServer(http.server.HTTPServer):
    def handle_error(self, *_arguments: Any) -> None:
        pass  # A client that does not trust us hangs up.


@pytest.fixture
def tls_url(certificate: tuple[str, str]) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with _TlsServer(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_with_a_certificate_that_nobody_vouches_for_is_refused(
    tls_url: str, fetcher: Fetcher
) -> None:
    with pytest.raises(DownloadError, match="certificate"):
        fetcher.download_bytes(f"{tls_url}/x", 100)


def test_a_server_whose_certificate_is_given_is_trusted(
    tls_url: str, certificate: tuple[str, str]
) -> None:
    trusting = Fetcher(QUICK, ca_file=certificate[0])

    assert trusting.download_bytes(f"{tls_url}/x", 100) == b"here"
    trusting.close()


def test_a_certificate_is_for_its_own_host_only(tls_url: str, certificate: tuple[str, str]) -> None:
    trusting = Fetcher(QUICK, ca_file=certificate[0])

    with pytest.raises(DownloadError, match="certificate"):
        trusting.download_bytes(tls_url.replace("127.0.0.1", "localhost"), 100)
    trusting.close()


def test_nobody_is_led_away_from_an_encrypted_connection(
    tls_url: str, certificate: tuple[str, str]
) -> None:
    trusting = Fetcher(QUICK, ca_file=certificate[0])

    with pytest.raises(DownloadError, match="not encrypted"):
        trusting.download_bytes(f"{tls_url}/leave", 100)
    trusting.close()


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")

    with pytest.raises(UsageError, match=r"ca\.pem"):
        Fetcher(QUICK, ca_file=str(tmp_path / "ca.pem"))
