"""A candidate at work, from the start of its process to the end of its trial."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.errors import InterpreterError
from edge_recog.processes import same_packages
from edge_recog.store import BUILT_IN, BadVersionError, Store, TrialRules
from edge_recog.store.rules import MOST_FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.bundle import Bundle

SECOND = 10**9
RULES = TrialRules(frames=10)


@pytest.fixture
def candidate(store: Store, model_of: Callable[[str], Any]) -> str:
    """Install a model, and return its digest."""
    return store.install(model_of("a").data, where="a")


def name_of(bundle: Bundle) -> str:
    return bundle.name


def test_a_start_with_a_candidate_is_written_down_before_it_is_loaded(
    store: Store, candidate: str
) -> None:
    trial = store.trial(RULES)
    seen = []
    chosen, name = trial.load(lambda bundle: (seen.append(store.state().candidate), bundle.name)[1])

    assert (chosen.model, chosen.on_trial, name) == (candidate, True, "a")
    assert seen[0].is_running
    assert seen[0].starts == 1


def test_enough_answers_commit_it(store: Store, candidate: str) -> None:
    trial = store.trial(RULES)
    trial.load(name_of)
    trial.answered(0, 9)
    assert trial.tick(0) is None
    trial.answered(SECOND)
    ended = trial.tick(SECOND)

    assert ended is not None
    assert (ended.how, ended.digest) == ("committed", candidate)
    assert (store.state().active, store.state().previous) == (candidate, BUILT_IN)
    assert trial.tick(2 * SECOND) is None
    assert trial.candidate is None
    assert store.trial().started(0).model == candidate


def test_a_failure_brings_the_active_model_back(store: Store, candidate: str) -> None:
    trial = store.trial(RULES)
    trial.load(name_of)
    trial.unhealthy("the interpreter failed")
    ended = trial.tick(SECOND)

    assert ended is not None
    assert (ended.how, ended.reason) == ("rolled-back", "the interpreter failed")
    chosen, _ = trial.load(name_of)
    assert (chosen.model, chosen.on_trial) == (BUILT_IN, False)
    assert store.state().troubles[candidate].failures == 1


def test_a_model_that_is_loaded_anew_after_it_failed_is_the_active_one(
    store: Store, candidate: str
) -> None:
    trial = store.trial(RULES)
    trial.load(name_of)
    trial.unhealthy("it hangs")
    chosen, _ = trial.load(name_of)

    assert chosen.model == BUILT_IN
    assert store.state().troubles[candidate].reason == "it hangs"


def test_a_candidate_that_cannot_be_loaded_has_failed(store: Store, candidate: str) -> None:
    def load(bundle: Bundle) -> str:
        if bundle.name == "a":
            raise InterpreterError("no such operation")
        return bundle.name

    chosen, name = store.trial(RULES).load(load)

    assert (chosen.model, chosen.on_trial) == (BUILT_IN, False)
    assert name != "a"
    assert "no such operation" in store.state().troubles[candidate].reason


def test_a_process_that_dies_has_failed_at_the_next_start(
    store: Store, candidate: str, tmp_path: Path
) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from edge_recog.store import Store\n"
        "chosen = Store(Path(sys.argv[1])).trial().started(0)\n"
        "assert chosen.on_trial, chosen.notes\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for failures in range(1, MOST_FAILURES + 1):
        died = subprocess.run(
            [sys.executable, "-c", code, str(store.root)],
            env=same_packages(),
            check=False,
            timeout=60,
        )
        assert died.returncode == -9
        started = store.trial().started(0)
        assert (started.model, started.on_trial) == (BUILT_IN, False)
        assert "died while it was on trial" in started.notes[0]
        assert store.state().troubles[candidate].failures == failures
        if failures < MOST_FAILURES:
            store.activate("a")
    with pytest.raises(BadVersionError, match="failed 3 times in a row"):
        store.activate("a")
    store.activate("a", even_if_bad=True)
    assert store.state().nominee == candidate


def test_an_orderly_end_is_no_failure_and_loses_nothing(store: Store, candidate: str) -> None:
    first = store.trial(RULES)
    first.load(name_of)
    first.answered(SECOND, 4)
    first.answered(3 * SECOND, 5)
    first.stopped(4 * SECOND)
    first.stopped(4 * SECOND)
    kept = store.state().candidate
    assert kept is not None
    assert (kept.is_running, kept.frames, kept.healthy_s, kept.starts) == (False, 9, 2.0, 1)

    second = store.trial(RULES)
    assert second.started(0).on_trial
    second.answered(0)
    ended = second.tick(0)
    assert ended is not None
    assert ended.how == "committed"


def test_loading_anew_in_the_same_process_is_no_second_start(store: Store, candidate: str) -> None:
    trial = store.trial(RULES)
    trial.load(name_of)
    trial.answered(0, 9)
    chosen, _ = trial.load(name_of)
    trial.answered(0, 1)

    assert chosen.on_trial
    kept = store.state().candidate
    assert kept is not None
    assert kept.starts == 1
    ended = trial.tick(0)
    assert ended is not None
    assert ended.how == "committed"


def test_two_processes_do_not_take_each_other_for_dead(store: Store, candidate: str) -> None:
    first, second = store.trial(RULES), store.trial(RULES)
    first.started(0)
    other = second.started(0)

    assert (other.model, other.on_trial) == (BUILT_IN, False)
    assert "in another process" in other.notes[0]
    second.answered(0, 100)
    assert second.tick(0) is None
    second.stopped(1)
    kept = store.state().candidate
    assert kept is not None
    assert kept.is_running
    first.answered(0, 10)
    ended = first.tick(0)
    assert ended is not None
    assert (ended.how, store.state().active) == ("committed", candidate)


def test_a_candidate_that_was_withdrawn_is_not_committed(
    store: Store, candidate: str, model_of: Callable[[str], Any]
) -> None:
    trial = store.trial(RULES)
    trial.load(name_of)
    other = store.install(model_of("b").data, where="b")
    trial.answered(0, 10)
    ended = trial.tick(0)

    assert ended is not None
    assert ended.how == "withdrawn"
    assert store.state().active == BUILT_IN
    chosen, _ = trial.load(name_of)
    assert (chosen.model, chosen.on_trial) == (other, True)


def test_a_start_that_cannot_be_written_down_runs_the_active_model(
    store: Store, candidate: str, failing: Callable[..., Any]
) -> None:
    failing(1, errno.ENOSPC, sticky=True)
    trial = store.trial(RULES)
    chosen, _ = trial.load(name_of)

    assert (chosen.model, chosen.on_trial) == (BUILT_IN, False)
    assert "No space left" in chosen.notes[0]
    failing()
    kept = store.state().candidate
    assert kept is not None
    assert (kept.is_running, kept.starts) == (False, 0)
    assert trial.started(0).on_trial


def test_a_commit_that_cannot_be_written_down_is_tried_again_later(
    store: Store, candidate: str, failing: Callable[..., Any]
) -> None:
    trial = store.trial(RULES)
    trial.load(name_of)
    trial.answered(0, 10)
    disk = failing(1, errno.ENOSPC, sticky=True)
    assert trial.tick(0) is None
    tried = disk.steps
    assert trial.tick(SECOND) is None
    assert disk.steps == tried
    failing()
    assert store.state().active == BUILT_IN
    ended = trial.tick(61 * SECOND)
    assert ended is not None
    assert (ended.how, store.state().active) == ("committed", candidate)


def test_a_rollback_that_cannot_be_written_down_counts_all_the_same(
    store: Store, candidate: str, failing: Callable[..., Any]
) -> None:
    trial = store.trial(RULES)
    trial.load(name_of)
    trial.unhealthy("it hangs")
    failing(1, errno.EIO, sticky=True)
    ended = trial.tick(0)
    assert ended is not None
    assert ended.how == "rolled-back"
    chosen, _ = trial.load(name_of)
    assert (chosen.model, chosen.on_trial) == (BUILT_IN, False)
    failing()
    assert store.state().nominee == candidate
    chosen, _ = trial.load(name_of)
    assert chosen.model == BUILT_IN
    assert store.state().troubles[candidate].failures == 1


def test_a_reload_while_the_disk_is_full_goes_on_with_the_candidate(
    store: Store, candidate: str, open_store: Callable[..., Store]
) -> None:
    import fcntl

    hasty = open_store(wait_s=0.0)
    trial = hasty.trial(RULES)
    trial.load(name_of)
    with (store.root / "store.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        chosen, _ = trial.load(name_of)
        assert (chosen.model, chosen.on_trial) == (candidate, True)
        assert "another process" in chosen.notes[0]
    trial.answered(0, 10)
    ended = trial.tick(0)
    assert ended is not None
    assert ended.how == "committed"


def test_a_candidate_with_a_damaged_file_is_dropped_and_not_blamed(
    store: Store, candidate: str
) -> None:
    (store.root / "versions" / candidate / "model.tflite").write_bytes(b"TFL")
    chosen = store.trial(RULES).started(0)

    assert (chosen.model, chosen.on_trial) == (BUILT_IN, False)
    assert "damaged on the disk" in chosen.notes[0]
    assert candidate not in store.state().versions
    assert not store.state().troubles


def test_where_the_active_model_cannot_be_loaded_the_one_before_is(
    store: Store, candidate: str, model_of: Callable[[str], Any]
) -> None:
    for name in ("a", "b"):
        store.install(model_of(name).data, where=name)
        trial = store.trial(RULES)
        trial.load(name_of)
        trial.answered(0, 10)
        trial.tick(0)

    def load(bundle: Bundle, refused: tuple[str, ...]) -> str:
        if bundle.name in refused:
            raise InterpreterError("another runtime")
        return bundle.name

    chosen, name = store.trial().load(lambda bundle: load(bundle, ("b",)))
    assert (chosen.model, name) == (candidate, "a")
    assert "another runtime" in chosen.notes[0]
    chosen, _ = store.trial().load(lambda bundle: load(bundle, ("a", "b")))
    assert chosen.model == BUILT_IN
    assert len(chosen.notes) == 2

    def refuse(bundle: Bundle) -> str:
        raise InterpreterError("nothing loads")

    with pytest.raises(InterpreterError, match="nothing loads"):
        store.trial().load(refuse)
