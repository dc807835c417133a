"""Where a device is, as it is written for ssh."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from edge_recog.errors import UsageError

# Names that ssh takes and no shell, and no option of ssh, could misunderstand.
_USER = r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._+-]{0,63})@)?"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"
_SIX = r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]{1,44}(?:%[A-Za-z0-9._-]{1,15})?"
_PLAIN = re.compile(rf"{_USER}(?P<host>{_NAME}|{_SIX})", re.ASCII)
_URI = re.compile(
    rf"ssh://{_USER}(?:(?P<host>{_NAME})|\[(?P<six>{_SIX})\])(?::(?P<port>[0-9]{{1,5}}))?/?",
    re.ASCII,
)
_WITH_PORT = re.compile(r"(?P<before>[^:]+):(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True)
class Address:
    """A device: a name of ssh_config, a host's name or an IP address."""

    host: str
    user: str = ""
    """Empty for what ssh_config says, or this user's name."""
    port: int | None = None
    """None for what ssh_config says, or 22."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `pi@kitchen.local` or `ssh://pi@kitchen.local:2222` names.

        Raises:
            UsageError: It names none.
        """
        found = _URI.fullmatch(text) or _PLAIN.fullmatch(text)
        if found is None:
            raise UsageError(_complaint(text))
        parts = found.groupdict()
        port = None if parts.get("port") is None else int(parts["port"])
        if port is not None and not 0 < port < 65536:
            raise UsageError(f"{text!r}: a port is a number from 1 to 65535")
        return cls(parts["host"] or parts["six"], parts["user"] or "", port)

    @property
    def destination(self) -> str:
        """What ssh is given, besides the port."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def known_as(self) -> str:
        """What known_hosts calls it."""
        return self.host if self.port in (None, 22) else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        """Return what `parse` takes."""
        if self.port is None:
            return self.destination
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{self.user}{'@' if self.user else ''}{host}:{self.port}"


def _complaint(text: str) -> str:
    if text.startswith("-") or "@-" in text or "//-" in text:
        return f"no device {text!r}: names do not start with a dash"
    if re.match(r"(?:ssh://)?[^/@]*:[^/]*@", text):
        # Not repeated: it has the password in it.
        return "a password does not belong into an address: use a key, ssh-copy-id USER@HOST"
    if with_port := _WITH_PORT.fullmatch(text):
        return f"no device {text!r}: write ssh://{with_port['before']}:{with_port['port']}"
    return f"no device {text!r}: write it like pi@kitchen.local or ssh://pi@kitchen.local:2222"
