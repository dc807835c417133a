"""Telling systemd how the service is: sd_notify, a datagram to the socket that systemd names.

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger(__name__)
SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"
INTERVAL_VARIABLE: Final = "WATCHDOG_USEC"
PROCESS_VARIABLE: Final = "WATCHDOG_PID"
# sockaddr_un.sun_path (unix(7)) without its terminating zero.
_LONGEST_ADDRESS = 107
_LONGEST_STATUS = 500
# systemd reads all the time; a datagram that does not fit is worth less than the caller's time.
_TIMEOUT_S = 0.5


class Notifier:
    """Tells whoever started this process how it is; this one tells nobody.

    Never raises and never blocks for long.
    """

    def ready(self, status: str | None = None) -> None:
        """It has started, or has reloaded; with a line for `systemctl status`."""

    def status(self, text: str) -> None:
        """A line for `systemctl status`; sent only where it differs from the last one."""

    def watchdog(self) -> None:
        """It is alive: to be told more often than the watchdog's interval."""

    def reloading(self, status: str | None = None) -> None:
        """It reads its configuration or its model anew; `ready` ends this."""

    def stopping(self, status: str | None = None) -> None:
        """It ends, as it was told to."""

    def close(self) -> None:
        """Let go of the socket. Safe to call twice."""


class SystemdNotifier(Notifier):
    """Tells systemd. May be used from several threads."""

    def __init__(self, address: str) -> None:
        """Make the socket; nothing is sent.

        Args:
            address: A path, or `@NAME` for an abstract name.

        Raises:
            UsageError: It is neither.
        """
        if address[:1] not in {"/", "@"} or len(os.fsencode(address)) > _LONGEST_ADDRESS:
            raise UsageError(
                f"{SOCKET_VARIABLE} is {address!r}, which is no path and no abstract name (@NAME): "
                "unset it to run without systemd"
            )
        self._address = f"\0{address[1:]}" if address[0] == "@" else address
        self._lock = threading.Lock()
        self._told: str | None = None
        self._has_failed = False
        self._socket: socket.socket | None = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        )
        self._socket.settimeout(_TIMEOUT_S)

    def ready(self, status: str | None = None) -> None:
        """See `Notifier.ready`."""
        self._send("READY=1", status)

    def status(self, text: str) -> None:
        """See `Notifier.status`."""
        if _one_line(text) != self._told:
            self._send(None, text)

    def watchdog(self) -> None:
        """See `Notifier.watchdog`."""
        self._send("WATCHDOG=1", None)

    def reloading(self, status: str | None = None) -> None:
        """See `Notifier.reloading`."""
        # systemd ignores a reload without the time at which it began.
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", status)

    def stopping(self, status: str | None = None) -> None:
        """See `Notifier.stopping`."""
        self._send("STOPPING=1", status)

    def close(self) -> None:
        """See `Notifier.close`."""
        with self._lock:
            held, self._socket = self._socket, None
            if held is not None:
                held.close()

    def _send(self, state: str | None, status: str | None) -> None:
        lines = [state] if state is not None else []
        if status is not None:
            lines.append(f"STATUS={_one_line(status)}")
        with self._lock:
            if self._socket is None:
                return
            try:
                self._socket.sendto("\n".join(lines).encode(errors="replace"), self._address)
            except OSError as error:
                # Once: the watchdog is told many times a minute.
                if not self._has_failed:
                    _LOG.warning("systemd cannot be told: %s", error.strerror or error)
                self._has_failed = True
                return
            self._has_failed = False
            if status is not None:
                self._told = _one_line(status)


def open_notifier(environ: Mapping[str, str] | None = None) -> Notifier:
    """Return who tells systemd, or nobody where systemd named no socket.

    Args:
        environ: The process's if None.

    Raises:
        UsageError: NOTIFY_SOCKET names no socket of the kind systemd makes.
    """
    address = (os.environ if environ is None else environ).get(SOCKET_VARIABLE)
    return SystemdNotifier(address) if address else Notifier()


def watchdog_interval_s(
    environ: Mapping[str, str] | None = None, *, pid: int | None = None
) -> float | None:
    """Return within how many seconds systemd must be told that the process is alive.

    Tell it at half of that. None where it does not wait for this process.

    Args:
        environ: The process's if None.
        pid: This process's if None.

    Raises:
        UsageError: WATCHDOG_USEC is no number.
    """
    environ = os.environ if environ is None else environ
    pid = os.getpid() if pid is None else pid
    interval_us, wanted = environ.get(INTERVAL_VARIABLE), environ.get(PROCESS_VARIABLE)
    if interval_us is None or (wanted is not None and wanted != str(pid)):
        return None
    if not re.fullmatch("[0-9]{1,18}", interval_us) or int(interval_us) == 0:
        raise UsageError(
            f"{INTERVAL_VARIABLE} is {interval_us!r}, which is no number of microseconds: unset it"
        )
    return int(interval_us) / 1e6


def _one_line(text: str) -> str:
    """Return a text that cannot be taken for a further variable, and is not too long."""
    return " ".join(text.split())[:_LONGEST_STATUS]
