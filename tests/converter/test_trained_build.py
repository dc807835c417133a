"""A network that is trained itself: from a recipe to verified models, also after a kill -9."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.reporting import Reporter
from edge_recog_converter.run_folders import run_folder
from rich.console import Console

from edge_recog import Bundle, Classifier
from edge_recog.verification import verify

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
schema_version = 1
name = "patterns"
seed = 5
[data]
balance = { class_weights = { kind = "inverse" }, oversample = { strength = 0.5 } }
[model]
architecture = "lenet-5"
weights = "none"
width = 2.0
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 12
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.003, clip_norm = 1.0, average = 0.5 }
schedule = { kind = "cosine", warm_up_epochs = 1 }
loss = { kind = "cross-entropy", label_smoothing = 0.05 }
augment = [{ kind = "flip" }, { kind = "brightness" }, { kind = "mixup", p = 0.5 }]
[[stage]]
kind = "quantize"
calibration = 12
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from edge_recog_converter.build import build
from edge_recog_converter.learning import fitting
from edge_recog_converter.reporting import Reporter

written = fitting.write_checkpoint
left = 5

def write_and_die(*arguments, **named):
    global left
    written(*arguments, **named)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

fitting.write_checkpoint = write_and_die
recipe, data, out, cache = map(Path, sys.argv[1:])
build(recipe, data, out, reporter=Reporter(quiet=True), cache=cache)
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "patterns.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def built(
    recipe: Path, small_pictures: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> BuiltModel:
    out = tmp_path_factory.mktemp("runs")
    return build(recipe, small_pictures, out, reporter=Reporter(quiet=True), cache=cache)


def test_it_learns_from_nothing(built: BuiltModel) -> None:
    slow, _ = built.report.models
    assert slow.top1 is not None
    assert slow.top1 >= 0.75
    assert built.report.parity.agreement >= 0.9


@pytest.mark.parametrize("which", ["int8", "float"])
def test_both_models_verify_with_calibrated_scores(built: BuiltModel, which: str) -> None:
    with Classifier.open(getattr(built, which)) as classifier:
        verify(classifier).require(which)
    contract = Bundle.open(getattr(built, which)).contract
    assert contract.activation == "softmax"
    assert contract.temperature == built.report.temperature != 1.0


def test_every_epoch_is_written_down(built: BuiltModel) -> None:
    (stage,) = built.report.stages
    assert [epoch.number for epoch in stage.epochs] == list(range(1, 13))
    assert stage.epochs[-1].loss < stage.epochs[0].loss
    assert stage.epochs[stage.best - 1].score == max(epoch.score for epoch in stage.epochs)
    assert all(epoch.waiting_s <= epoch.seconds for epoch in stage.epochs)
    log = (built.folder / "build.log").read_text(encoding="utf-8")
    assert "epoch 12: loss" in log


def test_tensorboard_reads_the_curves(built: BuiltModel) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(
        str(built.folder / "tensorboard" / "train-1"), size_guidance={"tensors": 0}
    )
    events.Reload()
    (stage,) = built.report.stages
    steps = events.Tensors("score/validation")
    assert [event.step for event in steps] == [epoch.number for epoch in stage.epochs]


def test_nothing_but_the_run_is_left(built: BuiltModel) -> None:
    names = {path.name for path in built.folder.iterdir()}
    assert {"patterns.tflite", "model.keras", "splits.csv"} <= names
    assert not {name for name in names if name.endswith(".state")}
    assert list(built.folder.parent.iterdir()) == [built.folder]


def test_a_killed_build_goes_on_and_ends_as_if_nothing_had_been(
    built: BuiltModel, recipe: Path, small_pictures: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    command = [sys.executable, "-c", KILLED, *map(str, (recipe, small_pictures, out, cache))]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(list(out.glob("*.partial"))) == 1

    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=200))
    resumed = build(recipe, small_pictures, out, reporter=reporter, cache=cache)
    assert "12 epochs" in said.getvalue()
    assert "5 of them before" in said.getvalue()
    ends = [model.report.stages[0] for model in (resumed, built)]
    losses = [[epoch.loss for epoch in stage.epochs] for stage in ends]
    assert losses[0] == losses[1]
    assert [stage.resumed_after for stage in ends] == [5, 0]
    assert resumed.report.models[0].confusion == built.report.models[0].confusion
    assert list(out.iterdir()) == [resumed.folder]


def interrupted(out: Path, fingerprint: str) -> None:
    """Begin a run, learn for an epoch, and press Ctrl-C."""
    with run_folder(out, "x", fingerprint=fingerprint) as (partial, _):
        (partial / "training-0.state").write_text(fingerprint)
        raise KeyboardInterrupt


def test_other_pictures_or_another_recipe_begin_anew(tmp_path: Path) -> None:
    for fingerprint in ("a", "b"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(tmp_path, fingerprint)
    assert len(list(tmp_path.iterdir())) == 2
    with run_folder(tmp_path, "x", fingerprint="a") as (partial, final):
        assert (partial / "training-0.state").read_text() == "a"
    assert final.is_dir()
    assert not list(final.iterdir())


def test_what_was_interrupted_before_it_learned_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_folder(tmp_path, "x", fingerprint="a"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_error_after_training_does_not_throw_the_training_away(
    recipe: Path, small_pictures: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConversionError("no room left")

    arguments = (recipe, small_pictures, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("edge_recog_converter.build.convert_float", fail)
        with pytest.raises(ConversionError):
            build(*arguments, reporter=Reporter(quiet=True), cache=cache)
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=200))
    build(*arguments, reporter=reporter, cache=cache)
    assert "12 of them before" in said.getvalue()


def test_the_same_pictures_under_other_labels_are_another_training(
    recipe: Path, small_pictures: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    command = [sys.executable, "-c", KILLED, *map(str, (recipe, small_pictures, out, cache))]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    renamed = tmp_path / "pictures"
    shutil.copytree(small_pictures, renamed)
    for split in ("train", "validation", "test"):
        (renamed / split / "lines").rename(renamed / split / "a-lines")
    said = io.StringIO()
    build(recipe, renamed, out, reporter=Reporter(Console(file=said, width=200)), cache=cache)
    assert "of them before" not in said.getvalue()


def test_a_run_that_somebody_is_at_is_not_taken_over(tmp_path: Path) -> None:
    with run_folder(tmp_path, "x", fingerprint="a") as (first, _):
        (first / "training-0.state").write_text("half")
        with run_folder(tmp_path, "x", fingerprint="a") as (second, _):
            assert second != first
