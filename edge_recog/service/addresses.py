"""Addresses to listen on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from edge_recog.errors import UsageError

_HOST = re.compile(r"\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]*)")
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}|::1|localhost")


@dataclass(frozen=True)
class Listen:
    """Where the web page is."""

    host: str
    """Empty for all of the machine's addresses."""
    port: int
    """0 for any that is free."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `127.0.0.1:8080`, `:8080` or `[::1]:8080` names.

        Raises:
            UsageError: It has another form.
        """
        before, colon, port = text.rpartition(":")
        host = _HOST.fullmatch(before)
        if host is None or not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            raise UsageError(
                f"listen is {text!r}; write it like 127.0.0.1:8080 or [::1]:8080, or :8080 for all "
                "addresses"
            )
        return cls(host["six"] or host["host"] or "", int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return _LOOPBACK.fullmatch(self.host) is not None

    def __str__(self) -> str:
        """Return e.g. `[::1]:8080`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
