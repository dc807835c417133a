"""`edge-recog run` as a process of its own, told by signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_S = 60.0


@pytest.fixture
def start(tiny_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return what starts the verb with the tiny model; all are ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, model: Path = tiny_path) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("edge-recog")), "run", str(model), *arguments]
        running.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def next_of(process: subprocess.Popen[str], key: str) -> dict[str, Any]:
    """Return the next line of JSON with a key."""
    assert process.stdout is not None
    for line in process.stdout:
        document: dict[str, Any] = json.loads(line)
        if key in document:
            return document
    raise AssertionError(f"no {key} was told: {process.communicate()}")


def test_a_recording_is_classified_to_its_end(start: Callable[..., Any]) -> None:
    process = start("--source", "synthetic:64x48?count=20")
    out, err = process.communicate(timeout=LONG_S)

    assert process.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    states = [one["state"] for one in told if "state" in one]
    assert states == ["starting", "running", "stopping"]
    answers = [one for one in told if "predictions" in one]
    assert [one["frame"] for one in answers] == list(range(20))
    assert {one["model"]["name"] for one in answers} == {"tiny"}
    assert "frames: 20 answered" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_a_signal_ends_it_with_everything_told(start: Callable[..., Any], number: int) -> None:
    process = start("--source", "synthetic:64x48?rate=50")
    next_of(process, "predictions")
    process.send_signal(number)
    out, err = process.communicate(timeout=LONG_S)

    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["state"] == "stopping"
    assert "Traceback" not in err


def test_a_hangup_loads_the_model_anew(
    start: Callable[..., Any], tiny_path: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copy(tiny_path, tmp_path / "live.tflite"))
    process = start("--source", "synthetic:64x48?rate=50", model=model)
    before = next_of(process, "predictions")["model"]["id"]
    # Whoever puts a model in place renames it: the old one is mapped.
    changed = tmp_path / "new.tflite"
    changed.write_bytes(_renamed(tiny_path.read_bytes()))
    changed.rename(model)
    process.send_signal(signal.SIGHUP)
    while (after := next_of(process, "predictions")["model"]["id"]) == before:
        pass

    assert after != before


def test_a_broken_model_is_not_taken_and_the_old_one_stays(
    start: Callable[..., Any], tiny_path: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copy(tiny_path, tmp_path / "live.tflite"))
    process = start("--source", "synthetic:64x48?rate=50", model=model)
    before = next_of(process, "predictions")["model"]["id"]
    broken = tmp_path / "new.tflite"
    broken.write_bytes(tiny_path.read_bytes()[:500])
    broken.rename(model)
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    for line in process.stderr:
        if "the model at work stays" in line:
            break
    assert next_of(process, "predictions")["model"]["id"] == before
    process.terminate()
    process.communicate(timeout=LONG_S)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--source", "no/such.mp4"], 0, "degraded: no/such.mp4: no such file"),
        (["--source", "nothing:0"], 2, "nothing:0: no source is called nothing"),
        (["--source", "synthetic:64x48?sped=1"], 2, "sped"),
        (["--delegate", "/no/such.so"], 1, "/no/such.so"),
        (["--config", "/no/such.toml"], 1, "/no/such.toml"),
    ],
    ids=["camera", "source", "option", "delegate", "configuration"],
)
def test_what_cannot_be_used_is_said_in_one_line(
    start: Callable[..., Any], arguments: list[str], code: int, text: str
) -> None:
    process = start(*arguments)
    if code == 0:
        # A camera may come later: it is tried again, for as long as it takes.
        document = next_of(process, "state")
        while document["state"] != "degraded":
            document = next_of(process, "state")
        process.terminate()
    _, err = process.communicate(timeout=LONG_S)

    assert process.returncode == code, err
    assert text in err
    assert "Traceback" not in err


def test_on_a_terminal_people_can_read_it(tiny_path: Path) -> None:
    ours, theirs = os.openpty()
    program = str(Path(sys.executable).with_name("edge-recog"))
    source = "synthetic:64x48?count=20&rate=50"
    with subprocess.Popen(
        [program, "run", str(tiny_path), "--source", source],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.wait(LONG_S) == 0
    os.close(theirs)
    with os.fdopen(ours, "rb", 0) as terminal:
        shown = terminal.read(4096).decode()

    assert re.search(r"\d+%.*\(\d+\.\d ms, \d+ a second\)", shown)
    assert "{" not in shown


def _renamed(data: bytes) -> bytes:
    """Return the same model file under another name, sealed anew."""
    from edge_recog.bundle import Bundle
    from edge_recog.packing import pack_bundle

    bundle = Bundle.from_bytes(data, where="tiny")
    assert bundle.contract is not None
    return pack_bundle(bundle.data, bundle.contract, bundle.labels, name="other")
