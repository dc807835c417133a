from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.errors import UsageError
from edge_recog.service.web import server
from edge_recog.service.web.assets import MEDIA_TYPES
from edge_recog.service.web.settings import WebSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.answers import Answer


@pytest.fixture
def taken() -> Any:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def test_an_address_that_is_taken_is_said_in_a_sentence(
    serve: Callable[..., Any], taken: int
) -> None:
    with pytest.raises(
        UsageError, match=rf"127\.0\.0\.1:{taken} is taken by another program: .*--web"
    ):
        serve(f"127.0.0.1:{taken}")


@pytest.mark.parametrize("listen", ["192.0.2.1:0", "no-such-host.invalid:0"])
def test_an_address_that_is_not_ours_is_said_in_a_sentence(
    serve: Callable[..., Any], listen: str, token_file: str
) -> None:
    with pytest.raises(UsageError, match="cannot be listened on"):
        serve(listen, token_file=token_file)


@pytest.mark.parametrize("listen", ["localhost:0", "127.0.0.2:0", "[::1]:0"])
def test_every_name_of_the_loopback_is_served(
    serve: Callable[..., Any], listen: str, missing: Callable[[str], Any]
) -> None:
    if listen.startswith("[") and not _has_ipv6():
        missing("this machine has no IPv6 loopback")
    served = serve(listen)
    host = listen.rpartition(":")[0].strip("[]")

    assert served.ask("/api/v1/status", host=host).status == 200
    assert served.server.url == f"http://{listen.rpartition(':')[0]}:{served.server.port}/"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_all_addresses_are_served_with_a_token_that_is_made(
    serve: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    served = serve(":0")
    path = tmp_path / "state" / "web-token"
    token = path.read_text().strip()

    assert served.ask("/api/v1/status", host="127.0.0.2").status == 401
    heard = served.ask("/api/v1/status", host="127.0.0.2", authorization=f"Bearer {token}")
    assert heard.status == 200
    assert f"it is in {path}" in caplog.text
    assert "web.cert_file" in caplog.text
    assert token not in caplog.text
    assert socket.gethostname() in served.server.url


def test_https_is_spoken_with_a_certificate(
    serve: Callable[..., Any], self_signed: Callable[[str], tuple[str, str]], token_file: str
) -> None:
    certificate, key = self_signed("IP:127.0.0.1")
    served = serve(token_file=token_file, cert_file=certificate, key_file=key)
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", served.server.port, context=context, timeout=30
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", b"token=a-token-that-is-long-enough", form)
    heard = connection.getresponse()
    cookie = heard.headers["set-cookie"]
    connection.close()

    assert served.server.url.startswith("https://")
    assert heard.status == 303
    assert "secure" in cookie.lower()
    # Who does not speak TLS is no trouble.
    assert b"HTTP/1.1 200" not in served.say(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_a_key_of_another_certificate_is_refused(
    serve: Callable[..., Any], self_signed: Callable[[str], tuple[str, str]]
) -> None:
    certificate, _ = self_signed("IP:127.0.0.1")
    _, key = self_signed("IP:127.0.0.1")

    with pytest.raises(UsageError, match="no certificate and its key"):
        serve(cert_file=certificate, key_file=key)


def test_a_key_that_others_can_read_is_refused(
    serve: Callable[..., Any], self_signed: Callable[[str], tuple[str, str]]
) -> None:
    certificate, key = self_signed("IP:127.0.0.1")
    os.chmod(key, 0o644)  # noqa: PTH101 - it is a text.

    with pytest.raises(UsageError, match="chmod 600"):
        serve(cert_file=certificate, key_file=key)


def test_a_library_that_is_missing_is_named(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_LIBRARIES", ("starlette", "no_such_library"))

    with pytest.raises(UsageError, match=r'no_such_library: pip install "edge-recog\[daemon\]"'):
        serve()


def test_viewers_and_listeners_do_not_hold_up_the_end(
    served: Any, answer: Callable[..., Answer], status: Callable[..., Any]
) -> None:
    with (
        served.listening("/api/v1/stream.mjpg") as watching,
        served.listening("/api/v1/events") as listening,
        served.raw(b"GET /healthz HTTP/1.1\r\n") as slow,
    ):
        watching.picture()
        listening.event_of("classification")
        served.hub.status(status("stopping"))
        served.server.close()
        # What is under way is told, then it is the end for all of them.
        assert listening.event_of("status")["state"] == "stopping"
        with pytest.raises(AssertionError, match="has ended"):
            listening.event()
        with suppress(ConnectionResetError):
            assert slow.recv(1) == b""

    assert not [one for one in threading.enumerate() if one.name.startswith("web")]


def test_it_can_be_closed_twice_and_its_address_is_free_then(serve: Callable[..., Any]) -> None:
    served = serve()
    port = served.server.port
    served.server.close()
    served.server.close()

    assert serve(f"127.0.0.1:{port}").ask("/healthz").status == 200


def test_settings_do_not_load_what_serves() -> None:
    assert WebSettings().needs_token is False
    assert WebSettings(listen=":80").needs_token is True


def test_the_page_is_a_part_of_the_package() -> None:
    from importlib import resources

    folder = resources.files("edge_recog.service.web").joinpath("page")
    assert {one.name for one in folder.iterdir()} == set(MEDIA_TYPES)
