"""What a source of frames is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from edge_recog.frames import Frame


@runtime_checkable
class FrameSource(Protocol):
    """Yields frames until it ends or is closed. One reader at a time."""

    name: str
    """For people: a path, a camera's name."""
    length: int | None
    """Frames it will yield, as far as that is known beforehand; a progress bar's total."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            SourceError: A picture or the stream cannot be read.
        """
        ...

    def close(self) -> None:
        """Let go of the device or file; iteration ends. Safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def refuse_options(where: str, options: Mapping[str, str]) -> None:
    """Refuse options where there are none.

    Raises:
        UsageError: There is one; the message names it.
    """
    if options:
        raise UsageError(f"{where}: it has no options, so {min(options)!r} cannot be set")


class ClosingSource:
    """The half of a source that all share: `with` closes it."""

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
