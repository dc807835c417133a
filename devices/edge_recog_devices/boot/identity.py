"""Who the device is and who may log in to it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from edge_recog.errors import UsageError

SERVICE_USER: Final = "edge-recog"
LOGIN_GROUPS: Final = (
    *("users", "adm", "dialout", "audio", "netdev", "video", "plugdev", "cdrom", "games"),
    *("input", "gpio", "spi", "i2c", "render", "sudo"),
)
"""What Raspberry Pi Imager gives the first user (rpi-imager, `customization_generator.cpp`)."""

# RFC 1123, 2.1, one label: systemd and avahi add the domain.
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
# What Raspberry Pi OS accepts (userconf-pi, `userconf-service`).
_LOGIN = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TAKEN: Final = ("root", SERVICE_USER)
_KEY_TYPES: Final = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_MOST_KEY_CHARACTERS: Final = 8192


@dataclass(frozen=True)
class Login:
    """A user without a password, who comes in with ssh keys and may become root."""

    name: str
    keys: tuple[str, ...]
    """Lines of `authorized_keys`, without options."""

    def __post_init__(self) -> None:
        """Refuse what would not work on the device.

        Raises:
            UsageError: The name cannot be a user's, or there is no key, or one is none.
        """
        if not _LOGIN.fullmatch(self.name) or self.name in _TAKEN:
            raise UsageError(
                f"{self.name!r} cannot be the user: lower-case letters, digits and hyphens, a "
                f"letter first, and neither {' nor '.join(_TAKEN)}"
            )
        if not self.keys:
            raise UsageError(
                f"user {self.name} has no ssh key, and no password either: nobody could log in"
            )
        for key in self.keys:
            _check_key(key)


def parse_keys(text: str) -> tuple[str, ...]:
    """Return the public keys of a `.pub` or `authorized_keys` file, comments and blanks left out.

    Raises:
        UsageError: A line is no public key, or there is none.
    """
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    if not keys:
        raise UsageError("there is no ssh key in it")
    for key in keys:
        _check_key(key)
    return keys


def check_hostname(name: str) -> None:
    """Refuse what cannot be a host's name.

    Raises:
        UsageError: It is no single label of RFC 1123.
    """
    if not _HOSTNAME.fullmatch(name) or name.lower() == "localhost":
        raise UsageError(
            f"{name!r} cannot be a hostname: 1 to 63 letters, digits and hyphens, none of these "
            "first or last, and without a domain"
        )


def _check_key(line: str) -> None:
    if "PRIVATE KEY" in line:
        raise UsageError("that is a private ssh key; name the public one, the file ending in .pub")
    kind, _, rest = line.partition(" ")
    encoded, _, comment = rest.partition(" ")
    said = f"{line[:40]!r} is no public ssh key"
    if kind not in _KEY_TYPES or len(line) > _MOST_KEY_CHARACTERS:
        raise UsageError(f"{said}: it must begin with one of {', '.join(_KEY_TYPES)}")
    if not comment.isprintable():
        raise UsageError(f"{said}: its comment has characters in it that cannot be seen")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{said}: it is cut off or damaged") from None
    # RFC 4253, 6.6: the blob begins with the length and text of its own kind.
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != kind.encode() or len(blob) < 4 + length + 4 + 32:
        raise UsageError(f"{said}: it is cut off or damaged")
