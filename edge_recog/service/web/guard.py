"""What every request has to pass before it is looked at: pure ASGI, one check a class."""

from __future__ import annotations

import asyncio
import logging
import re
from email.utils import formatdate
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from edge_recog.service.web.problems import MEDIA_TYPE, HttpProblem
from edge_recog.service.web.tokens import COOKIE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, MutableMapping

    from edge_recog.service.web.tokens import Tokens, Tries

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger(__name__)

MOST_BODY_BYTES: Final = 16_384
LOGIN: Final = "/login"

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Sent with every answer that does not say otherwise."""

LOOPBACK_NAMES: Final = re.compile(
    r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request's header; None if it has none. Of several, all with commas between."""
    found = [value for key, value in scope["headers"] if key == name]
    return b",".join(found).decode("latin-1") if found else None


class Headers:
    """Adds what every answer has, and turns errors into problem documents."""

    def __init__(self, app: App) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                given += [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in names
                ]
                given.append((b"date", formatdate(usegmt=True).encode()))
                message = {**message, "headers": given}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except HttpProblem as problem:
            if has_begun:
                raise
            await send_problem(problem, send_with_headers)
        except asyncio.CancelledError:
            # The end of the server, or of the connection: nobody is left to answer.
            return
        except Exception:
            _LOG.exception("%s %r failed", scope["method"], scope["path"])
            if has_begun:
                raise
            broken = HttpProblem(500, "something went wrong here; the log says what")
            await send_problem(broken, send_with_headers)


async def send_problem(problem: HttpProblem, send: Send) -> None:
    """Answer with a problem document."""
    body = problem.body()
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class HostCheck:
    """Lets through only requests to a name of the loopback.

    A page from elsewhere whose name was made to lead here (DNS rebinding) still has its own name in
    the header Host.
    """

    def __init__(self, app: App) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request."""
        host = header(scope, b"host")
        if host is None or not LOOPBACK_NAMES.fullmatch(host):
            raise HttpProblem(
                421, "this page is for this machine alone: open it as localhost or 127.0.0.1"
            )
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies that are too large, told or not."""

    def __init__(self, app: App, most_bytes: int = MOST_BODY_BYTES) -> None:
        """Stand before an application."""
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request."""
        told = header(scope, b"content-length")
        if told is not None and header(scope, b"transfer-encoding") is not None:
            # A proxy before this may take the other one for the body's end (RFC 9112, 6.1).
            raise HttpProblem(400, "the body's length is told twice", {"connection": "close"})
        if told is not None and int(told) > self._most_bytes:
            raise self._too_large()
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most_bytes:
                raise self._too_large()
            return message

        await self._app(scope, receive_some, send)

    def _too_large(self) -> HttpProblem:
        detail = f"no request here has more than {self._most_bytes} bytes"
        return HttpProblem(413, detail, {"connection": "close"})


class TokenCheck:
    """Lets through only who has the token, in a header or as a cookie."""

    def __init__(self, app: App, tokens: Tokens, tries: Tries, *, open_paths: Collection[str]):
        """Stand before an application.

        Args:
            app: The application.
            tokens: Knows the token.
            tries: Counts wrong ones.
            open_paths: For which none is needed.
        """
        self._app = app
        self._tokens = tokens
        self._tries = tries
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request."""
        if scope["path"] not in self._open and not self._has_token(scope):
            if scope["path"] == "/":
                start = {"type": "http.response.start", "status": 303}
                await send({**start, "headers": [(b"location", LOGIN.encode())]})
                await send({"type": "http.response.body", "body": b""})
                return
            raise HttpProblem(
                401,
                "a token is needed: send it as Authorization: Bearer TOKEN, or log in at /login",
                # A connection is worth something: there are only so many.
                {"www-authenticate": 'Bearer realm="edge_recog"', "connection": "close"},
            )
        await self._app(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        if self._tokens.is_session(_cookie(scope)):
            return True
        kind, _, brought = (header(scope, b"authorization") or "").partition(" ")
        if kind.lower() != "bearer":
            return False
        return try_token(self._tokens, self._tries, scope, brought.strip())


def try_token(tokens: Tokens, tries: Tries, scope: Scope, brought: str) -> bool:
    """Return whether it is the token.

    Raises:
        HttpProblem: Too many were wrong; this one is not looked at.
    """
    address = scope["client"][0] if scope.get("client") else ""
    if wait_s := tries.wait_s(address):
        raise HttpProblem(
            429,
            f"too many wrong tokens: wait {wait_s} s",
            {"retry-after": str(wait_s), "connection": "close"},
        )
    if tokens.is_token(brought):
        return True
    tries.wrong(address)
    return False


def _cookie(scope: Scope) -> str:
    try:
        found = SimpleCookie(header(scope, b"cookie") or "").get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


class OriginCheck:
    """Refuses what another site has a browser send, and bodies of a kind that a form can make."""

    def __init__(self, app: App) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request."""
        # Browsers say for whom they ask: https://www.w3.org/TR/fetch-metadata/
        is_ours = header(scope, b"sec-fetch-site") in {None, "same-origin", "none"}
        is_post = scope["method"] == "POST"
        is_followed_link = not is_post and header(scope, b"sec-fetch-mode") == "navigate"
        if not (is_ours or is_followed_link) or (is_post and not _is_same_origin(scope)):
            raise HttpProblem(403, "another site sent this; only the page itself may")
        if is_post:
            wanted = (
                "application/x-www-form-urlencoded"
                if scope["path"] == LOGIN
                else "application/json"
            )
            kind = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
            if kind != wanted:
                raise HttpProblem(415, f"Content-Type must be {wanted}")
        await self._app(scope, receive, send)


def _is_same_origin(scope: Scope) -> bool:
    origin = header(scope, b"origin")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # Not by the scheme: https may end at a proxy before this.
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None:
        return False
    host = (header(scope, b"host") or "").lower()
    return parts.netloc.lower().removesuffix(default) == host.removesuffix(default)
