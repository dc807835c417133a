"""The network that a device joins, without its passphrase.

On the card stands the key that follows from passphrase and name: PBKDF2-HMAC-SHA1, 4096 rounds,
256 bits (IEEE 802.11i-2004, H.4). It opens this network only, and does not tell a passphrase that
may be in use elsewhere. A network that allows WPA3 alone wants the passphrase itself, so it cannot
be joined this way; those that allow WPA2 as well can.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog.service.config.secret_files import read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSPHRASE_VARIABLE: Final = "EDGE_RECOG_WIFI_PASSPHRASE"

_ROUNDS: Final = 4096
_KEY_BYTES: Final = 32
_MOST_NAME_BYTES: Final = 32
_PASSPHRASE_BYTES: Final = range(8, 64)
_KEY = re.compile(r"[0-9a-f]{64}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True)
class Wifi:
    """A network and how to get in."""

    ssid: str
    """Its name, as UTF-8."""
    country: str
    """ISO 3166-1, two capitals: which channels may be used."""
    key: str | None = field(repr=False)
    """64 hexadecimal digits; None for a network that is open."""
    hidden: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be or could not be written down safely.

        Raises:
            UsageError: The name, country or key is out of its form.
        """
        check_ssid(self.ssid)
        if self.country == "UK":
            raise UsageError("the country of the Wi-Fi is GB, not UK")
        if not _COUNTRY.fullmatch(self.country):
            raise UsageError(
                f"{self.country!r} is no country: two capital letters, as in DE, GB or US"
            )
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise UsageError("the Wi-Fi's key is not 64 hexadecimal digits")


def join(ssid: str, passphrase: str | None, *, country: str, hidden: bool = False) -> Wifi:
    """Return how to join a network.

    Args:
        ssid: Its name.
        passphrase: Or the key itself, as 64 hexadecimal digits; None for an open network.
        country: Two capital letters.
        hidden: It does not tell its name.

    Raises:
        UsageError: Something is out of its form. The passphrase is not repeated.
    """
    key = None if passphrase is None else derive_key(passphrase, ssid)
    return Wifi(ssid, country, key, hidden)


def derive_key(passphrase: str, ssid: str) -> str:
    """Return the key of a network, 64 hexadecimal digits.

    Raises:
        UsageError: The name or the passphrase is out of its form. The latter is not repeated.
    """
    check_ssid(ssid)
    if _KEY.fullmatch(passphrase.lower()):
        return passphrase.lower()
    try:
        data = passphrase.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the Wi-Fi's passphrase is no text") from None
    if _has_controls(passphrase) or len(data) not in _PASSPHRASE_BYTES:
        raise UsageError("the Wi-Fi's passphrase must have 8 to 63 characters, all of them visible")
    return hashlib.pbkdf2_hmac("sha1", data, ssid.encode(), _ROUNDS, _KEY_BYTES).hex()


def read_passphrase(path: Path | None, environ: Mapping[str, str]) -> str:
    """Return the passphrase from a file that others cannot read, or from the environment.

    Never from the command line, which other users of the machine can see.

    Raises:
        UsageError: There is none, there are two, or the file is not fit for secrets.
    """
    said = environ.get(PASSPHRASE_VARIABLE, "")
    if path is not None and said:
        raise UsageError(f"the Wi-Fi's passphrase is in {path} and in {PASSPHRASE_VARIABLE}")
    if path is not None:
        return read_secret(path)
    if not said:
        raise UsageError(
            "the Wi-Fi needs a passphrase: put it into a file that only you can read, or into "
            f"{PASSPHRASE_VARIABLE}"
        )
    return said


def check_ssid(ssid: str) -> None:
    """Refuse what is no name of a network, or none that can be typed.

    Raises:
        UsageError: It is empty, longer than 32 bytes of UTF-8, no text, or has control characters.
    """
    try:
        size = len(ssid.encode("utf-8"))
    except UnicodeEncodeError:
        raise UsageError(f"{ssid!r} is no name of a Wi-Fi: it is no text") from None
    if not 1 <= size <= _MOST_NAME_BYTES:
        raise UsageError(
            f"{ssid!r} is no name of a Wi-Fi: it has {size} bytes, and 1 to 32 are possible"
        )
    if _has_controls(ssid):
        raise UsageError(f"{ssid!r} is no name of a Wi-Fi: it has control characters in it")


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)
