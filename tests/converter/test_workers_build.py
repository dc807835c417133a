"""Two machines that build one model: the same command on each, with TF_CONFIG."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from edge_recog_converter.build import build
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.learning.workers import Workers
from edge_recog_converter.report.document import Report
from edge_recog_converter.reporting import Reporter

RECIPE = """
schema_version = 1
name = "together"
seed = 5
[data]
balance = { oversample = { strength = 0.5 } }
[model]
architecture = "lenet-5"
weights = "none"
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 3
batch_size = 10
optimizer = { kind = "adamw", learning_rate = 0.003, clip_norm = 1.0, average = 0.9 }
augment = [{ kind = "flip" }, { kind = "brightness" }, { kind = "mixup" }]
[[stage]]
kind = "quantize"
calibration = 12
"""
HEAD = """
schema_version = 1
name = "together"
[model]
architecture = "efficientnet-lite0"
"""
PRUNE = """[[stage]]
kind = "prune"
budget = { macs = "2x" }
"""
COMMAND = Path(sys.executable).with_name("edge-recog")
WAIT_S = 300


@pytest.fixture
def ports() -> list[int]:
    """Free ones, just now."""
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


def start(
    recipe: str, folder: Path, pictures: Path, *, config: object = None
) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "together.toml").write_text(recipe, encoding="utf-8")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("TF_CONFIG", None)
    if config is not None:
        environment["TF_CONFIG"] = json.dumps(config)
    return subprocess.Popen(
        [COMMAND, "build", "together.toml", "--data", pictures, "--out", "runs"],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def report_of(folder: Path) -> Report:
    (path,) = folder.glob("runs/together-*-1/report.json")
    return msgspec.json.decode(path.read_bytes(), type=Report)


def test_two_workers_make_what_one_process_makes(
    ports: list[int], small_pictures: Path, tmp_path: Path
) -> None:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    processes = {
        "single": start(RECIPE, tmp_path / "single", small_pictures),
        **{
            f"worker-{index}": start(
                RECIPE,
                tmp_path / f"worker-{index}",
                small_pictures,
                config={"cluster": cluster, "task": {"type": "worker", "index": index}},
            )
            for index in (0, 1)
        },
    }
    said = {name: process.communicate(timeout=WAIT_S) for name, process in processes.items()}
    codes = {name: process.returncode for name, process in processes.items()}
    assert codes == dict.fromkeys(processes, 0), said

    single, together = (report_of(tmp_path / name) for name in ("single", "worker-0"))
    for one, other in zip(single.stages[0].epochs, together.stages[0].epochs, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-4)
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=1e-3)
    assert together.temperature == pytest.approx(single.temperature, rel=1e-2)
    assert not (tmp_path / "worker-1" / "runs").exists()
    assert "worker 1 has trained; worker 0 makes the model" in said["worker-1"][1]


@pytest.mark.parametrize(
    ("recipe", "config", "message"),
    [
        (RECIPE, {"cluster": {"worker": ["a:1", "b:2"]}}, "TF_CONFIG cannot be used"),
        (
            RECIPE,
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}},
            "task.index is 1",
        ),
    ],
    ids=["no-task", "index"],
)
def test_a_config_that_cannot_be_followed_is_one_line(
    recipe: str, config: object, message: str, small_pictures: Path, tmp_path: Path
) -> None:
    process = start(recipe, tmp_path / "one", small_pictures, config=config)
    _, told = process.communicate(timeout=WAIT_S)
    lines = [line for line in told.splitlines() if line.startswith("edge-recog:")]

    assert process.returncode == 1
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "unset TF_CONFIG"),
        (
            RECIPE.replace('[[stage]]\nkind = "quantize', PRUNE + '[[stage]]\nkind = "quantize'),
            "not choose what to prune",
        ),
        (
            RECIPE.replace('kind = "train"', 'kind = "distill"\nteacher = "large.toml"'),
            "cannot make a teacher",
        ),
    ],
    ids=["head", "prune", "teacher"],
)
def test_workers_are_told_what_only_one_can_do(
    text: str, message: str, small_pictures: Path, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    two = Workers(0, 2, strategy=object())

    with pytest.raises(RecipeError, match=message):
        build(path, small_pictures, tmp_path / "runs", reporter=Reporter(quiet=True), workers=two)
