"""Where a device keeps what it knows of updates."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from edge_recog.files import write_file
from edge_recog.signing.small_files import make_durable, read_small
from edge_recog.store.places import models_folder
from edge_recog.updates.errors import UnusableUpdatesError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FOLDER: Final = "updates"
_ID: Final = "device-id"
_MOST_ID_BYTES: Final = 64


def updates_folder(environ: Mapping[str, str]) -> Path:
    """Return where the service, root or this user keeps it: beside the models.

    Args:
        environ: Variables, which say where that is.
    """
    return models_folder(environ).with_name(_FOLDER)


def device_id(folder: Path) -> str:
    """Return this device's id, 32 hexadecimal digits: made at random the first time.

    It decides when the device's turn is, and is told to nobody. A card that is copied with its
    state has the same one.

    Raises:
        UnusableUpdatesError: It can neither be read nor written.
    """
    path = folder / _ID
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            found = read_small(path, most_bytes=_MOST_ID_BYTES).decode("ascii", "replace").strip()
            if len(found) == 32 and set(found) <= set("0123456789abcdef"):
                return found
        except FileNotFoundError:
            pass
        made = secrets.token_hex(16)
        write_file(path, f"{made}\n".encode(), force=True)
        make_durable(folder)
    except OSError as error:
        raise UnusableUpdatesError(
            f"{path}: cannot be read or written: {error.strerror or error}"
        ) from error
    return made
