"""The state of a training after an epoch, in one file that is there whole or not at all.

A ZIP of NumPy arrays (no pickle) and one JSON document, written beside the old one and renamed over
it: whenever the process is killed, the last whole epoch can be gone on from.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SCHEMA_VERSION = 1
_DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was kept."""

    document: dict[str, Any]
    """Whatever the training wrote down; JSON types."""
    arrays: dict[str, tuple[NDArray[Any], ...]]
    """Values of variables by what they belong to (`model`, `optimizer`, `best`), in order."""


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    schema_version: int
    fingerprint: str
    counts: dict[str, int]
    document: dict[str, Any]


def encoded(
    *, fingerprint: str, document: dict[str, Any], arrays: dict[str, Sequence[NDArray[Any]]]
) -> bytes:
    """Return the content of a checkpoint.

    Args:
        fingerprint: Of everything that must be the same to go on: recipe, pictures, stage.
        document: As `Checkpoint.document`.
        arrays: As `Checkpoint.arrays`.
    """
    head = _Head(
        schema_version=_SCHEMA_VERSION,
        fingerprint=fingerprint,
        counts={kind: len(values) for kind, values in arrays.items()},
        document=document,
    )
    named: dict[str, Any] = {
        f"{kind}{number}": value
        for kind, values in arrays.items()
        for number, value in enumerate(values)
    }
    named[_DOCUMENT] = np.frombuffer(msgspec.json.encode(head), np.uint8)
    content = io.BytesIO()
    np.savez(content, **named)
    return content.getvalue()


def decoded(content: bytes, *, fingerprint: str) -> Checkpoint | None:
    """Return what was kept; None if that is nothing, damaged, or of another training."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            head = msgspec.json.decode(stored[_DOCUMENT].tobytes(), type=_Head)
            if (head.schema_version, head.fingerprint) != (_SCHEMA_VERSION, fingerprint):
                return None
            arrays = {
                kind: tuple(stored[f"{kind}{number}"] for number in range(count))
                for kind, count in head.counts.items()
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.DecodeError):
        return None
    return Checkpoint(head.document, arrays)


def write_checkpoint(path: Path, content: bytes) -> None:
    """Replace the checkpoint at `path`, as a whole."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(path: Path) -> bytes:
    """Return the content; nothing if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
