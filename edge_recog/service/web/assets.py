"""The page's files, from memory."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final, NamedTuple

MEDIA_TYPES: Final = {
    "index.html": "text/html; charset=utf-8",
    "login.html": "text/html; charset=utf-8",
    "live.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """One file."""

    content: bytes
    media_type: str
    etag: str
    """Changes with the content; in quotes, as the header has it."""


def read_assets() -> dict[str, Asset]:
    """Return name → file of all the page consists of."""
    folder = resources.files("edge_recog.service.web").joinpath("page")
    found = {}
    for name, media_type in MEDIA_TYPES.items():
        content = folder.joinpath(name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:32]
        found[name] = Asset(content, media_type, f'"{digest}"')
    return found
