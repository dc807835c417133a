"""Events by HTTP POST to an address of the user's."""

from __future__ import annotations

import contextlib
import http.client
import logging
import random
import re
import socket
import ssl
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from edge_recog.errors import UsageError
from edge_recog.service.config.secret_files import read_secret
from edge_recog.service.sinks import SinkError, encoded, vanished_documents
from edge_recog.wire import event_document, status_document

if TYPE_CHECKING:
    from edge_recog.answers import Answer, Vanished
    from edge_recog.supervision import Status

_LOG = logging.getLogger(__name__)
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_RETRIED = frozenset({408, 425, 429})
_LONGEST_WAIT_S = 60.0
_LONGEST_REPLY = 65536


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where events are posted to, one JSON document a request."""

    url: str
    """`https://…` or `http://…`."""
    token_file: str | None = None
    """Its first line is sent as `Authorization: Bearer …`; read anew for each request."""
    ca_file: str | None = None
    """Certificates (PEM) to trust instead of the system's."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    """For one attempt as a whole."""
    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3
    """Further attempts where the first did not get through."""
    backoff_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0
    """Before the first further attempt; doubles each time, up to a minute."""
    kinds: tuple[Literal["event", "status"], ...] = ("event",)
    """What is posted: things that appear and vanish, changes of state."""

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            ValueError: It is not one that can be posted to.
        """
        Target.parse(self.url)


@dataclass(frozen=True)
class Target:
    """An address taken apart."""

    host: str
    port: int
    is_tls: bool
    path: str
    """With the query."""

    @classmethod
    def parse(cls, url: str) -> Target:
        """Return the parts of an address.

        Raises:
            UsageError: Not http or https, or with a user, a fragment or odd characters.
        """
        form = "write it like https://home.local/hook"
        # The text is not repeated: addresses of webhooks are secrets.
        if not re.fullmatch(r"[\x21-\x7e]{1,2000}", url):
            raise UsageError(f"the webhook's url has spaces or characters beyond ASCII; {form}")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"the webhook's url cannot be read: {error}; {form}") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise UsageError(f"the webhook's url must begin with http:// or https://; {form}")
        if "@" in parts.netloc:
            raise UsageError(
                "the webhook's url has a user or password in it; put a token into a file and name "
                "it with webhook.token_file"
            )
        if parts.fragment:
            raise UsageError("the webhook's url has a fragment (#…), which is never sent")
        is_tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host, port or (443 if is_tls else 80), is_tls, path)

    @property
    def place(self) -> str:
        """Host and port, for messages: the path may be secret."""
        return f"{self.host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.is_tls or self.host in {"localhost", "127.0.0.1", "::1"}


class WebhookSink:
    """Posts events one after the other, and each again where that may help."""

    name = "webhook"

    def __init__(self, settings: WebhookSettings) -> None:
        """Read what files there are; connect to nobody.

        Args:
            settings: Where to.

        Raises:
            UsageError: A file cannot be read, or is not what it should be.
        """
        self._settings = settings
        self._target = Target.parse(settings.url)
        self._tls = _tls_context(settings.ca_file) if self._target.is_tls else None
        if settings.token_file is not None:
            _read_token(settings.token_file)
            if not self._target.is_private:
                _LOG.warning(
                    "webhook: the token goes to %s for all to read on the way; use https://",
                    self._target.place,
                )

    def answer(self, answer: Answer) -> None:
        """Post the events of an answer.

        Raises:
            SinkError: One was not taken; the rest is not tried.
        """
        if "event" in self._settings.kinds:
            source = answer.classification.source
            for event in answer.events:
                self._post(encoded(event_document(event, source=source)))

    def vanished(self, vanished: Vanished) -> None:
        """Post events that no frame brought; raises like `answer`."""
        if "event" in self._settings.kinds:
            for document in vanished_documents(vanished):
                self._post(encoded(document))

    def status(self, status: Status) -> None:
        """Post a change of state; raises like `answer`."""
        if "status" in self._settings.kinds:
            self._post(encoded(status_document(status)))

    def close(self) -> None:
        """Nothing is held between two requests."""

    def _post(self, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "edge-recog",
            "Connection": "close",
            # The same for all attempts: what was taken though the reply got lost can be told.
            "Idempotency-Key": str(uuid.uuid4()),
        }
        for attempt in range(self._settings.retries + 1):
            if attempt:
                longest = min(self._settings.backoff_s * 2 ** (attempt - 1), _LONGEST_WAIT_S)
                time.sleep(longest * random.uniform(0.5, 1.0))
            try:
                status = self._attempt(body, headers)
            except (OSError, http.client.HTTPException) as error:
                problem = f"cannot be reached: {_reason(error)}"
                cause: Exception | None = error
                continue
            if 200 <= status < 300:
                return
            problem, cause = f"answered {status}", None
            if status < 500 and status not in _RETRIED:
                if 300 <= status < 400:
                    problem += ", a redirect, which is not followed: name the new address"
                break
        raise SinkError(f"the webhook at {self._target.place} {problem}") from cause

    def _attempt(self, body: bytes, headers: dict[str, str]) -> int:
        """Return the status of one POST."""
        if self._settings.token_file is not None:
            token = _read_token(self._settings.token_file)
            headers = {**headers, "Authorization": f"Bearer {token}"}
        timeout_s = self._settings.timeout_s
        target = self._target
        connection = (
            http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
            if self._tls is None
            else http.client.HTTPSConnection(
                target.host, target.port, timeout=timeout_s, context=self._tls
            )
        )
        # The connection's own time-out begins anew with every byte.
        is_late = threading.Event()
        alarm = threading.Timer(timeout_s, _hang_up, (connection, is_late))
        alarm.daemon = True
        alarm.start()
        try:
            connection.connect()
            if is_late.is_set():  # While there was nothing to hang up yet.
                raise TimeoutError
            connection.request("POST", target.path, body, headers)
            response = connection.getresponse()
            with response:
                if is_late.is_set():  # Headers that are cut off look like headers that end.
                    raise TimeoutError
                with contextlib.suppress(OSError, http.client.HTTPException):
                    # The server is not cut off while it speaks; what it says is no matter.
                    response.read(_LONGEST_REPLY)
                return response.status
        except (OSError, http.client.HTTPException) as error:
            if is_late.is_set():
                raise TimeoutError(f"no answer within {timeout_s:g} s") from error
            raise
        finally:
            alarm.cancel()
            connection.close()


def _hang_up(connection: http.client.HTTPConnection, is_late: threading.Event) -> None:
    is_late.set()
    # A copy: the other thread sets it to None when it is done.
    if (open_socket := connection.sock) is not None:
        with contextlib.suppress(OSError):
            # Of the socket beneath TLS too, which says no goodbye then.
            socket.socket.shutdown(open_socket, socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is refused ({error.verify_message}); name the right authority with "
            "webhook.ca_file"
        )
    if isinstance(error, http.client.HTTPException):
        return f"what it says is no HTTP ({type(error).__name__})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _read_token(path: str) -> str:
    """Return the token in a file.

    Raises:
        UsageError: Others can read it, it cannot be read, or it has none in it.
    """
    token = read_secret(path).splitlines()[0].strip()
    if not _TOKEN.fullmatch(token):
        raise UsageError(
            f"{path}: its first line must be the token, in plain ASCII and without spaces"
        )
    return token


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return what checks the server's certificate and name.

    Raises:
        UsageError: The file is not there, or has no certificates in it.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = (
            "no certificates (PEM) in it" if isinstance(error, ssl.SSLError) else error.strerror
        )
        raise UsageError(f"{ca_file}: cannot be used as webhook.ca_file: {reason}") from error
