from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.service.web import guard
from edge_recog.service.web.tokens import COOKIE, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "a-token-that-is-long-enough"
FORM = {"content_type": "application/x-www-form-urlencoded"}
JSON = {"content_type": "application/json"}
CLOSED = (
    *("/readyz", "/metrics", "/api/v1/openapi.json", "/api/v1/classification", "/api/v1/status"),
    *("/api/v1/model", "/api/v1/config", "/api/v1/events", "/api/v1/frame.jpg"),
    *("/api/v1/stream.mjpg", "/nothing", "/page/index.html", "/page/../api/v1/status", "/healthz/"),
    *("//healthz", "/LOGIN", "/login/", "/page/live.css/x"),
)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("path", CLOSED)
def test_without_a_token_nothing_is_told(guarded: Any, path: str, host: str) -> None:
    heard = guarded.ask(path, host=host)

    assert heard.status == 401
    assert heard.headers["www-authenticate"].startswith("Bearer")
    assert heard.headers["connection"] == "close"
    assert b"kitchen" not in heard.body


def test_without_a_token_nothing_is_done(guarded: Any) -> None:
    heard = guarded.ask("/api/v1/model/activate", method="POST", body=b"{}", **JSON)

    assert (heard.status, guarded.activated) == (401, 0)


@pytest.mark.parametrize(
    "path", ["/healthz", "/login", "/page/live.css", "/page/live.js", "/page/icon.svg"]
)
def test_what_says_nothing_is_open(guarded: Any, path: str) -> None:
    assert guarded.ask(path).status == 200


def test_the_page_leads_to_the_login(guarded: Any) -> None:
    heard = guarded.ask("/")

    assert (heard.status, heard.headers["location"]) == (303, "/login")


def test_on_the_loopback_there_is_no_login(served: Any) -> None:
    assert served.ask("/").status == 200
    assert served.ask("/login").headers["location"] == "/"


def test_a_token_that_was_set_is_wanted_on_the_loopback_too(
    serve: Callable[..., Any], token_file: str
) -> None:
    served = serve(token_file=token_file)

    assert served.ask("/api/v1/status").status == 401
    assert served.ask("/api/v1/status", authorization=f"Bearer {TOKEN}").status == 200
    # Behind a proxy the name is another one.
    proxied = served.say(
        b"GET /api/v1/status HTTP/1.1\r\nHost: camera.example\r\nConnection: close\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
    )
    assert proxied.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_all_is_open(guarded: Any, kind: str) -> None:
    assert guarded.ask("/api/v1/status", authorization=f"{kind} {TOKEN}").status == 200


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "Bearer",
            "Bearer ",
            f"Basic {TOKEN}",
            TOKEN,
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
        ),
        *(f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN} {TOKEN}", "Bearer \xff"),
    ],
)
def test_anything_else_is_not_the_token(guarded: Any, value: str) -> None:
    assert guarded.ask("/api/v1/status", authorization=value).status == 401


def test_two_tokens_are_none(guarded: Any) -> None:
    heard = guarded.say(
        b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: Bearer wrong\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
    )

    assert heard.startswith(b"HTTP/1.1 401")


def test_logging_in_gives_a_cookie_that_opens_the_page(guarded: Any) -> None:
    heard = guarded.ask("/login", method="POST", body=f"token={TOKEN}".encode(), **FORM)

    assert (heard.status, heard.headers["location"]) == (303, "/")
    cookie = heard.headers["set-cookie"]
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert flags >= {"httponly", "samesite=strict", "path=/"}
    assert "secure" not in flags
    assert any(flag.startswith("max-age=") for flag in flags)
    value = cookie.partition(";")[0]
    assert value.startswith(f"{COOKIE}=")
    assert TOKEN not in cookie
    assert guarded.ask("/", cookie=value).status == 200
    assert guarded.ask("/api/v1/status", cookie=f"a=b; {value}; c=d").status == 200
    assert guarded.ask("/api/v1/status", cookie=value[:-1]).status == 401
    assert guarded.ask("/api/v1/status", cookie=f"{COOKIE}={TOKEN}").status == 401


def test_behind_a_proxy_with_https_the_cookie_stays_there(guarded: Any) -> None:
    body = f"token={TOKEN}".encode()
    heard = guarded.ask("/login", method="POST", body=body, x_forwarded_proto="https", **FORM)

    assert "secure" in heard.headers["set-cookie"].lower()


def test_a_wrong_token_is_said_on_the_page(guarded: Any) -> None:
    before = guarded.ask("/login")
    heard = guarded.ask("/login", method="POST", body=b"token=wrong", **FORM)

    assert heard.status == 401
    assert "set-cookie" not in heard.headers
    assert heard.headers["content-type"].startswith("text/html")
    assert re.search(rb'role="alert" hidden', before.body)
    assert re.search(rb'role="alert"(?! hidden)', heard.body)
    # Else browsers hide where the form comes from, even from the site itself.
    assert before.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("way", ["form", "header"])
def test_tries_are_limited(guarded: Any, way: str) -> None:
    def bring(token: str) -> Any:
        if way == "form":
            return guarded.ask("/login", method="POST", body=f"token={token}".encode(), **FORM)
        return guarded.ask("/api/v1/status", authorization=f"Bearer {token}")

    statuses = [bring("wrong").status for _ in range(12)]

    assert statuses == [401] * 10 + [429] * 2
    # The right one is not looked at either, or it would tell.
    refused = bring(TOKEN)
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    # Whoever is in stays in.
    session = Tokens(TOKEN).session()
    assert guarded.ask("/api/v1/status", cookie=f"{COOKIE}={session}").status == 200


@pytest.mark.parametrize(
    "body", [b"", b"token", b"token=a&token=b", b"token=a&next=//evil", b"user=a", b"\xff", b"&&"]
)
def test_a_form_that_is_another_is_refused(guarded: Any, body: bytes) -> None:
    assert guarded.ask("/login", method="POST", body=body, **FORM).status == 400


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []
    honest = hmac.compare_digest

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return honest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    tokens = Tokens(TOKEN)
    tokens.is_token("x")
    tokens.is_token(TOKEN)
    tokens.is_session(tokens.session())

    assert len(compared) == 3
    assert all(len(one) == len(other) for one, other in compared)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3", "[::1]:1"]
)
def test_names_of_the_loopback_are_let_in(served: Any, host: str) -> None:
    request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"

    assert served.say(request.encode()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", ""),
        *("192.168.1.5:8080", "localhost:8080:1", "user@localhost", "[::1].evil", "0.0.0.0"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/healthz", "/page/live.js", "/api/v1/frame.jpg"])
def test_other_names_are_not(served: Any, host: str, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"

    assert served.say(request.encode()).startswith((b"HTTP/1.1 421", b"HTTP/1.1 400"))


@pytest.mark.parametrize(
    "headers", [b"", b"Host: localhost\r\nHost: evil.example\r\n"], ids=["none", "two"]
)
def test_no_host_and_two_are_refused(served: Any, headers: bytes) -> None:
    heard = served.say(b"GET /healthz HTTP/1.1\r\n" + headers + b"Connection: close\r\n\r\n")

    assert heard.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:PORT"}, 200),
        ({"origin": "https://127.0.0.1:PORT"}, 200),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://evil.example:PORT"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://["}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": "application/json; charset=utf-8"}, 200),
    ],
    ids=str,
)
def test_only_the_page_itself_may_have_something_done(
    served: Any, headers: dict[str, str], expected: int
) -> None:
    port = str(served.server.port)
    sent = JSON | {name: value.replace("PORT", port) for name, value in headers.items()}
    heard = served.ask("/api/v1/model/activate", method="POST", body=b"{}", **sent)

    assert heard.status == expected
    assert served.activated == (expected == 200)


@pytest.mark.parametrize("path", ["/api/v1/frame.jpg", "/api/v1/stream.mjpg", "/page/live.js", "/"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_cannot_make_use_of_the_picture(served: Any, path: str, site: str) -> None:
    heard = served.ask(path, sec_fetch_site=site, sec_fetch_mode="no-cors")

    assert heard.status == 403
    assert served.hub.viewers == 0


def test_a_link_from_another_site_can_be_followed(served: Any) -> None:
    heard = served.ask("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")

    assert heard.status == 200


def test_a_body_without_a_type_is_refused(served: Any) -> None:
    heard = served.ask("/api/v1/model/activate", method="POST", body=b"{}")

    assert heard.status == 415


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 16385", b"x" * 16385),
        (b"Content-Length: 99999999999", b"x"),
        (b"Transfer-Encoding: chunked", b"4001\r\n" + b"x" * 0x4001 + b"\r\n0\r\n\r\n"),
    ],
    ids=["too-large", "told-too-large", "chunked"],
)
def test_large_bodies_are_refused(served: Any, head: bytes, body: bytes) -> None:
    heard = served.say(
        b"POST /api/v1/model/activate HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n" + head + b"\r\n\r\n" + body
    )

    assert heard.startswith(b"HTTP/1.1 413")
    assert served.activated == 0


def test_large_headers_are_refused(served: Any) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000

    assert served.say(head).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


def test_the_names_let_in_are_only_those_of_the_loopback() -> None:
    assert guard.LOOPBACK_NAMES.fullmatch("localhost\n") is None
