"""Why ssh could not connect, in one sentence: by what it writes to stderr, in English."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from edge_recog_devices.errors import ConnectError, ConnectFailure

if TYPE_CHECKING:
    from edge_recog_devices.remote.address import Address

_LONGEST = 200

# The first that is found counts: what ssh says last is often only a consequence.
_SAYINGS: Final[tuple[tuple[ConnectFailure, str, str], ...]] = (
    (
        "configuration",
        r"Bad configuration option|bad configuration options|Bad owner or permissions on|"
        r"keyword .* extra arguments|unsupported option|missing argument\.$",
        "ssh's configuration on this computer has a mistake; correct it",
    ),
    (
        "host-key-changed",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "its host key is not the one that is known: if its card was written anew, forget the old "
        "key with ssh-keygen -R '{known_as}'; if not, another machine answers in its place",
    ),
    (
        "host-key-unknown",
        r"Host key verification failed|No .+ host key is known for",
        "its host key is not known yet: log in once by hand with {login} and compare the "
        "fingerprint",
    ),
    (
        "name-unknown",
        r"Could not resolve hostname",
        "there is no such name: see whether it is switched on and in this network, or use its IP "
        "address",
    ),
    (
        "refused",
        r"Connection refused",
        "it is there, but nothing listens for ssh: on the device, sudo systemctl enable --now ssh",
    ),
    (
        "timeout",
        r"[Tt]imed out|Timeout, server",
        "it does not answer in time: see whether it is switched on and in this network",
    ),
    (
        "unreachable",
        r"No route to host|Network is unreachable|Host is down|Network is down",
        "it cannot be reached: see whether it is switched on and in this network",
    ),
    (
        "key-file",
        r"UNPROTECTED PRIVATE KEY FILE|bad permissions$",
        "ssh does not use a key that others can read: chmod 600 the file it names",
    ),
    (
        "denied",
        r"Permission denied|Too many authentication failures|No supported authentication methods",
        "it refuses to let {who} in: put your key there with {copy}, or load it with ssh-add",
    ),
    (
        "algorithms",
        r"no matching .+ found",
        "it and this computer have no algorithm in common: bring its system up to date",
    ),
    (
        "closed",
        r"Connection closed|Connection reset|closed by remote host|Broken pipe|"
        r"kex_exchange_identification|banner exchange",
        "it hangs up before anybody is logged in: see its log, journalctl -u ssh",
    ),
)


def connect_error(address: Address, said: str) -> ConnectError:
    """Return the error for what ssh wrote to stderr when it did not connect.

    Args:
        address: Of the device.
        said: What ssh wrote.
    """
    for kind, pattern, sentence in _SAYINGS:
        found = re.search(pattern, said, re.MULTILINE)
        if found is None:
            continue
        port = "" if address.port is None else f"-p {address.port} "
        told = sentence.format(
            known_as=address.known_as,
            login=f"ssh {port}{address.destination}",
            copy=f"ssh-copy-id {port}{address.destination}",
            who=address.user or "this user",
        )
        return ConnectError(f"{address}: {told} ({_line_around(said, found)})", kind)
    return ConnectError(f"{address}: ssh does not connect: {last_line(said)}", "other")


def visible(text: str) -> str:
    """Return a text of another machine as it can be shown: in one line, without control codes."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def last_line(said: str) -> str:
    """Return the last line that says something."""
    lines = [visible(line) for line in said.splitlines()]
    return next((line for line in reversed(lines) if line), "it says nothing")


def _line_around(said: str, found: re.Match[str]) -> str:
    """Return the line that tells, in ssh's own words."""
    start = said.rfind("\n", 0, found.start()) + 1
    end = said.find("\n", found.end())
    return visible(said[start : len(said) if end < 0 else end]).strip("@ ").rstrip(".")
