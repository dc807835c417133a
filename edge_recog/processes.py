"""Other processes: which one holds a file, and how to start one of our own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PROC: Final = Path("/proc")


def module_command(name: str, *arguments: str) -> list[str]:
    """Return what runs a module of ours in another process, with `same_packages` around it.

    Without the folder in which that happens to start, where anything may be called like a package.
    """
    return [sys.executable, "-P", "-m", name, *arguments]


def same_packages() -> dict[str, str]:
    """Return the variables by which a child sees the packages that this process sees."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@dataclass(frozen=True)
class Holder:
    """A process that has something open."""

    pid: int
    command: str
    target: str
    """What it has open: `/dev/video0`, `socket:[4711]`."""

    def __str__(self) -> str:
        """Return e.g. `python3 (process 812)`."""
        return f"{self.command} (process {self.pid})"


@dataclass(frozen=True)
class Holders:
    """All that were found."""

    found: tuple[Holder, ...]
    hidden: int
    """Processes of other users, which could not be looked into."""


def read_holders(wanted: Callable[[str], bool], *, proc: Path = PROC) -> Holders:
    """Return the processes, this one apart, that have something open of which `wanted` is true.

    Args:
        wanted: Tells of what a descriptor leads to whether it is about that.
        proc: Where the kernel tells of processes.
    """
    found, hidden = [], 0
    for folder in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        if folder.name == str(os.getpid()):
            continue
        try:
            links = list((folder / "fd").iterdir())
            targets = sorted({_target(link) for link in links})
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue  # It has ended meanwhile.
        found += [Holder(int(folder.name), _command(folder), t) for t in targets if wanted(t)]
    return Holders(tuple(found), hidden)


def _command(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(errors="replace").strip("\0 \t\r\n") or "unknown"
    except OSError:
        return "unknown"


def _target(link: Path) -> str:
    """Return what a descriptor leads to; empty if it was closed meanwhile."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
