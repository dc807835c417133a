"""The state as a file: readable, with a check sum, so that what was damaged is not believed."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from edge_recog.store.errors import UnusableStoreError
from edge_recog.store.state import State

SCHEMA_VERSION: Final = 1
MOST_BYTES: Final = 4 * 2**20


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file."""

    schema_version: int
    sha256: str
    """Of `state`, as `msgspec.json.encode` writes it."""
    state: State


class _Header(msgspec.Struct, frozen=True):
    """What every version of the file has."""

    schema_version: int


def encode(state: State) -> bytes:
    """Return the content of a state file."""
    document = _Document(schema_version=SCHEMA_VERSION, sha256=_check_sum(state), state=state)
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def decode(data: bytes) -> State | None:
    """Return what is in a state file; None if it is damaged.

    Raises:
        UnusableStoreError: It is of a newer version of this program, and not to be overwritten.
    """
    try:
        version = msgspec.json.decode(data, type=_Header).schema_version
        if version > SCHEMA_VERSION:
            raise UnusableStoreError(
                f"it was written by a newer version of edge-recog (schema {version}, this one "
                f"knows {SCHEMA_VERSION}): update edge-recog here, or name another folder"
            )
        document = msgspec.json.decode(data, type=_Document)
    except (ValueError, RecursionError):
        return None
    is_whole = version == SCHEMA_VERSION and document.sha256 == _check_sum(document.state)
    return document.state if is_whole else None


def _check_sum(state: State) -> str:
    return hashlib.sha256(msgspec.json.encode(state)).hexdigest()
