"""The newest release of each model that was installed here: none below it comes after."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from edge_recog.errors import UsageError
from edge_recog.files import write_file
from edge_recog.signing.errors import UnusableTrustError
from edge_recog.signing.small_files import make_durable, read_small
from edge_recog.signing.statements import MOST_SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE_NAME: Final = "model-floors.json"
_LOCK_NAME: Final = ".model-floors.lock"
_MOST_BYTES: Final = 2**20

_Sequence = Annotated[int, msgspec.Meta(ge=0, le=MOST_SEQUENCE)]


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    schema_version: Literal[1]
    floors: dict[str, _Sequence]
    """Model name → sequence number."""


@dataclass(frozen=True, slots=True)
class Floors:
    """A file in the state directory; made when the first release is committed."""

    folder: Path
    """The state directory."""

    @property
    def path(self) -> Path:
        """Return where the file is."""
        return self.folder / FILE_NAME

    def read(self) -> Mapping[str, int]:
        """Return the floors by the models' names.

        Raises:
            UnusableTrustError: There are some, and they cannot be read.
        """
        try:
            data = read_small(self.path, most_bytes=_MOST_BYTES)
            return msgspec.json.decode(data, type=_Document).floors
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise UnusableTrustError(
                f"{self.path}: cannot be read: {reason or error}; no signed model is accepted "
                "until it is repaired, or removed to forget which releases were here"
            ) from error

    def raise_to(self, name: str, sequence: int) -> None:
        """Accept nothing older of a model from now on; never lowers a floor.

        Raises:
            UnusableTrustError: The floors so far cannot be read.
            UsageError: The file cannot be written.
        """
        # An SD card is not written for nothing.
        if self.read().get(name, -1) >= sequence:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                floors = dict(self.read())
                if floors.get(name, -1) >= sequence:
                    return
                floors[name] = sequence
                data = msgspec.json.encode(_Document(1, floors))
                write_file(self.path, msgspec.json.format(data, indent=2) + b"\n", force=True)
                make_durable(self.folder)
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be written: {error.strerror}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from writing what they read before us."""
        lock = os.open(
            self.folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            if os.geteuid() == 0:
                # One that root has made must not keep the service out.
                owner = self.folder.stat()
                os.fchown(lock, owner.st_uid, owner.st_gid)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
