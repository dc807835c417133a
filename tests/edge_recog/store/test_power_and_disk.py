"""The process dies, or the disk fails, at every single call that changes a file."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.store import (
    BUILT_IN,
    Store,
    StoreError,
    StoreRules,
    TrialRules,
    TwinFile,
    writing,
)
from edge_recog.store.folder import Folder
from edge_recog.store.reading import read_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.store import State

MOST_STEPS = 120


def settle(store: Store, model: Any) -> None:
    """Make a model the active one."""
    store.install(model.data, where="m")
    trial = store.trial(TrialRules(frames=1))
    trial.started(0)
    trial.answered(1)
    ended = trial.tick(1)
    assert ended is not None
    assert ended.how == "committed"


def essence(state: State) -> Any:
    """Return what matters of a state."""
    candidate = state.candidate and (state.candidate.version, state.candidate.is_running)
    failures = {name: trouble.failures for name, trouble in state.troubles.items()}
    pins = {name for name, version in state.versions.items() if version.pinned}
    return (state.active, state.previous, candidate, set(state.versions), failures, pins)


def install(store: Store, models: Any) -> None:
    store.install(models["new"].data, b"signature", where="new")


def install_twins(store: Store, models: Any) -> None:
    twin = TwinFile(models["pair"].compiled, "pair_edgetpu", b"signature")
    store.install(models["pair"].model, b"signature", where="pair", twin=twin)


def sign_twins_again(store: Store, models: Any) -> None:
    pair = models["kept pair"]
    twin = TwinFile(pair.compiled, "pair_edgetpu", b"another signature")
    store.install(pair.model, b"another signature", where="pair", twin=twin, nominate=False)


def install_again(store: Store, models: Any) -> None:
    store.install(models["first"].data, b"another signature", where="first")


def evict(store: Store, models: Any) -> None:
    size_bytes = store.state().used_bytes + 10
    small = Store(store.root, rules=StoreRules(quota_mb=size_bytes / 1e6), tryout=store._tryout)
    small.install(models["new"].data, where="new")


def activate(store: Store, models: Any) -> None:
    store.activate(models["spare"].digest)


def try_and_commit(store: Store, models: Any) -> None:
    trial = store.trial(TrialRules(frames=1))
    assert trial.started(0).on_trial
    trial.answered(1)
    trial.tick(1)
    trial.stopped(2)


def try_and_fail(store: Store, models: Any) -> None:
    trial = store.trial()
    assert trial.started(0).on_trial
    trial.unhealthy("it crashed")
    trial.tick(1)
    assert not trial.started(1).on_trial
    trial.stopped(2)


def try_and_stop(store: Store, models: Any) -> None:
    trial = store.trial()
    trial.started(0)
    trial.stopped(2)


def roll_back(store: Store, models: Any) -> None:
    store.roll_back()


def remove(store: Store, models: Any) -> None:
    store.remove(models["spare"].digest)


def pin(store: Store, models: Any) -> None:
    store.pin(models["spare"].digest)


OPERATIONS: list[Callable[[Store, Any], None]] = [
    install,
    install_twins,
    sign_twins_again,
    install_again,
    evict,
    activate,
    try_and_commit,
    try_and_fail,
    try_and_stop,
    roll_back,
    remove,
    pin,
]
NEED_CANDIDATE = (try_and_commit, try_and_fail, try_and_stop)


@pytest.fixture
def models(model_of: Callable[[str], Any], pair_of: Callable[..., Any]) -> dict[str, Any]:
    alone = {name: model_of(name) for name in ("first", "second", "spare", "new")}
    return alone | {"pair": pair_of("pair"), "kept pair": pair_of("kept pair")}


@pytest.fixture
def arranged(
    tmp_path: Path, models: dict[str, Any], open_store: Callable[..., Store]
) -> Callable[[Callable[[Store, Any], None]], Store]:
    """Return what makes the store anew in which an operation has something to do."""
    template = tmp_path / "template"

    def arrange(operation: Callable[[Store, Any], None]) -> Store:
        store = open_store()
        shutil.rmtree(store.root, ignore_errors=True)
        if not template.exists():
            settle(store, models["first"])
            settle(store, models["second"])
            store.install(models["spare"].data, where="spare", nominate=operation in NEED_CANDIDATE)
            if operation is sign_twins_again:
                twin = TwinFile(models["kept pair"].compiled, "pair_edgetpu", b"signature")
                pair = models["kept pair"].model
                store.install(pair, b"signature", where="pair", nominate=False, twin=twin)
            store.root.rename(template)
        shutil.copytree(template, store.root)
        return store

    return arrange


def states_of(
    operation: Callable[[Store, Any], None],
    store: Store,
    models: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Any]:
    """Return all states that an operation goes through."""
    found = [essence(store.state())]
    write = writing.Writer._write

    def noting(self: writing.Writer, state: State) -> None:
        write(self, state)
        found.append(essence(state))

    with monkeypatch.context() as patch:
        patch.setattr(writing.Writer, "_write", noting)
        operation(store, models)
    return found


def require_sound(store: Store, known: list[Any], leftovers: Callable[[Store], list[str]]) -> None:
    """Open the store as a new process does, and look whether all is as it should be."""
    state = store.state()
    assert essence(state) in known
    chosen = store.chosen()
    assert chosen.model == state.active
    assert chosen.model == BUILT_IN or chosen.bundle.id == f"sha256:{chosen.model}"
    assert chosen.notes == ()
    trial = store.trial()
    started = trial.started(0)
    candidate = state.candidate
    if candidate is None or candidate.is_running:
        assert (started.model, started.on_trial) == (state.active, False)
    else:
        assert (started.model, started.on_trial) == (candidate.version, True)
    if candidate is not None and candidate.is_running:
        assert store.state().troubles[candidate.version].failures == 1
    trial.stopped(1)
    assert leftovers(store) == []
    with Folder(store.root) as folder:
        for digest in store.state().versions:
            read_files(folder, digest)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__)
def test_a_process_that_dies_at_any_step_leaves_one_active_model(
    operation: Callable[[Store, Any], None],
    arranged: Callable[..., Store],
    models: dict[str, Any],
    open_store: Callable[..., Store],
    failing: Callable[..., Any],
    leftovers: Callable[[Store], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = states_of(operation, arranged(operation), models, monkeypatch)
    for step in range(1, MOST_STEPS):
        store = arranged(operation)
        disk = failing(step)
        try:
            operation(store, models)
        except BaseException as error:
            # By its name: what this module imports of conftest would be another class.
            if type(error).__name__ != "Killed":
                raise
        else:
            assert disk.steps < step
            break
        finally:
            failing()
        require_sound(open_store(), known, leftovers)
    assert 5 < step < MOST_STEPS - 1


@pytest.mark.parametrize(
    ("number", "sticky"), [(errno.ENOSPC, True), (errno.EIO, False)], ids=["full", "broken-once"]
)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__)
def test_a_disk_that_fails_at_any_step_leaves_one_active_model(
    operation: Callable[[Store, Any], None],
    number: int,
    sticky: bool,
    arranged: Callable[..., Store],
    models: dict[str, Any],
    open_store: Callable[..., Store],
    failing: Callable[..., Any],
    leftovers: Callable[[Store], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = states_of(operation, arranged(operation), models, monkeypatch)
    refusals: list[str] = []
    for step in range(1, MOST_STEPS):
        store = arranged(operation)
        disk = failing(step, number, sticky=sticky)
        try:
            operation(store, models)
        except StoreError as error:
            refusals.append(str(error))
        except AssertionError:
            # It begins with what is on trial, which could not be written down.
            assert operation in NEED_CANDIDATE
        finally:
            failing()
        if disk.steps < step:
            break
        require_sound(open_store(), known, leftovers)
    assert 5 < step < MOST_STEPS - 1
    assert all(str(store.root) in refusal for refusal in refusals)
    assert refusals or operation in NEED_CANDIDATE
