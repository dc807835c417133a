"""Which process holds a file, as far as this user may see."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.doctor.probes import read_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.doctor.probes import Machine


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


def read_holders(machine: Machine, wanted: Callable[[str], bool]) -> Holders:
    """Return the processes, this one apart, that have something open of which `wanted` is true."""
    found, hidden = [], 0
    for folder in machine.paths("/proc/[0-9]*"):
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
        command = read_text(folder / "comm") or "unknown"
        found += [Holder(int(folder.name), command, t) for t in targets if wanted(t)]
    return Holders(tuple(found), hidden)


def _target(link: Path) -> str:
    """Return what a descriptor leads to; empty if it was closed meanwhile."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
