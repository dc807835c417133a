"""What a device remembers of its updates; written whole, so that it may die at any moment."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from edge_recog.errors import UsageError
from edge_recog.files import write_file
from edge_recog.signing.small_files import make_durable, read_small
from edge_recog.updates.errors import UnusableUpdatesError

if TYPE_CHECKING:
    from pathlib import Path

_LOG = logging.getLogger(__name__)

FILE_NAME: Final = "journal.json"
MOST_REJECTED: Final = 64
_MOST_BYTES: Final = 2**20
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest release of a channel that was in use here."""

    number: _Count
    model: str


class Attempt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release on its way."""

    channel: str
    number: _Count
    model: str
    name: str
    turn: _Count
    """Which attempt it is on this device, from 1."""
    installed: bool = False
    """Whether the store has it as its candidate; written after it has."""
    failures_before: _Count = 0
    """That the store knew of when it began."""


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it."""

    schema_version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    channels: dict[str, Known] = {}
    attempt: Attempt | None = None
    rejected: dict[str, _Count] = {}
    """Digests of models → how often; the latest last."""

    def with_rejection(self, model: str, times: int) -> Journal:
        """Return it with so many rejections of a model."""
        others = {name: count for name, count in self.rejected.items() if name != model}
        kept = [*others.items(), (model, times)][-MOST_REJECTED:]
        return msgspec.structs.replace(self, rejected=dict(kept))

    def with_known(self, channel: str, known: Known) -> Journal:
        """Return it with what was in use on a channel; never an older release."""
        before = self.channels.get(channel)
        if before is not None and before.number > known.number:
            return self
        return msgspec.structs.replace(self, channels={**self.channels, channel: known})


def read_journal(folder: Path) -> Journal:
    """Return what was written last; an empty one if there is none.

    One that is damaged is begun anew, since a device that never updates again helps nobody: what
    is older stays refused by the metadata and by the store.

    Raises:
        UnusableUpdatesError: It cannot be read.
    """
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(read_small(path, most_bytes=_MOST_BYTES), type=Journal)
    except FileNotFoundError:
        return Journal()
    except OSError as error:
        raise UnusableUpdatesError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        _LOG.warning("%s: damaged, and begun anew: %s", path, error)
        return Journal()


def write_journal(folder: Path, journal: Journal) -> None:
    """Write it, so that it outlasts a power cut.

    Raises:
        UnusableUpdatesError: It cannot be written.
    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = msgspec.json.format(msgspec.json.encode(journal), indent=2)
        write_file(path, data + b"\n", force=True)
        make_durable(folder)
    except UsageError as error:
        raise UnusableUpdatesError(str(error)) from error
    except OSError as error:
        raise UnusableUpdatesError(
            f"{path}: cannot be written: {error.strerror or error}"
        ) from error
