"""A boot partition that files can be put on: what is asked of it, wherever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    Content = bytes | Path
    """What a file holds: its bytes, or a file here that has them."""

MOST_SMALL_BYTES = 1 << 20
"""Of a file that is read whole to be looked at."""


class Listing(NamedTuple):
    """What lies in a folder. FAT does not tell capitals from small letters, so all are small."""

    files: frozenset[str]
    folders: frozenset[str]


class Space(NamedTuple):
    """Room on a partition."""

    free_bytes: int
    cluster_bytes: int
    """A file takes whole clusters."""


class Card(Protocol):
    """A boot partition. Paths are relative to it, with `/` between folders.

    Each method raises UsageError, with a sentence, for whatever goes wrong.
    """

    where: str
    """As the user named it."""

    def listing(self, folder: str = "") -> Listing:
        """Return what lies in a folder."""

    def read(self, path: str, most_bytes: int = MOST_SMALL_BYTES) -> bytes:
        """Return what a file holds, and at most one byte more than `most_bytes`."""

    def space(self) -> Space:
        """Return what is free."""

    def write(self, path: str, content: Content) -> None:
        """Make a file that is not there yet."""

    def make_folder(self, path: str) -> None:
        """Make a folder that is not there yet."""

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder another name in the same folder; a file there is replaced."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""

    def flush(self) -> None:
        """Return when everything is on the medium."""

    def close(self) -> None:
        """Let go of it. Safe to call twice."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
