"""Folders as people have them: each thing that is wrong is handled, or refused by name."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from edge_recog_converter.build import build
from edge_recog_converter.reporting import Reporter
from PIL import Image
from rich.console import Console

from edge_recog import Classifier, EdgeRecogError
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = """
schema_version = 1
name = "dirty"
[data]
splits = "folders"
[model]
architecture = "lenet-5"
weights = "none"
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 1
[[stage]]
kind = "quantize"
calibration = 8
"""


@pytest.fixture
def data(tmp_path: Path, small_pictures: Path) -> Path:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    return root


def make(data: Path, *, changed: Callable[[str], str] = str) -> str:
    """Build, check what came of it, and return what was said."""
    folder = data.parent
    recipe = folder / "dirty.toml"
    recipe.write_text(changed(RECIPE), encoding="utf-8")
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=200))
    built = build(recipe, data, folder / "runs", reporter=reporter, cache=folder / "cache")
    with Classifier.open(built.int8) as classifier:
        verify(classifier).require("the model")
    return said.getvalue()


def test_odd_files_are_learned_from_and_broken_ones_skipped_with_a_list(data: Path) -> None:
    train = data / "train"
    pixels = np.full((50, 70, 3), (90, 160, 30), np.uint8)
    pixels[:20] = (200, 40, 60)
    picture = Image.fromarray(pixels)
    (train / "bücher 円").mkdir()
    for split in ("train", "validation", "test"):
        label = data / split / "bücher 円"
        label.mkdir(exist_ok=True)
        picture.rotate({"train": 0, "validation": 90, "test": 180}[split]).save(label / "é.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(train / "lines" / "turned.jpg", exif=exif.tobytes())
    picture.convert("CMYK").save(train / "lines" / "cmyk.jpg")
    wide = np.random.default_rng(1).integers(0, 65536, (40, 40, 3), dtype=np.uint16)
    assert cv2.imwrite(str(train / "noise" / "sixteen.png"), wide)
    whole = cv2.imencode(".jpg", wide.astype(np.uint8))[1].tobytes()
    (train / "noise" / "cut-off.jpg").write_bytes(whole[: len(whole) // 2])
    (train / "circles" / "text.jpg").write_text("not a picture", encoding="utf-8")
    (train / "circles" / "empty.png").touch()
    (train / "circles" / "notes.txt").write_text("ignored", encoding="utf-8")

    said = make(data)
    told = [line for line in said.splitlines() if "skipped" in line]
    assert "3 files cannot be read and are skipped" in told[0]
    for name in ("cut-off.jpg", "text.jpg", "empty.png"):
        assert sum(name in line for line in told) == 1
    assert "40 train" in said


def empty_class(data: Path) -> None:
    for split in ("train", "validation", "test"):
        (data / split / "void").mkdir()


def one_class(data: Path) -> None:
    for split in ("train", "validation", "test"):
        for label in ("lines", "noise"):
            shutil.rmtree(data / split / label)


def copy_across(data: Path) -> None:
    shutil.copy(data / "train" / "lines" / "000.png", data / "test" / "lines" / "again.png")


def only_in_test(data: Path) -> None:
    shutil.copytree(data / "test" / "lines", data / "test" / "stripes")
    for path in (data / "test" / "stripes").iterdir():
        pixels = cv2.imread(str(path))
        assert pixels is not None
        assert cv2.imwrite(str(path), 255 - pixels)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (empty_class, ["void"]),
        (one_class, ["circles", "at least two"]),
        (copy_across, ["train/lines/000.png", "test/lines/again.png"]),
        (only_in_test, ["stripes"]),
    ],
    ids=["empty-class", "one-class", "copy-across-splits", "class-only-in-test"],
)
def test_what_cannot_be_learned_from_is_refused_by_name(
    data: Path, spoil: Callable[[Path], None], named: list[str]
) -> None:
    spoil(data)
    with pytest.raises(EdgeRecogError) as refused:
        make(data)
    for name in named:
        assert name in str(refused.value)
    assert not list((data.parent / "runs").glob("*"))


def test_leakage_is_let_through_where_it_is_wanted(data: Path) -> None:
    copy_across(data)
    make(data, changed=lambda text: text.replace("[data]", "[data]\nallow_leakage = true"))
