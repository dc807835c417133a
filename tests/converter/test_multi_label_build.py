"""Pictures with any number of labels: from a manifest to a model that says all that apply."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
import pytest
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.reporting import Reporter

from edge_recog import Bundle, Classifier, EdgeRecogError, open_source
from edge_recog.verification import verify

if TYPE_CHECKING:
    from pathlib import Path

DATA = """
schema_version = 1
name = "several"
seed = 3
[data]
splits = "manifest"
manifest = "labels.jsonl"
balance = { class_weights = { kind = "inverse" } }
"""

HEAD = """
[model]
architecture = "efficientnet-lite0"
input = { height = 64, width = 64 }
[[stage]]
kind = "head"
epochs = 15
learning_rate = 0.005
flip = false
[[stage]]
kind = "quantize"
calibration = 16
"""

TRAIN = """
[model]
architecture = "lenet-5"
weights = "none"
width = 2.0
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 12
batch_size = 16
optimizer = { kind = "adamw", learning_rate = 0.004 }
loss = LOSS
augment = [{ kind = "brightness" }]
[[stage]]
kind = "quantize"
calibration = 16
"""


def draw(labels: tuple[str, ...], seed: int) -> np.ndarray:
    """Return (48, 48, 3) uint8 pixels: bars at the left, a disc at the right, both or none."""
    rng = np.random.default_rng(seed)
    pixels = np.full((48, 48, 3), rng.integers(30, 70, 3), np.uint8)
    colour = tuple(int(value) for value in rng.integers(170, 255, 3))
    if "bars" in labels:
        for x in range(2, 20, 5):
            cv2.line(pixels, (x, 2), (x, 45), colour, 2)
    if "disc" in labels:
        cv2.circle(pixels, (34, int(rng.integers(14, 34))), 10, colour, -1)
    return pixels


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("several")
    lines = []
    counts = {"train": 16, "validation": 6, "test": 6}
    kinds: tuple[tuple[str, ...], ...] = ((), ("bars",), ("disc",), ("bars", "disc"))
    for seed, (split, labels, number) in enumerate(
        (split, labels, number)
        for (split, count), labels in itertools.product(counts.items(), kinds)
        for number in range(count)
    ):
        name = f"{split}-{'-'.join(labels) or 'none'}-{number}.png"
        assert cv2.imwrite(str(root / name), draw(labels, seed))
        lines.append(msgspec.json.encode({"path": name, "labels": labels, "split": split}))
    (root / "labels.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return root


def made(pictures: Path, folder: Path, stages: str) -> BuiltModel:
    recipe = folder / "several.toml"
    recipe.write_text(DATA + stages, encoding="utf-8")
    return build(
        recipe, pictures, folder / "runs", reporter=Reporter(quiet=True), cache=folder / "cache"
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(HEAD, id="head"),
        pytest.param(TRAIN.replace("LOSS", '{ kind = "binary-focal" }'), id="focal"),
    ],
)
def built(
    pictures: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> BuiltModel:
    return made(pictures, tmp_path_factory.mktemp("built"), request.param)


def test_every_label_is_learned(built: BuiltModel) -> None:
    for model in built.report.models:
        assert model.top1 is None
        assert model.confusion is None
        assert min(model.mean_average_precision or 0, model.micro_f1 or 0) >= 0.9
        assert all(one.average_precision is not None for one in model.classes)
    assert built.report.parity.agreement >= 0.8


@pytest.mark.parametrize("which", ["int8", "float"])
def test_the_contract_says_so(built: BuiltModel, which: str) -> None:
    path = getattr(built, which)
    with Classifier.open(path) as classifier:
        verify(classifier).require(which)
    bundle = Bundle.open(path)
    assert bundle.contract.task == "multi-label"
    assert bundle.contract.thresholds == built.report.thresholds
    assert bundle.manifest is not None
    measured = [figure.metric for figure in bundle.manifest.accuracy]
    assert measured[:3] == ["mean average precision", "micro F1", "macro F1"]


def test_the_classifier_says_all_that_apply_or_nothing(built: BuiltModel, pictures: Path) -> None:
    right, sizes = [], set()
    with Classifier.open(built.int8) as classifier:
        for path in sorted(pictures.glob("test-*.png")):
            (frame,) = open_source(path)
            said = {one.label for one in classifier.classify(frame, top_k=None).predictions}
            right.append(said == set(path.stem.split("-")[1:-1]) - {"none"})
            sizes.add(len(said))
    assert len(right) == 24
    assert sum(right) >= 20
    assert sizes == {0, 1, 2}


def test_a_loss_for_one_label_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="binary-cross-entropy"):
        made(pictures, tmp_path, TRAIN.replace("LOSS", '{ kind = "focal" }'))


def test_oversampling_by_class_is_refused(pictures: Path, tmp_path: Path) -> None:
    stages = TRAIN.replace("LOSS", '{ kind = "binary-cross-entropy" }')
    recipe = tmp_path / "several.toml"
    text = DATA.replace('class_weights = { kind = "inverse" }', "oversample = {}") + stages
    recipe.write_text(text, encoding="utf-8")
    with pytest.raises(EdgeRecogError, match="oversample"):
        build(recipe, pictures, tmp_path / "runs", reporter=Reporter(quiet=True), cache=tmp_path)


def test_a_teacher_of_several_labels_teaches(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "teacher.toml").write_text(
        DATA + TRAIN.replace("LOSS", '{ kind = "binary-cross-entropy" }'), encoding="utf-8"
    )
    pupil = TRAIN.replace("width = 2.0", "").replace("LOSS", '{ kind = "binary-cross-entropy" }')
    pupil = pupil.replace(
        'kind = "train"', 'kind = "distill"\nteacher = "teacher.toml"\nshare = 1.0'
    )
    built = made(pictures, tmp_path, pupil)

    (stage,) = built.report.stages
    assert stage.kind == "distill"
    # From nothing but what the teacher says.
    assert (built.report.models[1].mean_average_precision or 0) >= 0.8
    assert [point.name for point in built.report.points] == ["teacher several", "distilled", "INT8"]
