"""Running a program with limits: on time, and on how much it may say."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHUNK = 65_536
_OUT_AFTERWARDS_S = 10.0
_ERR_AFTERWARDS_S = 0.5
"""What is left is read at once when a program ends, unless another holds the pipe: what ssh starts
to go through another host keeps its stderr."""


class Spoken(NamedTuple):
    """How a program ended, and what it said."""

    code: int
    """Exit status; negative for the signal that killed it."""
    out: bytes
    err: str
    overdue: bool
    """It was killed since it was not over in time."""
    too_long: bool
    """It was killed since it said too much."""


def talk(
    command: Sequence[str],
    *,
    given: bytes | IO[bytes],
    timeout_s: float,
    most_bytes: int,
    environment: Mapping[str, str],
) -> Spoken:
    """Run a program.

    Args:
        command: Program and arguments; no shell is involved.
        given: What it reads, or an open file that it reads by itself.
        timeout_s: It is killed after this time.
        most_bytes: It is killed when it says more, on stdout or stderr.
        environment: All its variables.

    Raises:
        FileNotFoundError: There is no such program.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE if isinstance(given, bytes) else given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        return _attend(process, given, timeout_s, most_bytes)


def _attend(
    process: subprocess.Popen[bytes], given: bytes | IO[bytes], timeout_s: float, most_bytes: int
) -> Spoken:
    assert process.stdout is not None
    assert process.stderr is not None
    # Own descriptors, since a pipe that others hold outlives the process.
    out = _Listener(os.dup(process.stdout.fileno()), most_bytes, process)
    err = _Listener(os.dup(process.stderr.fileno()), most_bytes, process)
    if isinstance(given, bytes):
        assert process.stdin is not None
        pipe = os.dup(process.stdin.fileno())
        process.stdin.close()
        threading.Thread(target=_write, args=(pipe, given), daemon=True).start()
    overdue = False
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        overdue = True
    finally:
        process.kill()
        process.wait()
    out.join(_OUT_AFTERWARDS_S)
    err.join(_ERR_AFTERWARDS_S)
    said = err.heard.decode(errors="replace")
    return Spoken(process.returncode, out.heard, said, overdue, out.too_long or err.too_long)


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(pipe, view[:_CHUNK]) :]
    except OSError:
        pass  # It has ended before it has read all; how is told by its status.
    finally:
        os.close(pipe)


class _Listener(threading.Thread):
    """Reads a pipe to its end, or up to a limit."""

    def __init__(self, descriptor: int, most_bytes: int, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._most = most_bytes
        self._process = process
        self._chunks: list[bytes] = []
        self.too_long = False
        self.start()

    def run(self) -> None:
        size = 0
        try:
            while chunk := os.read(self._descriptor, _CHUNK):
                size += len(chunk)
                if size > self._most:
                    self.too_long = True
                    self._process.kill()
                    return
                self._chunks.append(chunk)
        finally:
            os.close(self._descriptor)

    @property
    def heard(self) -> bytes:
        return b"".join(self._chunks)
