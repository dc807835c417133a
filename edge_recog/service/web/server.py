"""The web server: a thread with a loop of its own, behind a socket that is bound at the start."""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog.service.addresses import Listen
from edge_recog.service.config.secret_files import read_secret
from edge_recog.service.web.tokens import find_token

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from edge_recog.service.web.serving import Serving
    from edge_recog.service.web.settings import WebSettings
    from edge_recog.service.web.shown import Shown

_LOG = logging.getLogger(__name__)

_BEGIN_S: Final = 5.0
"""After so long the libraries are loaded even if no frame was answered."""
_CLOSE_S: Final = 2.0
_BACKLOG: Final = 64
"""Who may wait to be let in."""
_LIBRARIES: Final = ("starlette", "uvicorn", "prometheus_client")


class TakenError(UsageError):
    """Somebody else listens at the address."""


class WebServer:
    """Serves until it is closed.

    The address is taken at once, so that it is known at the start if it cannot be. The libraries
    are loaded once the first frame is answered, since that would come later by it; who connects
    before has to wait so long.
    """

    def __init__(
        self, settings: WebSettings, shown: Shown, *, environ: Mapping[str, str] | None = None
    ) -> None:
        """Take the address and begin.

        Args:
            settings: Where, and for whom.
            shown: What there is.
            environ: Variables; the process's if None.

        Raises:
            UsageError: The address is taken or none of this machine's, a file cannot be used, or a
                library is missing.
        """
        missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError(
                f'the live page needs {" and ".join(missing)}: pip install "edge-recog[daemon]"'
            )
        self._settings = settings
        self._shown = shown
        self._listen = Listen.parse(settings.listen)
        self._tls = _tls_context(settings)
        self._token = (
            find_token(settings.token_file, os.environ if environ is None else environ)
            if settings.needs_token
            else None
        )
        self._socket = _bound(self._listen)
        self._port: int = self._socket.getsockname()[1]
        self._is_closing = threading.Event()
        self._lock = threading.Lock()
        self._serving: Serving | None = None
        self._thread = threading.Thread(target=self._work, name="web", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """That is listened on."""
        return self._port

    @property
    def url(self) -> str:
        """Where the page is."""
        host = self._listen.host
        if host in {"", "0.0.0.0", "::"}:
            host = socket.gethostname()
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{Listen(host, self.port)}/"

    @property
    def connections(self) -> int:
        """How many there are; those that wait to be let in are none yet."""
        return self._serving.connections if self._serving is not None else 0

    def close(self) -> None:
        """End all connections. Safe to call twice."""
        with self._lock:
            self._is_closing.set()
            if self._serving is not None:
                self._serving.end()
        # The thread may still wait for the first answer.
        self._shown.hub.begun.set()
        self._thread.join(_CLOSE_S)
        self._socket.close()

    def _work(self) -> None:
        self._shown.hub.begun.wait(_BEGIN_S)
        if self._is_closing.is_set():
            return
        import asyncio

        try:
            asyncio.run(self._serve())
        except Exception:  # noqa: BLE001 - the classifier goes on without its page.
            _LOG.exception("the live page has ended")
        finally:
            # Nobody is kept waiting to be let in.
            self._socket.close()

    async def _serve(self) -> None:
        from edge_recog.service.web.serving import Serving

        serving = Serving(
            self._socket, self._settings, self._shown, token=self._token, tls=self._tls
        )
        with self._lock:
            self._serving = serving
            if self._is_closing.is_set():
                serving.end()
        await serving.run(self._announce)

    def _announce(self) -> None:
        _LOG.info("live page: %s", self.url)
        if self._token is not None and self._tls is None and not self._listen.is_loopback:
            _LOG.warning(
                "without https others on the network can read token and pictures: set "
                "web.cert_file and web.key_file, or put a proxy with https before it"
            )


def _bound(listen: Listen) -> socket.socket:
    """Return a socket that listens.

    Raises:
        TakenError: Somebody else does there.
        UsageError: The address is none of this machine's.
    """
    try:
        if listen.host in {"", "::"} and socket.has_dualstack_ipv6():
            bound = socket.create_server(
                ("::", listen.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
        else:
            host = listen.host or "0.0.0.0"
            family, _, _, _, address = socket.getaddrinfo(
                host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            bound = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise TakenError(
                f"{listen} is taken by another program: choose another address with web.listen or "
                "--web HOST:PORT, or --no-web for none"
            ) from error
        hint = "; ports below 1024 are root's" if error.errno == errno.EACCES else ""
        raise UsageError(
            f"{listen} cannot be listened on: {error.strerror or error}{hint}: choose another "
            "address with web.listen or --web HOST:PORT"
        ) from error
    bound.setblocking(False)
    return bound


def _tls_context(settings: WebSettings) -> ssl.SSLContext | None:
    if settings.cert_file is None or settings.key_file is None:
        return None
    import ssl

    read_secret(settings.key_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password, which would be asked for on the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: b"")
    except OSError as error:
        raise UsageError(
            f"{settings.cert_file} and {settings.key_file}: no certificate and its key without a "
            f"password, both as PEM: {error.strerror or error}"
        ) from error
    return context
