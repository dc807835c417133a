"""States of a store: those that were written, those that a fault may leave, what follows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.store import State, document, transitions
from edge_recog.store.reading import STATE
from edge_recog_benchmarks.studies.store_faults.operations import FRAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_recog_benchmarks.studies.store_faults.drawing import Fault


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be seen of a process that begins to classify."""

    model: str
    """That it runs."""
    on_trial: bool
    after: State
    """What it leaves."""


def decoded(files: Iterable[bytes]) -> list[State]:
    """Return what the state files say that are whole."""
    states = [document.decode(data) for data in files]
    return [state for state in states if state is not None]


def newest(states: Iterable[State]) -> State:
    """Return the one that counts; that of an empty store if there is none."""
    return max(states, key=lambda state: state.generation, default=State())


def written(trace: Iterable[str]) -> list[State]:
    """Return the states that were written, in their order.

    Args:
        trace: Lines of the library.
    """
    files: dict[str, bytearray] = {}
    found = []
    for line in trace:
        what, path, *rest = line.split("\t")
        if what == "create":
            files[path] = bytearray()
        elif what == "write":
            files[path] += bytes.fromhex(rest[1])
        elif what == "rename" and rest[0] == f"/{STATE}":
            found += decoded([bytes(files.get(path, b""))])
    return found


def comparable(state: State) -> Any:
    """Return what two runs of the same have in common."""
    values = msgspec.to_builtins(state)
    del values["generation"]
    for version in values["versions"].values():
        for name in ("installed_at", "runtime", "p50_ms", "memory_mb"):
            del version[name]
    return values


def allowed(fault: Fault, states: Sequence[State]) -> list[State]:
    """Return the states that a fault may leave.

    Args:
        fault: It happens at a step.
        states: That come one after the other without it; first the one before.
    """
    before, *later = states
    if fault.kind == "read error":
        # A candidate that cannot be read is withdrawn.
        later += [transitions.withdrawn(state) for state in states]
    if fault.operation == "commit" and fault.kind in {"disk full", "disk error", "read error"}:
        # It has proved itself, and that could not be kept; the next start does so.
        later += [_unkept(state) for state in later if state.candidate is not None]
    return [before, *later]


def next_start(state: State) -> Start:
    """Return what the next process does that begins to classify.

    Args:
        state: Without the versions that are damaged.
    """
    candidate = state.candidate
    if candidate is None:
        return Start(state.active, on_trial=False, after=state)
    digest = candidate.version
    if candidate.is_running:
        after = transitions.failed(state, digest, "died")
        return Start(state.active, on_trial=False, after=after)
    has_proved_itself = candidate.frames >= FRAMES
    after = transitions.committed(state, digest) if has_proved_itself else state
    return Start(digest, on_trial=True, after=after)


def _unkept(state: State) -> State:
    """Return what a candidate leaves that has proved itself and then ends in order."""
    healthy_s = (FRAMES - 1) / 10
    digest = str(state.nominee)
    return transitions.paused(state, digest, frames=FRAMES, healthy_s=healthy_s, ran_s=0.0)
