"""User and password, as HTTP and RTSP servers ask for them: Digest (RFC 7616) and Basic."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Final
from urllib.request import parse_http_list, parse_keqv_list

if TYPE_CHECKING:
    from collections.abc import Sequence

_HASHES: Final = {"md5": hashlib.md5, "sha-256": hashlib.sha256}
"""MD5 is what most cameras ask for; it says nothing about the password's safety in transit."""


def authorization(
    challenges: Sequence[str],
    *,
    user: str,
    password: str,
    method: str,
    target: str,
    nonce: str | None = None,
) -> str | None:
    """Return the Authorization header that answers a server's challenge; None if none can be.

    Args:
        challenges: Its WWW-Authenticate headers. Basic, which sends the password, goes last.
        user: Who logs in.
        password: Theirs.
        method: `GET`, `DESCRIBE`.
        target: Path and query, or for RTSP the address, as in the request line.
        nonce: The client's, random if None.
    """
    by_scheme = {text.partition(" ")[0].lower(): text.partition(" ")[2] for text in challenges}
    if "digest" in by_scheme:
        answer = _digest(
            by_scheme["digest"], user, password, method, target, nonce or secrets.token_hex(8)
        )
        if answer is not None:
            return answer
    if "basic" in by_scheme:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return None


def _digest(
    challenge: str, user: str, password: str, method: str, target: str, client: str
) -> str | None:
    items = [item for item in parse_http_list(challenge) if "=" in item]
    asked = {key.lower(): value for key, value in parse_keqv_list(items).items()}
    algorithm = asked.get("algorithm", "MD5")
    digest = _HASHES.get(algorithm.lower())
    if digest is None or any('"' in text for text in (user, *asked.values())):
        return None

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode()).hexdigest()

    realm, server = asked.get("realm", ""), asked.get("nonce", "")
    first, second = hashed(user, realm, password), hashed(method, target)
    said = {"username": user, "realm": realm, "nonce": server, "uri": target}
    text = "Digest " + ", ".join(f'{key}="{value}"' for key, value in said.items())
    if "algorithm" in asked:
        text += f", algorithm={algorithm}"
    if "opaque" in asked:
        text += f', opaque="{asked["opaque"]}"'
    if "auth" in [part.strip() for part in asked.get("qop", "").split(",")]:
        response = hashed(first, server, "00000001", client, "auth", second)
        text += f', qop=auth, nc=00000001, cnonce="{client}"'
    else:
        response = hashed(first, server, second)
    return f'{text}, response="{response}"'
