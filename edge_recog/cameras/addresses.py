"""Addresses of network cameras, and how to speak of them without telling their passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from edge_recog.errors import UsageError

_PORTS = {"http": 80, "https": 443, "rtsp": 554}
_EXAMPLE = (
    "not an address such as rtsp://user:password@camera.local:554/stream; in a password @ is "
    "written %40, / is %2F, # is %23 and ? is %3F"
)
_SAFE = "%/?:@!$&'()*+,;=-._~[]"
"""Characters of path and query that stay as they are: RFC 3986, section 3.3 and 3.4."""


@dataclass(frozen=True)
class Address:
    """Where a network camera is."""

    scheme: str
    """`http`, `https` or `rtsp`."""
    host: str
    """A name, or an IP address without brackets."""
    port: int
    target: str = field(repr=False)
    """Path and query, as they are sent."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """For people: without user, password, and query, which may hold a password as well."""
        path, question, _ = self.target.partition("?")
        return f"{self.scheme}://{self.place}{path}{'?…' if question else ''}"

    @property
    def place(self) -> str:
        """Host and port as in an address, the port only if it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The address without user and password, as it is sent."""
        return f"{self.scheme}://{self.place}{self.target}"


def read_address(text: str) -> Address:
    """Return the parts of an address.

    Args:
        text: `SCHEME://[USER[:PASSWORD]@]HOST[:PORT]/PATH[?QUERY]`; special characters in user and
            password are escaped as %40 for @.

    Raises:
        UsageError: It is none; the message does not quote user and password.
    """
    shown = without_secrets(text)
    # urlsplit would drop some of these without a word.
    if re.search(r"[\x00-\x20\x7f]", text):
        raise UsageError(f"{shown}: an address has no spaces; write %20 for one")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:
        raise UsageError(f"{shown}: {_EXAMPLE}") from error
    # An @ further on is one of a password with a slash in it, which is not to be shown.
    if parts.scheme not in _PORTS or not host or "@" in parts.path + parts.query + parts.fragment:
        raise UsageError(f"{shown}: {_EXAMPLE}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(
        parts.scheme,
        host,
        _PORTS[parts.scheme] if port is None else port,
        quote(target, safe=_SAFE),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def without_secrets(text: str) -> str:
    """Return a text in which addresses have lost user, password and query.

    Generous: of `//a/b@c` all before the `@` goes, since a password may hold a slash.
    """
    hidden = re.sub(r"//.*@", "//", text, flags=re.DOTALL)
    return re.sub(r"(//[^?#]*)[?#].*", r"\1?…", hidden, flags=re.DOTALL)
