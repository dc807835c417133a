"""Secrets in files: read only where nobody else can."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from edge_recog.errors import UsageError

CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what a unit loads with LoadCredential=."""

SECRET_NAMES: Final = ("password_file", "token_file", "key_file")
"""Names of keys, in any section, that name a file with a secret in it."""

_MOST_BYTES: Final = 65_536
_OTHERS = 0o077
# systemd gives the service its right by an access list, whose mask stands where the group's does.
_OTHERS_THAN_GROUP = 0o037


def is_secret_file(key: str) -> bool:
    """Return whether a key, such as `mqtt.password_file`, names a file with a secret in it."""
    return key.rpartition(".")[2] in SECRET_NAMES


def read_secret(path: str | Path) -> str:
    """Return a file's text without the line end at its end.

    Args:
        path: Of the file.

    Raises:
        UsageError: Others can read it; or it cannot be read, is no file, is empty, too large or no
            text. The message does not repeat the text.
    """
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r}: no name of a file")
    try:
        # Without waiting for the other end of what turns out to be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            _refuse_open_files(Path(path), os.fstat(descriptor))
            data = os.read(descriptor, _MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{path}: larger than {_MOST_BYTES} bytes; that is no secret")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        # Without the cause: it has the bytes in it.
        raise UsageError(f"{path}: not a text file") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise UsageError(f"{path}: empty; put the secret into it")
    return text


def _refuse_open_files(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path}: not a file")
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    is_credential = bool(folder) and path.parent == Path(str(folder))
    if found.st_mode & (_OTHERS_THAN_GROUP if is_credential else _OTHERS):
        mode = stat.S_IMODE(found.st_mode)
        raise UsageError(f"{path}: others can read or write it (mode {mode:04o}): chmod 600 {path}")
