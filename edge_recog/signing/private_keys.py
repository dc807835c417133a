"""Making a key pair, in two files of which one is for nobody else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from edge_recog.errors import UsageError
from edge_recog.files import write_file
from edge_recog.signing import ed25519
from edge_recog.signing.public_keys import SUFFIX, PublicKey, check_name
from edge_recog.signing.small_files import make_durable

PRIVATE_SUFFIX: Final = ".key"


class KeyFiles(NamedTuple):
    """What `make_key_pair` wrote."""

    private: Path
    public: Path
    key: PublicKey


def make_key_pair(folder: Path, name: str, *, passphrase: str | None) -> KeyFiles:
    """Make a new key and write both halves, `NAME.key` and `NAME.pub`.

    Args:
        folder: For both; made if need be.
        name: Of the key.
        passphrase: Needed to sign with it; None to leave the private half in the clear.

    Raises:
        UsageError: One of the files exists or cannot be written, the name is none, or the library
            for it is missing.
    """
    check_name(name)
    private, public = folder / f"{name}{PRIVATE_SUFFIX}", folder / f"{name}{SUFFIX}"
    for path in (private, public):
        # Whoever replaces a key makes every device refuse what comes after: there is no --force.
        if os.path.lexists(path):
            raise UsageError(f"{path}: exists already; choose another name or folder")
    made = ed25519.new_private_key()
    key = PublicKey(ed25519.public_bytes(made), name)
    _write_private(private, ed25519.encode_private_key(made, passphrase=passphrase))
    write_file(public, f"{key.line}\n".encode(), force=False)
    return KeyFiles(private, public, key)


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all, in the place of none.

    Raises:
        UsageError: It exists or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                # Also where the umask takes rights from the owner.
                os.fchmod(descriptor, 0o600)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            # Unlike renaming, this fails where somebody was faster.
            os.link(part, path)
        finally:
            Path(part).unlink()
        make_durable(path.parent)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
