"""The routes, and all that stands before them."""

from __future__ import annotations

import functools
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response
from starlette.routing import Match, Route, Router

from edge_recog.errors import EdgeRecogError
from edge_recog.service.sinks import encoded
from edge_recog.service.web.aside import aside
from edge_recog.service.web.assets import MEDIA_TYPES, read_assets
from edge_recog.service.web.documents import Alive, Nothing, Ready, StandBy
from edge_recog.service.web.guard import (
    LOGIN,
    BodyLimit,
    Headers,
    HostCheck,
    OriginCheck,
    TokenCheck,
    header,
    try_token,
)
from edge_recog.service.web.openapi import describe
from edge_recog.service.web.problems import HttpProblem
from edge_recog.service.web.streams import (
    BOUNDARY,
    TOLD,
    Streamed,
    live_events,
    live_pictures,
)
from edge_recog.service.web.tokens import COOKIE, SESSION_S, Tokens, Tries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from starlette.requests import Request

    from edge_recog.service.web.bell import Bell
    from edge_recog.service.web.guard import App, Receive, Scope, Send
    from edge_recog.service.web.hub import Hub
    from edge_recog.service.web.picture import LivePicture
    from edge_recog.service.web.shown import Shown

    Answering = Callable[[Request], Awaitable[App]]

_Body = TypeVar("_Body")

_ASSETS: Final = ("live.css", "live.js", "icon.svg")
OPEN: Final = ("/healthz", LOGIN, *(f"/page/{name}" for name in _ASSETS))
"""What can be asked without a token."""

REFUSED: Final = (b'role="alert" hidden>', b'role="alert">')
"""What the login page has, and what it has after a token that was refused."""


class Routes:
    """Answers every request."""

    def __init__(
        self,
        shown: Shown,
        *,
        bell: Bell,
        pictures: LivePicture,
        tokens: Tokens | None,
        tries: Tries,
        is_secure: bool,
        ended: Callable[[], bool],
    ) -> None:
        """Read the page's files.

        Args:
            shown: What there is.
            bell: Rings when something is new.
            pictures: The live picture.
            tokens: Knows the token; None where none is needed.
            tries: Counts wrong ones.
            is_secure: Whether this is https.
            ended: Whether streams are to end.
        """
        self._shown = shown
        self._hub = shown.hub
        self._bell = bell
        self._pictures = pictures
        self._tokens = tokens
        self._tries = tries
        self._is_secure = is_secure
        self._ended = ended
        self._assets = read_assets()
        self._openapi = encoded(describe(shown.version, needs_token=tokens is not None))

    def routes(self) -> list[Route]:
        """Return all of them."""
        api = "/api/v1"
        return [
            self._route("/", self._page),
            self._route(LOGIN, self._login_page),
            self._route(LOGIN, self._login, method="POST"),
            *(
                self._route(f"/page/{name}", functools.partial(self._asset, name))
                for name in _ASSETS
            ),
            self._route("/healthz", self._alive),
            self._route("/readyz", self._ready),
            self._route("/metrics", self._metrics),
            self._route(f"{api}/openapi.json", self._description),
            self._route(f"{api}/classification", self._classification),
            self._route(f"{api}/status", self._status),
            self._route(f"{api}/model", self._model),
            self._route(f"{api}/config", self._config),
            self._route(f"{api}/events", self._events, "kinds"),
            self._route(f"{api}/model/activate", self._activate, method="POST"),
            self._route(f"{api}/standby", self._stand_by, method="POST"),
            self._route(f"{api}/wake", self._wake, method="POST"),
            self._route(f"{api}/frame.jpg", self._frame),
            self._route(f"{api}/stream.mjpg", self._stream),
        ]

    def _route(
        self, path: str, answering: Answering, *parameters: str, method: str = "GET"
    ) -> Route:
        async def checked(request: Request) -> Any:
            request.state.parameters = _parameters(request.scope["query_string"], parameters)
            return await answering(request)

        return Route(path, checked, methods=[method])

    async def _page(self, request: Request) -> App:
        return self._html("index.html")

    def _html(self, name: str) -> Response:
        return Response(self._assets[name].content, media_type=MEDIA_TYPES[name])

    async def _asset(self, name: str, request: Request) -> App:
        asset = self._assets[name]
        headers = {"etag": asset.etag, "cache-control": "no-cache"}
        if asset.etag in (header(request.scope, b"if-none-match") or ""):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    async def _login_page(self, request: Request) -> App:
        if self._tokens is None:
            return _moved("/")
        return _sending_origin(self._html("login.html"))

    async def _login(self, request: Request) -> App:
        if self._tokens is None:
            return _moved("/")
        form = _pairs(await request.body(), 400)
        if set(form) != {"token"}:
            raise HttpProblem(400, "the form has one field: token")
        if not try_token(self._tokens, self._tries, request.scope, form["token"].strip()):
            page = self._html("login.html")
            told = Response(
                bytes(page.body).replace(*REFUSED), 401, media_type=MEDIA_TYPES["login.html"]
            )
            return _sending_origin(told)
        answer = _moved("/")
        cookie: SimpleCookie = SimpleCookie()
        cookie[COOKIE] = self._tokens.session()
        flags = cookie[COOKIE]
        flags["path"], flags["max-age"], flags["samesite"] = "/", SESSION_S, "Strict"
        flags["httponly"] = True
        flags["secure"] = self._is_secure or request.headers.get("x-forwarded-proto") == "https"
        answer.headers["set-cookie"] = flags.OutputString()
        return answer

    async def _alive(self, request: Request) -> App:
        return _json(msgspec.json.encode(Alive()))

    async def _ready(self, request: Request) -> App:
        status = self._hub.state
        if status.state not in {"running", "standby"}:
            raise _nothing(self._hub)
        return _json(msgspec.json.encode(Ready()))

    async def _metrics(self, request: Request) -> App:
        text = await aside(self._shown.metrics)
        return Response(text, headers={"content-type": self._shown.metrics_type})

    async def _description(self, request: Request) -> App:
        return _json(self._openapi)

    async def _classification(self, request: Request) -> App:
        document = self._hub.classification()
        if document is None:
            raise _nothing(self._hub)
        return _json(encoded(document))

    async def _status(self, request: Request) -> App:
        return _json(msgspec.json.encode(self._hub.status_document()))

    async def _model(self, request: Request) -> App:
        return _json(msgspec.json.encode(self._hub.model))

    async def _config(self, request: Request) -> App:
        return _json(encoded(self._shown.config()))

    async def _events(self, request: Request) -> App:
        kinds = _kinds(request.state.parameters.get("kinds"))
        parts = functools.partial(live_events, self._hub, self._bell, kinds, self._ended)
        return Streamed("text/event-stream", parts)

    async def _activate(self, request: Request) -> App:
        await _body(request, Nothing, "{}")
        try:
            model = await aside(self._shown.activate)
        except EdgeRecogError as error:
            raise HttpProblem(409, f"the model at work stays: {error}") from error
        return _json(msgspec.json.encode(model))

    async def _stand_by(self, request: Request) -> App:
        said = await _body(request, StandBy, '{} or {"reason": "why, in 1 to 200 characters"}')
        await aside(functools.partial(self._shown.stand_by, said.reason))
        return await self._status(request)

    async def _wake(self, request: Request) -> App:
        await _body(request, Nothing, "{}")
        await aside(self._shown.wake)
        return await self._status(request)

    async def _frame(self, request: Request) -> App:
        jpeg = await self._pictures.newest()
        if jpeg is None:
            raise _nothing(self._hub)
        return Response(jpeg, media_type="image/jpeg")

    async def _stream(self, request: Request) -> App:
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return Streamed(kind, functools.partial(live_pictures, self._pictures))


async def _body(request: Request, kind: type[_Body], wanted: str) -> _Body:
    """Return what was sent.

    Raises:
        HttpProblem: It is something else.
    """
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HttpProblem(400, f"the body must be {wanted}") from error


def build_app(
    routes: Routes,
    *,
    tokens: Tokens | None,
    tries: Tries,
) -> App:
    """Return the application.

    Args:
        routes: Behind everything.
        tokens: Knows the token; None where none is needed, since only this machine can connect.
        tries: Counts wrong ones.
    """
    found = routes.routes()
    checked = OriginCheck(BodyLimit(Router(found, redirect_slashes=False)))

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette would answer both itself, in plain text.
        allowed = _methods(found, scope)
        if not allowed:
            detail = "there is nothing here; /api/v1/openapi.json says what there is"
            raise HttpProblem(404, detail)
        if scope["method"] not in allowed:
            raise HttpProblem(
                405, f"this takes {' and '.join(allowed)}", {"allow": ", ".join(allowed)}
            )
        await checked(scope, receive, send)

    app: App = routed
    app = HostCheck(app) if tokens is None else TokenCheck(app, tokens, tries, open_paths=OPEN)
    return Headers(app)


def _methods(routes: list[Route], scope: Scope) -> list[str]:
    """Return what a path takes; nothing where there is none."""
    found: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def _parameters(query: bytes, known: Collection[str]) -> dict[str, str]:
    found = _pairs(query, 400)
    for name in found:
        if name not in known:
            there = f"there is {', '.join(known)}" if known else "there are none here"
            raise HttpProblem(400, f"unknown parameter {name[:40]!r}: {there}")
    return found


def _pairs(text: bytes, status: int) -> dict[str, str]:
    """Return name → value of a query or a form.

    Raises:
        HttpProblem: It cannot be read, or a name is there twice.
    """
    try:
        pairs = parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(text),
            max_num_fields=8,
        )
    except ValueError as error:
        raise HttpProblem(status, "the parameters cannot be read") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise HttpProblem(status, "a parameter is there twice")
    return found


def _kinds(text: str | None) -> frozenset[Any]:
    if text is None:
        return frozenset(TOLD)
    kinds = text.split(",")
    for kind in kinds:
        if kind not in TOLD:
            raise HttpProblem(400, f"kinds: no kind is {kind[:40]!r}; there are {', '.join(TOLD)}")
    return frozenset(kinds)


def _nothing(hub: Hub) -> HttpProblem:
    status = hub.state
    reason = f": {status.reason}" if status.reason else ""
    return HttpProblem(503, f"no frame is answered now: {status.state}{reason}")


def _json(document: bytes) -> Response:
    return Response(document, media_type="application/json")


def _moved(to: str) -> Response:
    return Response(status_code=303, headers={"location": to})


def _sending_origin(page: Response) -> Response:
    """Have the browser name this site with the form, which `no-referrer` makes it hide."""
    page.headers["referrer-policy"] = "same-origin"
    return page
