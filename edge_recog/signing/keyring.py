"""The folder of keys: `*.pub` is trusted, `*.revoked` never again.

Whatever cannot be read in it is an error. Passing over it could leave a device without keys, and
such a device accepts everything.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog.files import write_file
from edge_recog.signing.errors import UnusableTrustError
from edge_recog.signing.public_keys import KEY_ID, MOST_BYTES, SUFFIX, PublicKey
from edge_recog.signing.small_files import make_durable, read_small

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REVOKED_SUFFIX: Final = ".revoked"
LEAST_ID_DIGITS: Final = 8
"""With which a key can be named."""

_TRIES: Final = 5
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a folder of keys."""

    path: Path
    id: str
    name: str
    """Empty where only the id of a revoked key is known."""
    key: PublicKey | None
    """None likewise."""
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class Keyring:
    """What the folders have."""

    entries: tuple[Entry, ...] = ()

    @property
    def wants_signatures(self) -> bool:
        """Tell whether models must be signed.

        So they must while all that is there is revoked: whoever got hold of the only key shall not
        be followed by those who have none.
        """
        return bool(self.entries)

    def trusted(self, key_id: str) -> PublicKey | None:
        """Return the key of an id, unless it is unknown or revoked in any of the folders."""
        if self.is_revoked(key_id):
            return None
        return next((e.key for e in self.entries if e.id == key_id and e.key is not None), None)

    def is_revoked(self, key_id: str) -> bool:
        """Tell whether a key was revoked in any of the folders."""
        return any(entry.is_revoked for entry in self.entries if entry.id == key_id)

    def name_of(self, key_id: str) -> str:
        """Return what people call a key; empty if nobody said."""
        return next((e.name for e in self.entries if e.id == key_id and e.name), "")


def read_keyring(folders: Sequence[Path]) -> Keyring:
    """Return what the folders have; one that does not exist has nothing.

    Raises:
        UnusableTrustError: One of them cannot be read, others can write it, or a file in it is no
            key.
    """
    return Keyring(tuple(entry for folder in folders for entry in _entries(folder)))


def trust_key(folders: Sequence[Path], key: PublicKey, *, force: bool) -> Path:
    """Trust a key from now on, and return the file that says so.

    Args:
        folders: The first one is written.
        key: Whom to trust.
        force: Also if it was revoked.

    Raises:
        UsageError: It was revoked, or the folder cannot be written.
        UnusableTrustError: The folders cannot be read.
    """
    keyring = read_keyring(folders)
    same = [entry for entry in keyring.entries if entry.id == key.id]
    tombs = [entry.path for entry in same if entry.is_revoked]
    elsewhere = [path for path in tombs if path.parent != folders[0]]
    if elsewhere:
        raise UsageError(f"{elsewhere[0]}: key {key.id} was revoked there, for everybody here")
    if tombs and not force:
        raise UsageError(
            f"{tombs[0]}: key {key.id} ({key.name}) was revoked; if that was a mistake, add --force"
        )
    path = folders[0] / f"{key.id}{SUFFIX}"
    _write(path, f"{key.line}\n")
    _remove(tombs)
    return path


def find_key(keyring: Keyring, text: str) -> tuple[str, PublicKey | None]:
    """Return id and, where known, key that a text names.

    Args:
        keyring: To look into.
        text: An id, its first digits, a name, or the path of a public key's file.

    Raises:
        UsageError: It names none, or several.
    """
    lower = text.lower()
    is_start = len(lower) >= LEAST_ID_DIGITS
    found = {
        entry.id
        for entry in keyring.entries
        if entry.name == text or (is_start and entry.id.startswith(lower))
    }
    if len(found) > 1:
        raise UsageError(f"{text}: several keys are called so: {', '.join(sorted(found))}")
    if found:
        key_id = found.pop()
        return key_id, next((e.key for e in keyring.entries if e.id == key_id and e.key), None)
    if KEY_ID.fullmatch(lower):
        return lower, None
    path = Path(text)
    if path.is_file():
        key = read_public_key(path)
        return key.id, key
    raise UsageError(f"{text}: no key here is called so, and no file; edge-recog keys list")


def revoke_key(folders: Sequence[Path], key_id: str, key: PublicKey | None) -> Path:
    """Never accept a key again, and return the file that says so, which stays.

    Args:
        folders: The first one is written.
        key_id: Which; it need not be trusted, so that a device can be told beforehand.
        key: The key itself, if it is known.

    Raises:
        UsageError: The folder cannot be written.
        UnusableTrustError: The folders cannot be read.
    """
    keyring = read_keyring(folders)
    path = folders[0] / f"{key_id}{REVOKED_SUFFIX}"
    # First the one and then the other: in between the key is revoked already.
    _write(path, "revoked\n" if key is None else f"{key.line}\n")
    _remove(
        entry.path
        for entry in keyring.entries
        if entry.id == key_id and not entry.is_revoked and entry.path.parent == folders[0]
    )
    return path


def read_public_key(path: Path) -> PublicKey:
    """Return the public key that a file has.

    Raises:
        UsageError: It cannot be read, or has none.
    """
    try:
        data = read_small(path, most_bytes=MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return PublicKey.parse(data, where=str(path))


def _entries(folder: Path) -> list[Entry]:
    for tries_left in reversed(range(_TRIES)):
        try:
            return _listed(folder)
        except FileNotFoundError as error:
            if not os.path.lexists(folder):
                return []
            # One that vanished while we looked was revoked or trusted anew: look again. What is
            # listed and never there is a link to nothing.
            if not tries_left:
                raise _unreadable(folder, error) from error
        except OSError as error:
            raise _unreadable(folder, error) from error
    raise AssertionError("the last try returns or raises")


def _listed(folder: Path) -> list[Entry]:
    _refuse_writers(folder)
    return [
        _entry(path)
        for path in sorted(folder.iterdir())
        # What begins with a dot is being written.
        if path.suffix in {SUFFIX, REVOKED_SUFFIX} and not path.name.startswith(".")
    ]


def _unreadable(folder: Path, error: OSError) -> UnusableTrustError:
    named = f" ({error.filename})" if error.filename not in {None, str(folder)} else ""
    return UnusableTrustError(
        f"{folder}: the keys in it cannot be read: {error.strerror or error}{named}; no model is "
        "accepted until they can"
    )


def _entry(path: Path) -> Entry:
    """Return what a file says.

    Raises:
        OSError: It cannot be read.
        UnusableTrustError: It is none of ours.
    """
    _refuse_writers(path)
    try:
        key = PublicKey.parse(read_small(path, most_bytes=MOST_BYTES), where=str(path))
    except UsageError as error:
        # Of a revoked key the file's name is enough, whatever became of what is in it.
        if path.suffix == REVOKED_SUFFIX and KEY_ID.fullmatch(path.stem):
            return Entry(path, path.stem, "", None, is_revoked=True)
        raise UnusableTrustError(
            f"{error}; no model is accepted until this is repaired or removed"
        ) from error
    if path.suffix != REVOKED_SUFFIX:
        return Entry(path, key.id, key.name, key, is_revoked=False)
    if KEY_ID.fullmatch(path.stem) and path.stem != key.id:
        return Entry(path, path.stem, "", None, is_revoked=True)
    return Entry(path, key.id, key.name, key, is_revoked=True)


def _refuse_writers(path: Path) -> None:
    mode = path.stat().st_mode
    if mode & _OTHERS_WRITE:
        raise UnusableTrustError(
            f"{path}: others can write it (mode {stat.S_IMODE(mode):04o}), so no key in it can be "
            f"trusted: chmod go-w {path}"
        )


def _write(path: Path, text: str) -> None:
    folder = path.parent
    try:
        for one in (folder.parent, folder):
            if not one.is_dir():
                one.mkdir(parents=True)
                # Whatever root's umask is: the service, which reads them, is not root.
                one.chmod(0o755)
        write_file(path, text.encode(), force=True)
        path.chmod(0o644)
        make_durable(folder)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        make_durable(path.parent)
