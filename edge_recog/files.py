"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edge_recog.errors import UsageError


def write_file(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file whole or not at all.

    Args:
        path: Its folder is made if need be.
        data: What will be in it.
        force: Replace a file that is there.

    Raises:
        UsageError: There is such a file and `force` is not set, or it cannot be written.
    """
    refuse_existing(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to overwrite, before any work is done for it.

    Raises:
        UsageError: There is such a file and `force` is not set.
    """
    if path.exists() and not force:
        raise UsageError(f"{path}: exists already; name another file, or add --force")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
