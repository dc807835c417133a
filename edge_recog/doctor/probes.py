"""Looking at a machine: files, commands and the clock, and nothing that changes it.

All facts come through a `Machine`, so that a folder with another machine's `/proc` and `/sys` can
be looked at in the place of `/`.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_COMMAND_TIMEOUT_S = 60.0


class Said(NamedTuple):
    """How a command ended."""

    code: int | None
    """Exit status; negative for the signal that killed it, None if it was not over in time."""
    out: str
    err: str


class Run(Protocol):
    """Runs a command that only looks; `run_command` is one."""

    def __call__(
        self,
        command: Sequence[str],
        *,
        given: str = "",
        environment: Mapping[str, str] | None = None,
        timeout_s: float = _COMMAND_TIMEOUT_S,
    ) -> Said | None:
        """Return how the command ended; None if there is no such program.

        Args:
            command: Program and arguments; no shell is involved.
            given: What it reads from its standard input.
            environment: Variables besides those of this process.
            timeout_s: It is killed after this time.
        """
        ...


def run_command(
    command: Sequence[str],
    *,
    given: str = "",
    environment: Mapping[str, str] | None = None,
    timeout_s: float = _COMMAND_TIMEOUT_S,
) -> Said | None:
    """See `Run`."""
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | (environment or {}),
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        return Said(None, "", "")
    return Said(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Machine:
    """A machine to look at; by default the one this runs on."""

    root: Path = Path("/")
    """Where its files are."""
    run: Run = run_command
    clock_s: Callable[[], float] = time.time
    """Seconds since 1970."""

    def path(self, name: str) -> Path:
        """Return where a file of the machine is.

        Args:
            name: Its path on the machine, as in `/proc/meminfo`.
        """
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str | None:
        """Return a small file's text without blanks around it; None if it cannot be read."""
        return read_text(self.path(name))

    def paths(self, pattern: str) -> list[Path]:
        """Return the files and folders that a pattern such as `/sys/class/hwmon/*` names."""
        return sorted(self.root.glob(pattern.lstrip("/")))

    def named(self, path: Path) -> str:
        """Return how the machine itself calls a path that `paths` found."""
        return f"/{path.relative_to(self.root)}"


def read_text(path: Path) -> str | None:
    """Return a small file's text without blanks and NUL around it; None if it cannot be read.

    The kernel's own files may refuse to be read although they are there: a sensor that is asleep.
    """
    try:
        return path.read_bytes().decode(errors="replace").strip("\0 \t\r\n")
    except OSError:
        return None


def read_number(path: Path, base: int = 10) -> int | None:
    """Return the whole number that a file consists of; None if it has none."""
    try:
        return int(read_text(path) or "", base)
    except ValueError:
        return None


def is_accessible(path: Path) -> bool:
    """Tell whether this user may read and write a device."""
    return os.access(path, os.R_OK | os.W_OK)
