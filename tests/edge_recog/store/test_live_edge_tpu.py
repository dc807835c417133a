"""The live classifier on an Edge TPU that is pulled out while it works."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from edge_recog.service.config.reading import load_config
from edge_recog.service.daemon import Daemon
from edge_recog.store import Store, TrialRules, TwinFile

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_S = 60.0
"""Longer than anything takes on a busy machine."""


@pytest.fixture
def pluggable(tmp_path: Path, missing: Callable[[str], NoReturn]) -> Path:
    """Return the Edge TPU of tests/edge_recog/interpreters/edge_tpu.c, which can be pulled out."""
    compiler = shutil.which("gcc")
    if compiler is None:
        missing("gcc builds the fake delegate, and is not here")
    source = Path(__file__).parents[1] / "interpreters" / "edge_tpu.c"
    library = tmp_path / "libedgetpu.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    return library


class Answers:
    """What the service writes, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ids(self) -> list[str]:
        """Return the ids of the models that have answered, in order."""
        text = self._path.read_text() if self._path.exists() else ""
        told = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        return [one["model"]["id"] for one in told if "predictions" in one]

    def wait_for(self, model_id: str) -> None:
        # What is waited for is in a file that another thread writes.
        for _ in range(round(LONG_S / 0.02)):
            if self.ids()[-1:] == [model_id]:
                return
            threading.Event().wait(0.02)
        raise AssertionError(f"in vain; the last answers: {self.ids()[-3:]}")


@pytest.mark.parametrize("stored", [True, False], ids=["active", "file"])
def test_an_edge_tpu_that_is_pulled_out_is_made_up_for_on_the_cpu(
    pair_of: Callable[..., Any],
    pluggable: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stored: bool,
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    pair = pair_of("a")
    model = tmp_path / "a.tflite"
    model.write_bytes(pair.model)
    model.with_name("a_edgetpu.tflite").write_bytes(pair.compiled)
    if stored:
        store = Store(tmp_path / "models")
        twin = TwinFile(pair.compiled, "a_edgetpu.tflite")
        store.install(pair.model, where="a.tflite", twin=twin)
        trial = store.trial(TrialRules(frames=1))
        trial.started(0)
        trial.answered(1)
        trial.tick(1)
        assert store.state().active == pair.digest
    config = tmp_path / "config.toml"
    config.write_text(
        f'model = "{"active" if stored else model}"\n'
        f'delegate = "{pluggable}?device=usb:0"\n'
        'fallback = "cpu"\n'
        'source = "synthetic:32x24?rate=100"\n'
        "watch = false\n"
        "web = false\n"
        f'jsonl = {{ path = "{tmp_path / "answers.jsonl"}" }}\n'
        "supervision = { stall_s = 30.0, first_frame_s = 30.0, retry_min_s = 0.01 }\n"
    )
    from edge_recog.bundle import Bundle
    from edge_recog.interpreters.twins import compiled_twin

    on_cpu = Bundle.from_bytes(pair.model, where="a")
    on_edge_tpu = compiled_twin(on_cpu, pair.compiled, where="a_edgetpu")
    answers = Answers(tmp_path / "answers.jsonl")
    daemon = Daemon(load_config(config).config)
    thread = threading.Thread(target=daemon.run, daemon=True)
    thread.start()
    try:
        answers.wait_for(on_edge_tpu.id)
        ctypes.CDLL(str(pluggable)).edge_tpu_pull_out()
        answers.wait_for(on_cpu.id)
    finally:
        daemon.stop()
        thread.join(LONG_S)
        daemon.close()
    assert "model.tflite on the CPU: " in caplog.text or "a.tflite on the CPU: " in caplog.text
    assert "the Edge TPU 'usb:0' cannot be opened" in caplog.text
