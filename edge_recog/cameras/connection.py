"""A TCP or TLS connection whose every wait ends at a deadline, or when it is closed.

A peer that sends a byte now and then resets the time-out of an ordinary socket for ever.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from edge_recog.cameras.guard import Guard, Interrupt
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.cameras.addresses import Address

_NO_ROUTE = "cannot be reached: is the camera on, and in the same network?"


class ConnectionClosedError(Exception):
    """`close` was called while something was sent or received."""


class Connection:
    """To one host. One user; any thread may close it."""

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        """Connect.

        Args:
            address: Where to; TLS if its scheme is https.
            timeout_s: Until it is connected; `deadline_s` is set to its end.

        Raises:
            SourceError: It cannot be; the message says why.
        """
        self.deadline_s = time.monotonic() + timeout_s
        """`time.monotonic()` after which every wait ends in TimeoutError."""
        self._interrupt = Interrupt()
        self._socket: socket.socket | None = None
        self._guard = Guard(self._release)
        try:
            with self._guard:
                self._connect(address)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                reason = _reason(error, address, timeout_s)
                raise SourceError(f"{address.name}: {reason}") from error
            raise

    def close(self) -> None:
        """End all waits and let go of the connection. Safe to call twice and from any thread."""
        self._guard.closed = True
        self._interrupt.set()
        self._guard.close()

    @property
    def guard(self) -> Guard:
        """Held by whoever sends or receives."""
        return self._guard

    def sendall(self, data: bytes) -> None:
        """Send.

        Raises:
            TimeoutError: The deadline has passed.
            ConnectionClosedError: It was closed meanwhile.
            OSError: The connection is broken.
        """
        view = memoryview(data)
        while view:
            sent: int = self._wait(partial(self._open_socket().send, view))
            view = view[sent:]

    def receive_into(self, buffer: Any) -> int:
        """Receive what is there, at least a byte; return how many, 0 at the end.

        Raises:
            TimeoutError: The deadline has passed.
            ConnectionClosedError: It was closed meanwhile.
            OSError: The connection is broken.
        """
        received: int = self._wait(partial(self._open_socket().recv_into, buffer))
        return received

    def has_input(self) -> bool:
        """Tell whether something can be received without waiting, as far as that can be told."""
        raw = self._open_socket()
        if isinstance(raw, ssl.SSLSocket):
            return raw.pending() > 0
        return self._interrupt.wait(raw.fileno(), timeout_s=0) == "ready"

    def makefile(self, *_: object) -> io.BufferedReader:
        """Return what is received as a file: what `http.client` asks of a socket."""
        return io.BufferedReader(_Receiver(self))

    def _connect(self, address: Address) -> None:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, place) in enumerate(found, 1):
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            try:
                self._reach(place)
                break
            except OSError:
                self._socket.close()
                if number == len(found) or time.monotonic() >= self.deadline_s:
                    raise
        if address.scheme == "https":
            context = ssl.create_default_context()
            secured = context.wrap_socket(
                self._open_socket(), server_hostname=address.host, do_handshake_on_connect=False
            )
            self._socket = secured
            self._wait(secured.do_handshake)

    def _reach(self, place: Any) -> None:
        raw = self._open_socket()
        try:
            raw.connect(place)
        except BlockingIOError:
            self._sleep(writing=True)
            number = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                # OSError makes itself ConnectionRefusedError and the like, by the number.
                raise OSError(number, "connect") from None

    def _wait(self, act: Callable[[], Any]) -> Any:
        """Return what `act` returns, as soon as it need not block."""
        while True:
            if self._guard.closed:
                raise ConnectionClosedError
            # Also where bytes are always there: a peer must not make it last for ever.
            if time.monotonic() >= self.deadline_s:
                raise TimeoutError
            try:
                return act()
            except (ssl.SSLWantWriteError, BlockingIOError, ssl.SSLWantReadError) as error:
                self._sleep(writing=isinstance(error, ssl.SSLWantWriteError))

    def _sleep(self, *, writing: bool) -> None:
        woken = self._interrupt.wait(
            self._open_socket().fileno(),
            timeout_s=self.deadline_s - time.monotonic(),
            writing=writing,
        )
        if woken == "interrupted":
            raise ConnectionClosedError
        if woken == "timed out":
            raise TimeoutError

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionClosedError
        return self._socket

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._interrupt.close()


class _Receiver(io.RawIOBase):
    """What a connection receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive_into(buffer)


def _reason(error: OSError, address: Address, timeout_s: float) -> str:
    """Return why it cannot be connected, and what to do."""
    if isinstance(error, socket.gaierror):
        return f"no host is called {address.host}; check the name, or use the IP address"
    if isinstance(error, ConnectionRefusedError):
        return (
            f"connection refused: nothing listens at port {address.port} of {address.host}; "
            "check the port, and that the camera serves this protocol"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted: {error.verify_message}; add it to the system's, "
            "or name a file with it in SSL_CERT_FILE"
        )
    if isinstance(error, ssl.SSLError):
        return f"no TLS there: {error.reason or error}; is it http:// instead of https://?"
    if isinstance(error, TimeoutError):
        return f"no connection within {timeout_s:g} s: the host {_NO_ROUTE}"
    return f"the host {_NO_ROUTE} ({error.strerror or error})"
