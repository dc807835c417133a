"""A recipe and a folder of pictures become a run's folder with verified models, or nothing."""

import io
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.recipe import load_recipe
from edge_recog_converter.report.document import Report
from edge_recog_converter.reporting import Reporter
from rich.console import Console

from edge_recog import Bundle, Classifier, EdgeRecogError
from edge_recog.verification import verify

RECIPE = """
schema_version = 1
name = "patterns"
seed = 5
[model]
architecture = "efficientnet-lite0"
input = { height = 64, width = 96, crop = "letterbox" }
[[stage]]
kind = "head"
epochs = 10
learning_rate = 0.005
[[stage]]
kind = "quantize"
calibration = 12
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "patterns.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def dirty_pictures(tmp_path_factory: pytest.TempPathFactory, small_pictures: Path) -> Path:
    """The small pictures and one file that is none."""
    root = tmp_path_factory.mktemp("dirty") / "patterns"
    shutil.copytree(small_pictures, root)
    (root / "train" / "lines" / "zzz.jpg").write_bytes(b"this is no picture")
    return root


@pytest.fixture(scope="module")
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def built(
    recipe: Path, dirty_pictures: Path, tmp_path_factory: pytest.TempPathFactory, said: io.StringIO
) -> BuiltModel:
    out = tmp_path_factory.mktemp("runs")
    reporter = Reporter(Console(file=said, width=200))
    return build(recipe, dirty_pictures, out, reporter=reporter)


def test_run_folder_keeps_everything(built: BuiltModel, recipe: Path) -> None:
    assert sorted(path.name for path in built.folder.iterdir()) == [
        "build.log",
        "calibration.txt",
        "model.keras",
        "patterns-float.tflite",
        "patterns.tflite",
        "recipe.toml",
        "report.html",
        "report.json",
        "splits.csv",
    ]
    assert load_recipe(built.folder / "recipe.toml") == load_recipe(recipe)
    assert list(built.folder.parent.glob("*.partial")) == []


def test_model_recognises_what_it_learned(built: BuiltModel) -> None:
    report = built.report
    assert report.data.pictures == {"train": 36, "validation": 12, "test": 12}
    assert min(model.top1 or 0.0 for model in report.models) >= 0.8
    assert report.parity.agreement >= 0.8


@pytest.mark.parametrize("which", ["int8", "float"])
def test_both_models_verify(built: BuiltModel, which: str) -> None:
    with Classifier.open(getattr(built, which)) as classifier:
        report = verify(classifier)

    report.require(which)
    assert len(report.vectors) == 8


def test_model_says_how_it_was_made(built: BuiltModel) -> None:
    bundle = Bundle.open(built.int8)
    assert bundle.manifest is not None
    assert bundle.manifest.provenance is not None

    assert bundle.labels == ("circles", "lines", "noise")
    assert bundle.contract.preprocessing.crop == "letterbox"
    assert bundle.manifest.provenance.recipe == RECIPE
    assert [figure.metric for figure in bundle.manifest.accuracy] == [
        "top-1",
        "macro F1",
        "agreement with float",
    ]


def test_camera_bytes_are_the_int8_input(built: BuiltModel) -> None:
    inputs = Bundle.open(built.int8).inputs
    assert inputs.quantization is not None

    assert inputs.dtype == "uint8"
    assert (inputs.quantization.scale, inputs.quantization.zero_point) == (1 / 128, 127)


def test_calibration_pictures_are_written_down(built: BuiltModel) -> None:
    lines = (built.folder / "calibration.txt").read_text(encoding="utf-8").splitlines()

    assert len(lines) == 12
    assert all(line.startswith("train/") for line in lines)


def test_the_report_holds_what_was_measured(built: BuiltModel) -> None:
    document = (built.folder / "report.json").read_bytes()
    report = msgspec.json.decode(document, type=Report)
    slow, fast = report.models

    assert report == built.report
    assert (report.name, report.input, report.data.task) == (
        "patterns",
        "64 x 96 RGB",
        "single-label",
    )
    assert [(stage.kind, len(stage.epochs)) for stage in report.stages] == [("head", 10)]
    assert (fast.size_bytes, slow.size_bytes) == (
        built.int8.stat().st_size,
        built.float.stat().st_size,
    )
    assert list(report.data.skipped) == ["train/lines/zzz.jpg"]
    assert np.sum(fast.confusion) == 12
    page = (built.folder / "report.html").read_text(encoding="utf-8").replace("<wbr>", "")
    assert "zzz.jpg" in page


def test_a_temperature_is_fitted_and_part_of_the_weights(built: BuiltModel) -> None:
    slow, _ = built.report.models
    contract = Bundle.open(built.float).contract

    assert (contract.activation, contract.temperature) == ("none", 1.0)
    assert built.report.temperature != 1.0
    assert slow.calibrated != slow.uncalibrated


def test_broken_picture_is_skipped_and_told(built: BuiltModel, said: io.StringIO) -> None:
    assert "1 files cannot be read" in said.getvalue()
    assert "zzz.jpg" in (built.folder / "build.log").read_text(encoding="utf-8")


def test_failed_build_leaves_nothing(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgeRecogError):
        build(recipe, tmp_path / "no-pictures", tmp_path / "runs", reporter=Reporter(quiet=True))

    assert not (tmp_path / "runs").exists()


def test_build_that_breaks_half_way_leaves_nothing(
    recipe: Path, small_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_recog_converter.heads.train_classifier", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(recipe, small_pictures, tmp_path / "runs", reporter=Reporter(quiet=True))

    assert list((tmp_path / "runs").iterdir()) == []
