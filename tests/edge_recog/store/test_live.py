"""The live classifier with `model = "active"`: candidates, in process and as one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.classifier import Classifier
from edge_recog.errors import InterpreterError
from edge_recog.service.config.reading import load_config
from edge_recog.service.daemon import Daemon
from edge_recog.store import BUILT_IN, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_S = 60.0
"""Longer than anything takes on a busy machine."""


class Running:
    """The service in a thread of this process; answers are read from its JSON Lines."""

    def __init__(self, config: Path, answers: Path) -> None:
        self.daemon = Daemon(load_config(config).config)
        self._answers = answers
        self._thread = threading.Thread(target=self.daemon.run, daemon=True)
        self._thread.start()

    def answered_by(self) -> list[str]:
        """Return the ids of the models that have answered, in order."""
        text = self._answers.read_text() if self._answers.exists() else ""
        told = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        return [one["model"]["id"] for one in told if "predictions" in one]

    def wait(self, until: Callable[[], bool]) -> None:
        # What is waited for is in files that other threads write.
        for _ in range(round(LONG_S / 0.02)):
            if until():
                return
            threading.Event().wait(0.02)
        raise AssertionError(f"in vain; the last answers: {self.answered_by()[-3:]}")

    def close(self) -> None:
        self.daemon.stop()
        self._thread.join(LONG_S)
        self.daemon.close()


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Return what writes a configuration with a trial of so many frames, for this test's store."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))

    def write(frames: int) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(
            'model = "active"\n'
            'source = "synthetic:32x24?rate=100"\n'
            "watch = false\n"
            "web = false\n"
            f"trial = {{ frames = {frames} }}\n"
            f'jsonl = {{ path = "{tmp_path / "answers.jsonl"}" }}\n'
            "supervision = { stall_s = 30.0, first_frame_s = 30.0, retry_min_s = 0.01 }\n"
        )
        return path

    return write


@pytest.fixture
def run(configured: Callable[[int], Path], tmp_path: Path) -> Iterator[Callable[[int], Running]]:
    running: list[Running] = []

    def start(frames: int) -> Running:
        running.append(Running(configured(frames), tmp_path / "answers.jsonl"))
        return running[-1]

    yield start
    for one in running:
        one.close()


def test_a_model_that_is_installed_meanwhile_is_taken_and_becomes_the_active_one(
    store: Store, model_of: Callable[[str], Any], run: Callable[[int], Running]
) -> None:
    live = run(20)
    live.wait(lambda: bool(live.answered_by()))
    digest = store.install(model_of("good").data, where="good")
    live.daemon.reload()
    live.wait(lambda: store.state().active == digest)

    answered_by = live.answered_by()
    assert answered_by[0] != f"sha256:{digest}"
    assert answered_by[-1] == f"sha256:{digest}"
    assert store.state().previous == BUILT_IN


def test_a_candidate_that_fails_at_work_is_followed_by_the_active_model(
    store: Store,
    model_of: Callable[[str], Any],
    run: Callable[[int], Running],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = store.install(model_of("bad").data, where="bad")
    classify = Classifier.classify

    def fail(self: Classifier, *arguments: Any, **options: Any) -> Any:
        if self.bundle.name == "bad":
            raise InterpreterError("the device is gone")
        return classify(self, *arguments, **options)

    monkeypatch.setattr(Classifier, "classify", fail)
    live = run(20)
    live.wait(lambda: bool(live.answered_by()))

    assert f"sha256:{bad}" not in live.answered_by()
    state = store.state()
    assert (state.active, state.candidate) == (BUILT_IN, None)
    assert state.troubles[bad].failures == 1


def test_a_candidate_that_answers_its_golden_vectors_wrongly_is_not_run(
    store: Store,
    model_of: Callable[[str], Any],
    run: Callable[[int], Running],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = store.install(model_of("other").data, where="other")
    monkeypatch.setattr("edge_recog.service.daemon.verify", _wrong)
    live = run(20)
    live.wait(lambda: bool(live.answered_by()))

    assert f"sha256:{digest}" not in live.answered_by()
    assert store.state().troubles[digest].reason.startswith("it cannot be loaded: 1 of 2")


def test_an_end_in_order_keeps_the_candidate_for_the_next_start(
    store: Store, model_of: Callable[[str], Any], run: Callable[[int], Running]
) -> None:
    digest = store.install(model_of("good").data, where="good")
    first = run(10**6)
    first.wait(lambda: len(first.answered_by()) >= 5)
    first.close()
    candidate = store.state().candidate

    assert candidate is not None
    assert (candidate.version, candidate.is_running) == (digest, False)
    assert candidate.frames >= 5
    second = run(candidate.frames + 1)
    second.wait(lambda: store.state().active == digest)


def test_a_process_that_is_killed_with_the_candidate_starts_with_the_active_model(
    store: Store,
    model_of: Callable[[str], Any],
    configured: Callable[[int], Path],
    run: Callable[[int], Running],
) -> None:
    digest = store.install(model_of("good").data, where="good")
    program = Path(sys.executable).with_name("edge-recog")
    process = subprocess.Popen(
        [program, "run", "--config", configured(10**6), "--jsonl", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
        text=True,
    )
    assert process.stdout is not None
    told = (json.loads(line) for line in process.stdout)
    answer = next(one for one in told if "predictions" in one)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=LONG_S)
    after = run(20)
    after.wait(lambda: bool(after.answered_by()))

    assert answer["model"]["id"] == f"sha256:{digest}"
    assert f"sha256:{digest}" not in after.answered_by()
    assert "died" in store.state().troubles[digest].reason


def _wrong(classifier: Classifier) -> Any:
    from edge_recog.verification import verify

    verification = verify(classifier)
    if classifier.bundle.name != "other":
        return verification

    class Wrong:
        def require(self, where: str) -> None:
            raise InterpreterError(f"1 of 2 golden vectors of {where} came out wrong")

    return Wrong()
