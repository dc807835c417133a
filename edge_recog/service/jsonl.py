"""Answers as JSON Lines, to stdout or into a file that is renamed when it is full."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec

from edge_recog.service.sinks import (
    KINDS,
    Kind,
    SinkError,
    documents_of,
    encoded,
    vanished_documents,
)
from edge_recog.wire import status_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.answers import Answer, Vanished
    from edge_recog.supervision import Status

_STDOUT = 1
# Without waiting for the other end of what turns out to be a pipe.
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_LONGEST_TAIL = 1 << 20
_BEGINNING = b'{"schema":'


class JsonlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where lines of JSON go."""

    path: Annotated[str, msgspec.Meta(min_length=1)] = "-"
    """`-` for stdout. A file is appended to; its folder must be there."""
    max_size_mb: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 10.0
    """Size at which the file is renamed and a new one begun; 1 MB is 1,000,000 bytes."""
    keep: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 3
    """Full files that stay: `path.1` is the newest of them."""
    kinds: tuple[Kind, ...] = KINDS
    """What is written."""


class JsonlSink:
    """Writes one document a line, each in one piece and at once."""

    name = "jsonl"

    def __init__(self, settings: JsonlSettings, *, name_of: Callable[[str], str]) -> None:
        """Open the file.

        Args:
            settings: Where to.
            name_of: From a model's id to its name.

        Raises:
            SinkError: The file cannot be opened.
        """
        self._kinds = frozenset(settings.kinds)
        self._name_of = name_of
        self._lines: _Lines = (
            StreamLines(_STDOUT)
            if settings.path == "-"
            else RotatedLines(
                Path(settings.path),
                max_bytes=int(settings.max_size_mb * 1_000_000),
                keep=settings.keep,
            )
        )

    def answer(self, answer: Answer) -> None:
        """Write what is wanted of an answer.

        Raises:
            SinkError: A line could not be written; none of it is left in the file.
        """
        for document in documents_of(answer, self._kinds, self._name_of):
            self._lines.write(encoded(document) + b"\n")

    def vanished(self, vanished: Vanished) -> None:
        """Write events that no frame brought; raises like `answer`."""
        if "event" in self._kinds:
            for document in vanished_documents(vanished):
                self._lines.write(encoded(document) + b"\n")

    def status(self, status: Status) -> None:
        """Write a change of state; raises like `answer`."""
        if "status" in self._kinds:
            self._lines.write(encoded(status_document(status)) + b"\n")

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._lines.close()


class _Lines(Protocol):
    def write(self, line: bytes) -> None: ...

    def close(self) -> None: ...


class StreamLines:
    """Lines to a descriptor that is somebody else's: a pipe, a terminal."""

    def __init__(self, descriptor: int) -> None:
        """Begin.

        Args:
            descriptor: Not closed here.
        """
        self._descriptor = descriptor
        self._is_torn = False

    def write(self, line: bytes) -> None:
        """Write a line, which ends with a line feed; wait for a reader that is slow.

        Raises:
            SinkError: Nobody reads, or the disk behind it is full.
        """
        # A line that broke off cannot be taken back from a pipe, only ended.
        rest = memoryview(b"\n" + line if self._is_torn else line)
        whole = len(rest)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    # Somebody set it so; a terminal is shared with whoever else has it open.
                    select.select([], [self._descriptor], [])
        except OSError as error:
            self._is_torn = self._is_torn or len(rest) < whole
            raise SinkError(f"stdout: cannot be written: {error.strerror or error}") from error
        self._is_torn = False

    def close(self) -> None:
        """Nothing is held here."""


class RotatedLines:
    """Lines at the end of a file."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        """Open the file, and end or take away a line that broke off when power was lost.

        Args:
            path: Of the file.
            max_bytes: Size that is not exceeded, unless by a single line.
            keep: Full files that stay, at least 0.

        Raises:
            SinkError: It cannot be opened.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor: int | None = None
        self._is_open = True
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise self._located(error) from error

    def write(self, line: bytes) -> None:
        """Write a line, which ends with a line feed, whole or not at all.

        Raises:
            SinkError: The disk is full, or the file cannot be written or renamed.
        """
        if not self._is_open:
            raise SinkError(f"{self._path}: closed already")
        try:
            descriptor, size = self._ready(len(line))
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            except OSError:
                self._take_back(descriptor, size)
                raise
        except OSError as error:
            raise self._located(error) from error

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._is_open = False
        self._let_go()

    def _take_back(self, descriptor: int, size: int) -> None:
        try:
            os.ftruncate(descriptor, size)
        except OSError:
            # The rest of the line is taken away when the file is opened again.
            self._let_go()

    def _ready(self, more: int) -> tuple[int, int]:
        """Return the descriptor and size of a file with room for so many bytes."""
        if self._descriptor is None:
            self._descriptor = self._open()
        found = os.fstat(self._descriptor)
        if found.st_nlink == 0 or (found.st_size and found.st_size + more > self._max_bytes):
            self._let_go()
            if found.st_nlink:
                self._rename()
            self._descriptor = self._open()
            found = os.fstat(self._descriptor)
        return self._descriptor, found.st_size

    def _open(self) -> int:
        descriptor = os.open(self._path, _FLAGS, 0o640)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("it is no file; for a pipe, write to stdout: -")
            _end_last_line(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _rename(self) -> None:
        names = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, self._keep + 1))]
        if self._keep == 0:
            self._path.unlink(missing_ok=True)
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                newer.replace(older)

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _located(self, error: OSError) -> SinkError:
        reason = error.strerror or str(error)
        return SinkError(
            f"{self._path}: cannot be written: {reason}; make room, or let jsonl.path name a "
            "file in a folder that this user may write to"
        )


def _end_last_line(descriptor: int) -> None:
    """See to it that a file's end is the end of a line.

    What a line of ours left when it broke off is taken away; any other text is ended.
    """
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LONGEST_TAIL)
    tail = os.pread(descriptor, size - start, start)
    last = tail.rfind(b"\n") + 1
    torn = tail[last:]
    if not torn:
        return
    is_ours = torn.startswith(_BEGINNING) or _BEGINNING.startswith(torn)
    if is_ours and (last or start == 0):
        os.ftruncate(descriptor, start + last)
    else:
        os.write(descriptor, b"\n")
