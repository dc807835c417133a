"""Collected wheels that are kept for the next device of the same kind."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog_devices.errors import WheelsError
from edge_recog_devices.wheels.archives import sha256_of
from edge_recog_devices.wheels.collecting import collect
from edge_recog_devices.wheels.manifest import read_manifest
from edge_recog_devices.wheels.project import project_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_devices.wheels.target import Target


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return where this user's collected wheels are kept."""
    # The XDG specification has relative paths ignored.
    named = environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "edge-recog" / "wheels"


def collected(target: Target, extras: Sequence[str]) -> Path:
    """Return a folder of wheels for a target, collected now or, for the same edge_recog, before.

    Args:
        target: The device.
        extras: Of edge-recog.

    Raises:
        WheelsError: Some wheels are not to be had.
        UsageError: The folder cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = project_wheel(Path(folder))
        parts = (repr(target), *extras, sha256_of(own.path))
        name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        out = cache_folder(os.environ) / name
        try:
            read_manifest(out)
        except WheelsError:
            collect(target, out, extras=extras, wheel=own.path, force=True)
        return out
