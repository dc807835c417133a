"""Doing something in a child process that may be killed, and hearing what came of it."""

from __future__ import annotations

import os
import signal
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.studies.store_faults.shim import Injection, Seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_benchmarks.studies.store_faults.shim import Shim

_LIMIT_S: Final = 120
_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of it."""

    signal: int
    """That ended it; 0 if it ended by itself."""
    value: Any
    """What was returned; None if nothing was."""
    error: str
    """Why it was not done, for people; empty if it was, or nobody knows."""
    is_crash: bool
    """Whether `error` is one that nobody foresaw."""
    seen: Seen | None
    """None if it was killed."""


class Child:
    """One child process."""

    def __init__(
        self,
        do: Callable[[], Any],
        *,
        shim: Shim,
        root: Path,
        injection: Injection | None = None,
        trace: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            do: Returns what JSON can tell.
            shim: Does the faults.
            root: Where they happen.
            injection: What is to happen; nothing if None.
            trace: Takes what is done there.
        """
        reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reading)
            _be_child(do, shim, root, injection or Injection(), trace, writing)
        os.close(writing)
        self._reading = reading

    def wait(self) -> Heard:
        """Return what came of it, when it has ended."""
        chunks = []
        while chunk := os.read(self._reading, _CHUNK):
            chunks.append(chunk)
        os.close(self._reading)
        _, status = os.waitpid(self._pid, 0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if not chunks:
            return Heard(number, None, "", is_crash=number not in {0, signal.SIGKILL}, seen=None)
        document = msgspec.json.decode(b"".join(chunks))
        seen = Seen(**document["seen"])
        return Heard(number, document["value"], document["error"], document["is_crash"], seen)


def _be_child(
    do: Callable[[], Any],
    shim: Shim,
    root: Path,
    injection: Injection,
    trace: Path | None,
    writing: int,
) -> None:
    value, error, is_crash = None, "", False
    signal.alarm(_LIMIT_S)
    try:
        shim.arm(root, injection, trace=trace)
        value = do()
    except EdgeRecogError as known:
        error = str(known)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told.
        error, is_crash = traceback.format_exc(), True
    seen = shim.disarm()
    document = {
        "value": value,
        "error": error,
        "is_crash": is_crash,
        "seen": {
            "steps": seen.steps,
            "reads": seen.reads,
            "has_happened": seen.has_happened,
        },
    }
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(msgspec.json.encode(document))
    os._exit(0)
