"""What processes do to a store: each a function of its folder, to be run in a child."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog.errors import EdgeRecogError
from edge_recog.store import Store, StoreRules, TrialRules
from edge_recog.store.tryout import try_on_device
from edge_recog_benchmarks.studies.store_faults.models import run_once, try_here

if TYPE_CHECKING:
    from edge_recog.bundle import Bundle

Doing = Callable[[Path], Any]
"""What is done to the store in a folder; returns what JSON can tell."""
FRAMES: Final = 10
"""After which a candidate has proved itself."""
_RULES: Final = TrialRules(frames=FRAMES)
_WAIT_S: Final = 60.0


def open_store(root: Path, *, quota_bytes: int = 10**9, is_real: bool = False) -> Store:
    """Return the store in a folder.

    Args:
        root: The folder.
        quota_bytes: For all models.
        is_real: Whether models are tried in a process of their own, as they always are outside of
            this study; else in the child, which is quicker.
    """
    rules = StoreRules(quota_mb=quota_bytes / 1e6)
    return Store(root, rules=rules, tryout=try_on_device if is_real else try_here, wait_s=_WAIT_S)


def install(
    model: bytes,
    signature: bytes | None = None,
    *,
    quota_bytes: int = 10**9,
    nominate: bool = True,
    is_real: bool = False,
) -> Doing:
    """Return what installs a model."""

    def do(root: Path) -> Any:
        store = open_store(root, quota_bytes=quota_bytes, is_real=is_real)
        return store.install(model, signature, where="model.tflite", nominate=nominate)

    return do


def activate(digest: str, *, is_real: bool = False) -> Doing:
    """Return what activates a version."""
    return lambda root: open_store(root, is_real=is_real).activate(digest)


def run(root: Path) -> Any:
    """Be a process that classifies for a moment and ends in order."""
    return _classify(root, frames=3)


def commit(root: Path) -> Any:
    """Be a process that classifies until the candidate has proved itself, and ends in order."""
    return _classify(root, frames=FRAMES)


def fail(root: Path) -> Any:
    """Be a process in which the candidate fails, and that goes on with another model."""
    return _classify(root, frames=2, failure="the interpreter failed")


def die(root: Path) -> Any:
    """Be a process that begins, classifies a little, and then does not end in order."""
    trial = open_store(root).trial(_RULES)
    chosen, _ = trial.load(_loaded)
    trial.answered(1, 2)
    return {"model": chosen.model, "on_trial": chosen.on_trial}


def roll_back(root: Path) -> Any:
    """Go back to the previous model, or withdraw the candidate."""
    open_store(root).roll_back()


def pin(digest: str, *, on: bool) -> Doing:
    """Return what pins a version, or unpins it."""
    return lambda root: open_store(root).pin(digest, on=on)


def remove(digest: str) -> Doing:
    """Return what removes a version."""
    return lambda root: open_store(root).remove(digest)


def tidy(root: Path) -> Any:
    """Clean up after others."""
    return list(open_store(root).tidy())


def look(root: Path) -> Any:
    """Open the store without changing it, and run what is active."""
    store = open_store(root)
    chosen = store.chosen()
    run_once(chosen.bundle)
    try:
        state = msgspec.to_builtins(store.state())
    except EdgeRecogError:
        state = None
    return {
        "model": chosen.model,
        "id": chosen.bundle.id,
        "notes": list(chosen.notes),
        "state": state,
    }


def start(root: Path) -> Any:
    """Be a process that begins to classify and ends in order at once."""
    return _classify(root, frames=0)


def verify_files(root: Path) -> Any:
    """Return what is wrong with the files of which versions."""
    verdicts = open_store(root).verify(run=False)
    return {verdict.digest: verdict.problem for verdict in verdicts if verdict.problem}


def _classify(root: Path, *, frames: int, failure: str = "") -> Any:
    store = open_store(root)
    trial = store.trial(_RULES)
    chosen, _ = trial.load(_loaded)
    for frame in range(frames):
        trial.answered(frame * 10**8)
    if failure:
        trial.unhealthy(failure)
    ended = trial.tick(frames * 10**8)
    last = chosen
    if ended is not None and ended.how != "committed":
        last, _ = trial.load(_loaded)
    trial.stopped((frames + 1) * 10**8)
    return {
        "model": chosen.model,
        "on_trial": chosen.on_trial,
        "notes": list(chosen.notes),
        "ended": None if ended is None else ended.how,
        "last": last.model,
    }


def _loaded(bundle: Bundle) -> str:
    run_once(bundle)
    return bundle.id
