"""The library that does faults within a process; see native.c."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from edge_recog.errors import UsageError
from edge_recog_benchmarks.studies.native import build_library

_NATIVE: Final = Path(__file__).with_name("native.c")

Action = Literal[
    "nothing", "kill-before", "kill-within", "kill-after", "fail", "fail-after", "fail-read"
]
_ACTIONS: Final[dict[str, int]] = {
    "nothing": 0,
    "kill-before": 1,
    "kill-within": 2,
    "kill-after": 3,
    "fail": 4,
    "fail-after": 5,
    "fail-read": 6,
}


@dataclass(frozen=True, slots=True)
class Injection:
    """What is to happen in a process, and when."""

    action: Action = "nothing"
    step: int = 0
    """From 1; of the calls that read, if it is one of them that fails."""
    error: int = 0
    """`errno` of what fails."""
    is_sticky: bool = False
    """Whether all later ones fail as well."""
    clock_offset_s: float = 0.0
    """By which the time of day is wrong."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the library saw."""

    steps: int
    reads: int
    has_happened: bool


def build_native(folder: Path) -> Path:
    """Return the library, built here.

    Raises:
        UsageError: There is no gcc, or it fails.
    """
    return build_library(_NATIVE, folder / "libstorefaults.so")


class Shim:
    """The library as it is preloaded into this process."""

    def __init__(self) -> None:
        """Find it.

        Raises:
            UsageError: It is not preloaded.
        """
        preloaded = os.environ.get("LD_PRELOAD", "")
        try:
            self._library = ctypes.CDLL(preloaded)
            self._arm = self._library.store_faults_arm
        except (AttributeError, OSError) as error:
            raise UsageError("this process runs without the library that does faults") from error
        self._disarm = self._library.store_faults_disarm
        self._clock = self._library.store_faults_clock
        self._clock.argtypes = [ctypes.c_int64]

    def arm(self, root: Path, injection: Injection, *, trace: Path | None = None) -> None:
        """Have it happen below a folder.

        Args:
            root: Without links in its path.
            injection: What is to happen.
            trace: Takes what the process does there.
        """
        self._clock(round(injection.clock_offset_s * 1e9))
        self._arm(
            os.fsencode(root),
            _ACTIONS[injection.action],
            injection.step,
            injection.error,
            int(injection.is_sticky),
            None if trace is None else os.fsencode(trace),
        )

    def disarm(self) -> Seen:
        """Have nothing happen any more, and return what was seen."""
        happened, reads = ctypes.c_int(), ctypes.c_int()
        steps = self._disarm(ctypes.byref(happened), ctypes.byref(reads))
        self._clock(0)
        return Seen(steps, reads.value, bool(happened.value))
