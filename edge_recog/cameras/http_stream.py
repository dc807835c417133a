"""Asking a network camera for its stream over HTTP: login, redirects, and what it may answer."""

from __future__ import annotations

import http.client
from dataclasses import replace
from urllib.parse import urljoin

from edge_recog.cameras.addresses import Address, read_address, without_secrets
from edge_recog.cameras.connection import Connection
from edge_recog.cameras.login import authorization
from edge_recog.cameras.multipart import boundary_of
from edge_recog.errors import SourceError, UsageError

_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 65_536


class HttpStream:
    """The answer of a camera: bytes without end."""

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        """Ask, log in and follow redirects.

        Args:
            address: Of the stream.
            timeout_s: Until the camera begins to answer, for each request.

        Raises:
            SourceError: There is no stream; the message says why.
        """
        self.address = address
        """After redirects."""
        self._timeout_s = timeout_s
        login: str | None = None
        for _ in range(_MOST_REDIRECTS + 2):
            self.connection = Connection(self.address, timeout_s=timeout_s)
            try:
                self._response = self._ask(login)
                status = self._response.status
                if status == 401 and login is None and address.user:
                    login = self._login()
                elif status in _REDIRECTS:
                    self.address, login = self._redirected(), None
                else:
                    self._refuse_others()
                    return
            except BaseException:
                self.connection.close()
                raise
            self.connection.close()
        raise SourceError(f"{address.name}: more than {_MOST_REDIRECTS} redirects")

    @property
    def boundary(self) -> bytes:
        """Between the parts."""
        found = boundary_of(self._response.getheader("Content-Type", ""))
        assert found is not None
        return found

    def receive(self) -> bytes:
        """Return what has come, at least a byte; nothing at the end.

        Raises:
            TimeoutError: `connection.deadline_s` has passed.
            ConnectionClosedError: It was closed meanwhile.
            OSError: The connection broke off.
        """
        try:
            return self._response.read1(_CHUNK_BYTES)
        except http.client.IncompleteRead:
            return b""
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionError(f"not HTTP: {error}") from error

    def _ask(self, login: str | None) -> http.client.HTTPResponse:
        lines = [
            f"GET {self.address.target} HTTP/1.1",
            f"Host: {self.address.place}",
            "Accept: multipart/x-mixed-replace, */*;q=0.1",
            "User-Agent: edge-recog",
            "Connection: close",
        ]
        if login is not None:
            lines.append(f"Authorization: {login}")
        try:
            self.connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            response = http.client.HTTPResponse(self.connection, method="GET")  # type: ignore[arg-type]
            response.begin()
        except TimeoutError as error:
            raise SourceError(
                f"{self.address.name}: connected, but no answer within {self._timeout_s:g} s"
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SourceError(
                f"{self.address.name}: no HTTP there: {type(error).__name__}; check the port"
            ) from error
        return response

    def _login(self) -> str:
        answer = authorization(
            self._response.headers.get_all("WWW-Authenticate", []),
            user=self.address.user,
            password=self.address.password,
            method="GET",
            target=self.address.target,
        )
        if answer is None:
            raise SourceError(f"{self.address.name}: it wants a login other than Digest or Basic")
        return answer

    def _redirected(self) -> Address:
        """Return where it redirects to, if that is the same host, and not without TLS.

        Raises:
            SourceError: It is elsewhere.
        """
        goal = self._response.getheader("Location", "")
        shown = without_secrets(goal)[:200]
        try:
            address = read_address(urljoin(self.address.origin, goal))
        except (UsageError, ValueError):
            address = None
        if address is None or address.scheme not in {"http", "https"}:
            raise SourceError(
                f"{self.address.name}: it redirects to {shown!r}: only http and https are followed"
            )
        if address.scheme == "http" and self.address.scheme == "https":
            raise SourceError(
                f"{self.address.name}: it redirects to {shown!r}, without TLS: not followed"
            )
        if address.host != self.address.host:
            raise SourceError(
                f"{self.address.name}: it redirects to another host, {address.name}; "
                "name that one if it is meant"
            )
        return replace(address, user=self.address.user, password=self.address.password)

    def _refuse_others(self) -> None:
        """Refuse what is no stream.

        Raises:
            SourceError: It is none.
        """
        status, name = self._response.status, self.address.name
        if status == 401:
            said = (
                "user or password is wrong (401)"
                if self.address.user
                else "it asks for user and password (401): http://USER:PASSWORD@HOST/…"
            )
            raise SourceError(f"{name}: {said}")
        if status == 403:
            raise SourceError(f"{name}: this user may not see it (403)")
        if status == 404:
            raise SourceError(f"{name}: no such page (404); look up the camera's stream address")
        if status == 503:
            raise SourceError(f"{name}: it is busy (503): too many viewers?")
        if status != 200:
            raise SourceError(f"{name}: it answers with status {status} instead of a stream")
        kind = self._response.getheader("Content-Type", "nothing")
        if boundary_of(kind) is None:
            raise SourceError(
                f"{name}: it sends {kind[:80]!r}, not multipart/x-mixed-replace with a boundary; "
                "look up the address of the camera's MJPEG stream"
            )
