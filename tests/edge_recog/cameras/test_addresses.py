from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras import open_source
from edge_recog.cameras.addresses import read_address, without_secrets
from edge_recog.errors import EdgeRecogError, SourceError, UsageError


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "name"),
    [
        ("rtsp://cam/live", "cam", 554, "/live", "rtsp://cam/live"),
        ("http://cam", "cam", 80, "/", "http://cam/"),
        ("https://cam:8443/a?b=1", "cam", 8443, "/a?b=1", "https://cam:8443/a?…"),
        ("http://[::1]:81/x", "::1", 81, "/x", "http://[::1]:81/x"),
        (
            "http://Kamera.Example/ü",
            "kamera.example",
            80,
            "/%C3%BC",
            "http://kamera.example/%C3%BC",
        ),
        ("http://küche.example/", "xn--kche-0ra.example", 80, "/", "http://xn--kche-0ra.example/"),
    ],
)
def test_an_address_has_parts(text: str, host: str, port: int, target: str, name: str) -> None:
    address = read_address(text)

    assert (address.host, address.port, address.target) == (host, port, target)
    assert address.name == name
    assert (address.user, address.password) == ("", "")


def test_user_and_password_are_unescaped_and_never_shown() -> None:
    address = read_address("rtsp://ann%40home:p%2Fw%23@cam:8554/live?token=secret")

    assert (address.user, address.password) == ("ann@home", "p/w#")
    assert address.origin == "rtsp://cam:8554/live?token=secret"
    for shown in (address.name, repr(address)):
        for secret in ("ann", "p/w", "token", "secret"):
            assert secret not in shown


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://",
        "rtsp:///live",
        "rtsp://cam:99999/",
        "rtsp://cam:x/",
        "ftp://cam/",
        "rtsp://[::1/",
        "http://cam/a b",
        "http://cam/\r\nHost: other",
        "http://cam/\x00",
        "http://cam\t/",
        f"http://{'a' * 64}/",
        "http://cam..example/",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_address(text)


@pytest.mark.parametrize(
    "password",
    [
        "geheim/wort",
        "geheim#wort",
        "geheim?wort",
        "12/geheim",
        "geheim wort",
        "geheim@wort",
        "12#ge",
    ],
)
@pytest.mark.parametrize("scheme", ["rtsp", "http", "webcam"])
def test_a_password_that_is_not_escaped_is_refused_and_not_told(scheme: str, password: str) -> None:
    with pytest.raises(EdgeRecogError) as caught:
        open_source(f"{scheme}://ann:{password}@127.0.0.1:1/live")

    assert "wort" not in str(caught.value)
    assert "ge" not in str(caught.value).partition("127.0.0.1")[0].replace("image", "")
    assert "ann" not in str(caught.value).partition("127.0.0.1")[0]


def test_a_path_with_a_login_is_not_told_either() -> None:
    with pytest.raises(SourceError, match=r"^//cam/x: no such file or folder"):
        open_source("//ann:geheim@cam/x")


_SECRETS = st.text(min_size=3, max_size=12).filter(lambda text: not set("xyz") & set(text))


@given(_SECRETS, _SECRETS)
def test_no_login_is_ever_shown(user: str, password: str) -> None:
    text = f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@xyz/zyx"
    address = read_address(text)

    assert (address.user, address.password) == (user, password)
    assert address.name == without_secrets(text) == "rtsp://xyz/zyx"


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = read_address(text)
    except UsageError:
        return
    # What is sent has no way to say more than it should.
    assert address.target.isascii()
    assert not set(" \r\n\t\0") & set(address.target + address.host)
