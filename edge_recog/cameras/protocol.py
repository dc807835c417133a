"""What a source of frames is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from edge_recog.frames import Frame

Skip = Literal["damaged", "late", "limited"]
"""Why a frame that was there is not yielded: it cannot be decoded; a recording's next one is due
already; there are more than the rate asked for."""


@runtime_checkable
class FrameSource(Protocol):
    """Yields frames until it ends or is closed. One reader at a time."""

    name: str
    """For people: a path, a camera's name. Never with user or password."""
    length: int | None
    """Frames it will yield, as far as that is known beforehand; a progress bar's total."""
    is_patient: bool
    """Whether nothing is lost when it is read slowly: a recording that is read and not played."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            SourceError: A picture or the stream cannot be read.
        """
        ...

    def close(self) -> None:
        """Let go of the device or file; iteration ends. Safe to call twice, and from any thread.

        Does not wait for a reader: a read that cannot be interrupted lets go when it returns.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class ClosingSource:
    """What all sources share: name and length, an event that says closed, and `with`."""

    def __init__(self, name: str, *, length: int | None = None) -> None:
        """Begin open.

        Args:
            name: See `FrameSource.name`.
            length: See `FrameSource.length`.
        """
        self.name = name
        self.length = length
        self.is_patient = False
        self.skipped: dict[Skip, int] = {"damaged": 0, "late": 0, "limited": 0}
        """Frames that were there and were not yielded, by reason."""
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._closed.set()
