"""What is arranged for a fault: an operation that has something to do in the store as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_recog.store.reading import MODEL, VERSIONS
from edge_recog_benchmarks.studies.store_faults import operations
from edge_recog_benchmarks.studies.store_faults.shim import Injection
from edge_recog_benchmarks.studies.store_faults.versions import (
    keep_some,
    need_candidate,
    new_model,
    other_version,
    spare_version,
)

if TYPE_CHECKING:
    import random

    from edge_recog_benchmarks.studies.store_faults.drawing import Operation
    from edge_recog_benchmarks.studies.store_faults.operations import Doing
    from edge_recog_benchmarks.studies.store_faults.stand import Stand

_REAL_EVERY: Final = 8
"""Of so many models that are tried, one is in a process of its own."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """An operation that does something."""

    do: Doing
    what: str
    """It does, for people."""


def arranged(stand: Stand, operation: Operation, chance: random.Random) -> Arranged:
    """Return an operation that does something, after having seen to it that it does."""
    keep_some(stand)
    is_real = chance.randrange(_REAL_EVERY) == 0
    match operation:
        case "install":
            model, signature = new_model(stand, chance)
            do = operations.install(model, signature, is_real=is_real)
            return Arranged(do, "installs a new model")
        case "install with eviction":
            spare_version(stand, chance)
            model, signature = new_model(stand, chance)
            tight = stand.state().used_bytes + len(model) + len(signature or b"") - 1
            do = operations.install(model, signature, quota_bytes=tight, is_real=is_real)
            return Arranged(do, "installs a model for which another one goes")
        case "install again":
            digest = other_version(stand, chance)
            model = (stand.root / VERSIONS / digest / MODEL).read_bytes()
            signature = chance.choice((None, chance.randbytes(300)))
            do = operations.install(model, signature, is_real=is_real)
            return Arranged(do, f"installs {digest[:12]} again")
        case "activate":
            digest = other_version(stand, chance)
            do = operations.activate(digest, is_real=is_real)
            return Arranged(do, f"activates {digest[:12]}")
        case "run" | "commit" | "fail":
            digest = need_candidate(stand, chance)
            does = {"run": operations.run, "commit": operations.commit, "fail": operations.fail}
            return Arranged(does[operation], f"{operation}: {digest[:12]}")
        case "roll back":
            return _rolling_back(stand, chance)
        case "pin":
            return _pinning(stand, chance)
        case "remove":
            digest = spare_version(stand, chance)
            return Arranged(operations.remove(digest), f"removes {digest[:12]}")
        case "recover":
            _leave_something(stand, chance)
            return Arranged(operations.tidy, "cleans up after one that was killed")


def _rolling_back(stand: Stand, chance: random.Random) -> Arranged:
    """Go back from a candidate, or from the active model if there is a previous one."""
    state = stand.state()
    if chance.random() < 0.5:
        need_candidate(stand, chance)
    elif state.candidate is not None or state.previous is None:
        need_candidate(stand, chance)
        stand.calm(operations.commit)
    return Arranged(operations.roll_back, "rolls back")


def _pinning(stand: Stand, chance: random.Random) -> Arranged:
    """Pin a version, or unpin one if there are enough that are."""
    state = stand.state()
    digest = chance.choice(state.oldest_first)
    pins = sum(version.pinned for version in state.versions.values())
    on = not state.versions[digest].pinned and pins < 2
    if not on:
        pinned = [one for one in state.oldest_first if state.versions[one].pinned]
        digest = chance.choice(pinned) if pinned else digest
    what = f"{'pins' if on else 'unpins'} {digest[:12]}"
    return Arranged(operations.pin(digest, on=on), what)


def _leave_something(stand: Stand, chance: random.Random) -> None:
    """Kill a process somewhere in the middle."""
    before: Operation = chance.choice(
        ("install", "install with eviction", "commit", "remove", "activate")
    )
    do = arranged(stand, before, chance).do
    step = chance.randrange(1, 1 + stand.rehearsed(do).seen.steps)
    stand.begin(do, Injection("kill-before", step)).wait()
