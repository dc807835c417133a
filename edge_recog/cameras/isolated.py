"""A source that is read in a process of its own, which can be killed with all that it holds.

A read that hangs in a driver or a library cannot be interrupted, and its thread keeps the device.
A process gives it back.

The child gets the source's text on stdin, where no other user can see it, and writes messages to
stdout: two lengths, a head in JSON, and the pixels of a frame. It ends when stdin does, so it does
not outlive its parent.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import subprocess
import threading
import time
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

import msgspec
import numpy as np

from edge_recog.cameras import open_source
from edge_recog.cameras.addresses import without_secrets
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.errors import EdgeRecogError, SourceError, UsageError
from edge_recog.frames import Frame
from edge_recog.processes import module_command, same_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN_TIMEOUT_S: Final = 10.0
_LENGTHS: Final = struct.Struct("<II")
"""Of head and pixels, in bytes."""
_ENDING_S: Final = 1.0
"""That a child gets to let go of its device before it leaves all the same."""


class _Opened(msgspec.Struct, frozen=True, tag="opened"):
    name: str
    length: int | None
    is_patient: bool


class _Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot be opened, or be read any further."""

    reason: str
    is_usage: bool = False


class _Picture(msgspec.Struct, frozen=True, tag="picture"):
    height: int
    width: int
    captured_ns: int
    index: int
    source: str


_Head: TypeAlias = _Opened | _Failed | _Picture
_decoder = msgspec.json.Decoder(_Head)


class IsolatedSource(ClosingSource):
    """The frames of another source, read by a child."""

    def __init__(self, where: str, *, open_timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """Open it.

        Args:
            where: See `open_source`.
            open_timeout_s: How long that may take, the child's start included.

        Raises:
            UsageError: There is no such source or option.
            SourceError: It cannot be opened.
        """
        super().__init__(without_secrets(where))
        self._process = subprocess.Popen(
            module_command(__name__),
            env=os.environ | same_packages(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._messages = self._process.stdin, self._process.stdout
        try:
            head = self._open(where, open_timeout_s)
        except BaseException:
            self.close()
            self._reap()
            raise
        self.name, self.length, self.is_patient = head.name, head.length, head.is_patient

    def __iter__(self) -> Iterator[Frame]:
        try:
            while (message := self._next()) is not None:
                head, pixels = message
                if isinstance(head, _Failed):
                    raise SourceError(head.reason)
                if isinstance(head, _Picture):
                    shaped = np.frombuffer(pixels, np.uint8).reshape(head.height, head.width, 3)
                    yield Frame(shaped, head.captured_ns, head.index, head.source)
        finally:
            self.close()
            self._reap()

    def close(self) -> None:
        """See `FrameSource.close`; the child is killed."""
        super().close()
        self._process.kill()

    def _open(self, where: str, timeout_s: float) -> _Opened:
        try:
            self._stdin.write(msgspec.json.encode(where) + b"\n")
            self._stdin.flush()
        except OSError as error:
            raise SourceError(f"{self.name}: the process that reads it has died") from error
        ready, _, _ = select.select([self._messages], [], [], timeout_s)
        if not ready:
            raise SourceError(f"{self.name}: it did not open within {timeout_s:g} s")
        message = self._next()
        if message is None:
            raise SourceError(f"{self.name}: the process that reads it has died")
        head, _ = message
        if isinstance(head, _Failed):
            raise UsageError(head.reason) if head.is_usage else SourceError(head.reason)
        assert isinstance(head, _Opened)
        return head

    def _next(self) -> tuple[_Head, bytes] | None:
        """Return the next message; None at the end.

        Raises:
            SourceError: The child died before the end, and nobody had asked for that.
        """
        lengths = self._messages.read(_LENGTHS.size)
        if len(lengths) == _LENGTHS.size:
            head, pixels = _LENGTHS.unpack(lengths)
            text, body = self._messages.read(head), self._messages.read(pixels)
            if (len(text), len(body)) == (head, pixels):
                return _decoder.decode(text), body
        if self._closed.is_set():
            return None
        code = self._process.wait()
        if code != 0:
            raise SourceError(f"{self.name}: the process that reads it has died (exit {code})")
        return None

    def _reap(self) -> None:
        self._process.wait()
        self._stdin.close()
        self._messages.close()


def main() -> None:
    """Be the child; end without a word if the parent is gone."""
    with contextlib.suppress(BrokenPipeError):
        _read_for_parent()


def _read_for_parent() -> None:
    # Libraries that print would tear the messages: what they print goes to stderr.
    # Without a buffer, which a waiting thread would hold while Python ends.
    with os.fdopen(os.dup(1), "wb") as messages, os.fdopen(os.dup(0), "rb", 0) as orders:
        os.dup2(2, 1)
        where = msgspec.json.decode(orders.readline(), type=str)
        try:
            source = open_source(where)
        except EdgeRecogError as error:
            _send(messages, _Failed(str(error), isinstance(error, UsageError)))
            return

        def leave_with_parent() -> None:
            os.read(0, 1)
            source.close()
            time.sleep(_ENDING_S)
            os._exit(0)

        threading.Thread(target=leave_with_parent, daemon=True).start()
        _send(messages, _Opened(source.name, source.length, source.is_patient))
        try:
            with source:
                for frame in source:
                    head = _Picture(
                        frame.height, frame.width, frame.captured_ns, frame.index, frame.source
                    )
                    _send(messages, head, np.ascontiguousarray(frame.pixels).data)
        except EdgeRecogError as error:
            _send(messages, _Failed(str(error)))


def _send(messages: BinaryIO, head: _Head, pixels: memoryview | bytes = b"") -> None:
    text = msgspec.json.encode(head)
    size = pixels.nbytes if isinstance(pixels, memoryview) else len(pixels)
    messages.write(_LENGTHS.pack(len(text), size) + text)
    messages.write(pixels)
    messages.flush()


if __name__ == "__main__":
    main()
