"""The root that devices are given to trust, and its believable successors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

from edge_recog.errors import UsageError
from edge_recog.signing.small_files import read_small

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES: Final = 2**20


def parse_anchor(data: bytes) -> Metadata[Root]:
    """Return a root that is signed by as many of its own keys as it asks for.

    Raises:
        RepositoryError: It is none.
    """
    root = Metadata[Root].from_bytes(data)
    root.signed.verify_delegate("root", root.signed_bytes, root.signatures)
    return root


def read_anchor(path: Path) -> bytes:
    """Read a root for devices.

    Raises:
        UsageError: It cannot be read, or is none.
    """
    try:
        data = read_small(path, most_bytes=MOST_BYTES)
        parse_anchor(data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except RepositoryError as error:
        raise UsageError(
            f"{path}: no root of updates; edge-recog publish init FOLDER makes one, "
            "FOLDER.keys/1.root.json"
        ) from error
    return data
