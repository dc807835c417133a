"""The files that a web server serves: read as far as they are to be believed, written in order.

metadata/N.root.json, N.targets.json, N.stops.json, N.snapshot.json   never change
metadata/timestamp.json                                               says which ones hold
targets/CHANNEL/SHA-256.latest.tflite, SHA-256.settled.tflite         never change

The timestamp comes last: who reads while files are written, or after that was interrupted, sees
what was there before.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    Targets,
    Timestamp,
)

from edge_recog.errors import UsageError
from edge_recog.files import write_file
from edge_recog.signing.small_files import read_small
from edge_recog_devices.publishing.anchor import parse_anchor
from edge_recog_devices.publishing.errors import PublishError, TamperedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METADATA: Final = "metadata"
TARGETS: Final = "targets"
STOPS: Final = "stops"
_MOST_BYTES: Final = 2**20
_PAUSE_S: Final = 0.05
_NUMBERED: Final = re.compile(r"([1-9][0-9]{0,17})\.([a-z]+)\.json")


@dataclass(frozen=True)
class Signed:
    """All that holds now. The values are changed by replacing them."""

    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    stops: Metadata[Targets]


@dataclass(frozen=True)
class Site:
    """A folder to be served."""

    folder: Path
    wait_s: float = 10.0
    """For another publisher to be done."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other publishers from it.

        Raises:
            PublishError: One is at it all the time, or there is no such folder.
        """
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise PublishError(
                f"{self.folder}: {error.strerror}; edge-recog publish init makes a repository"
            ) from error
        try:
            end_s = time.monotonic() + self.wait_s
            while not _locked(descriptor):
                if time.monotonic() >= end_s:
                    raise PublishError(f"{self.folder}: somebody else is publishing there")
                time.sleep(_PAUSE_S)
            yield
        finally:
            os.close(descriptor)

    def read(self, anchor: bytes) -> Signed:
        """Return what holds now, after checking every signature of it.

        Args:
            anchor: The first root, which is trusted.

        Raises:
            TamperedError: Something is missing, or was not signed by the keys that count.
        """
        root = self._root(anchor)
        chain = self._chain(root, self._unchecked_timestamp())
        if chain is not None:
            return chain
        # A rotation was interrupted before the timestamp: what it has signed holds.
        for number in sorted(self._numbers("snapshot"), reverse=True):
            chain = self._chain(root, None, number)
            if chain is not None:
                return chain
        raise TamperedError(
            f"{self.folder}: nothing there is signed by the keys of {root.signed.version}.root.json"
            "; restore the folder from where it was copied to"
        )

    def next_version(self, role: str, held: int) -> int:
        """Return a number that no file of a role ever had, since servers keep files by name."""
        return 1 + max([held, *self._numbers(role)])

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all.

        Raises:
            UsageError: It cannot be written.
        """
        write_file(self.folder / name, data, force=True)

    def write_metadata(self, metadata: Metadata[Any], role: str) -> None:
        """Write what was signed; the timestamp has no number in its name.

        Raises:
            UsageError: It cannot be written.
        """
        number = "" if role == "timestamp" else f"{metadata.signed.version}."
        self.write(f"{METADATA}/{number}{role}.json", metadata.to_bytes())

    def _root(self, anchor: bytes) -> Metadata[Root]:
        try:
            root = parse_anchor(anchor)
            while (data := self._data(f"{root.signed.version + 1}.root.json")) is not None:
                after = Metadata[Root].from_bytes(data)
                for judge in (root.signed, after.signed):
                    judge.verify_delegate("root", after.signed_bytes, after.signatures)
                if after.signed.version != root.signed.version + 1:
                    raise RepositoryError(f"it says to be {after.signed.version}")
                root = after
        except RepositoryError as error:
            raise TamperedError(f"{self.folder}: a root cannot be believed: {error}") from error
        return root

    def _unchecked_timestamp(self) -> Metadata[Timestamp] | None:
        data = self._data("timestamp.json")
        if data is None:
            return None
        try:
            return Metadata[Timestamp].from_bytes(data)
        except RepositoryError:
            return None

    def _chain(
        self,
        root: Metadata[Root],
        timestamp: Metadata[Timestamp] | None,
        number: int | None = None,
    ) -> Signed | None:
        """Return what a timestamp, or a snapshot of a number, leads to; None if it is unsound."""
        judge = root.signed
        try:
            if timestamp is not None:
                judge.verify_delegate("timestamp", timestamp.signed_bytes, timestamp.signatures)
                number = timestamp.signed.snapshot_meta.version
            elif number is None:
                return None
            data = self._wanted(f"{number}.snapshot.json")
            if timestamp is None:
                version = self._timestamp_version()
                timestamp = Metadata(Timestamp(version=version, snapshot_meta=MetaFile(number)))
            else:
                timestamp.signed.snapshot_meta.verify_length_and_hashes(data)
            snapshot = Metadata[Snapshot].from_bytes(data)
            judge.verify_delegate("snapshot", snapshot.signed_bytes, snapshot.signatures)
            parts: list[Metadata[Targets]] = []
            for role in ("targets", STOPS):
                meta = snapshot.signed.meta[f"{role}.json"]
                data = self._wanted(f"{meta.version}.{role}.json")
                meta.verify_length_and_hashes(data)
                part = Metadata[Targets].from_bytes(data)
                delegator: Any = parts[0].signed if parts else judge
                delegator.verify_delegate(role, part.signed_bytes, part.signatures)
                parts.append(part)
        except (RepositoryError, KeyError, ValueError):
            return None
        return Signed(root, timestamp, snapshot, parts[0], parts[1])

    def _timestamp_version(self) -> int:
        """Return what the timestamp says that it is, signed or not: the next one must be newer."""
        found = self._unchecked_timestamp()
        return 1 if found is None else found.signed.version

    def _wanted(self, name: str) -> bytes:
        data = self._data(name)
        if data is None:
            raise RepositoryError(f"{name} is missing")
        return data

    def _data(self, name: str) -> bytes | None:
        path = self.folder / METADATA / name
        try:
            return read_small(path, most_bytes=_MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PublishError(f"{path}: cannot be read: {error.strerror or error}") from error

    def _numbers(self, role: str) -> list[int]:
        folder = self.folder / METADATA
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        found = [_NUMBERED.fullmatch(name) for name in names]
        return [int(one[1]) for one in found if one is not None and one[2] == role]


def _locked(descriptor: int) -> bool:
    """Return whether nobody else holds the lock, and now this process does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refuse_inside(keys: Path, site: Path) -> None:
    """Refuse private keys where everybody would get them.

    Raises:
        UsageError: The folder of keys is in the one to be served.
    """
    if keys.resolve().is_relative_to(site.resolve()):
        raise UsageError(f"{keys}: it is inside {site}, which is served to everybody")
