"""Public keys, as people paste them: `edge-recog-ed25519 BASE64 NAME`, one line."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from edge_recog.errors import UsageError
from edge_recog.signing.ed25519 import PUBLIC_KEY_BYTES

MARK: Final = "edge-recog-ed25519"
SUFFIX: Final = ".pub"
MOST_BYTES: Final = 1024
"""Of a file with a public key in it."""
KEY_ID: Final = re.compile(r"[0-9a-f]{32}")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_ID_BYTES: Final = 16
"""Of SHA-256. It only finds the key: what is verified is the signature, by the whole key."""
_PRIME: Final = 2**255 - 19
_SIGN_BIT: Final = 2**255
# The y of the points whose order divides 8: whoever "has" one as a key can sign without a private
# one. A file of zeros is among them. Values as in libsodium's ge25519_has_small_order.
_Y_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y: Final = frozenset({0, 1, _PRIME - 1, _Y_OF_ORDER_8, _PRIME - _Y_OF_ORDER_8})


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key by which signatures are verified."""

    raw: bytes
    """32 bytes, as RFC 8032 encodes them."""
    name: str
    """For people; it identifies nothing."""

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.raw) != PUBLIC_KEY_BYTES:
            raise UsageError(f"a public key has {PUBLIC_KEY_BYTES} bytes, not {len(self.raw)}")
        y = int.from_bytes(self.raw, "little") % _SIGN_BIT
        if y >= _PRIME or y in _SMALL_ORDER_Y:
            raise UsageError("a key by which anybody could sign; no program makes such a one")

    @property
    def id(self) -> str:
        """32 hexadecimal digits: the first half of the raw key's SHA-256."""
        return hashlib.sha256(self.raw).digest()[:_ID_BYTES].hex()

    @property
    def line(self) -> str:
        """The key as people paste it, without the line end."""
        return f"{MARK} {base64.b64encode(self.raw).decode()} {self.name}"

    @classmethod
    def parse(cls, data: bytes, *, where: str) -> PublicKey:
        """Return the key of a file's content.

        Raises:
            UsageError: It is no public key of ours.
        """
        if b"PRIVATE KEY" in data:
            raise UsageError(f"{where}: a private key; give the public one, NAME{SUFFIX}")
        words = data.decode("utf-8", "replace").split()
        if len(words) != 3 or words[0] != MARK or len(data.strip().splitlines()) != 1:
            raise UsageError(
                f"{where}: not a public key; it is one line: {MARK} BASE64 NAME, as edge-recog "
                "keys new makes it"
            )
        try:
            raw = base64.b64decode(words[1], validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        # Base64 has bits to spare at its end, which decoding passes over.
        if base64.b64encode(raw).decode() != words[1]:
            raise UsageError(f"{where}: not a public key; its second word is damaged: copy it anew")
        try:
            return cls(raw, words[2])
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error


def check_name(name: str) -> None:
    """Refuse what is no name of a key.

    Raises:
        UsageError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r}: no name for a key: take up to 64 letters, digits and . _ @ + - "
            "without spaces, the first a letter or digit"
        )
