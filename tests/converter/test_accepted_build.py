"""The stage `quantize`: what is not good enough does not ship, and nobody trains again for it."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import pytest
from edge_recog_converter import accepted
from edge_recog_converter.acceptance import judging, ladder
from edge_recog_converter.acceptance.ladder import NotAcceptedError
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.reporting import Reporter
from rich.console import Console

from edge_recog import Classifier
from edge_recog.verification import verify

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
schema_version = 1
name = "strict"
seed = 5
license = "CC0-1.0"
description = "Patterns, for tests."
[card]
data = "36 made-up patterns"
limits = "Knows nothing else."
[model]
architecture = "lenet-5"
weights = "none"
width = 2.0
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 6
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.003 }
[[stage]]
kind = "quantize"
calibration = 12
"""

LOOSE = "accept = { max_drop = 100.0, min_agreement = 0.0 }"


def follow(folder: Path, data: Path, quantize: str) -> tuple[BuiltModel, str]:
    recipe = folder / "strict.toml"
    recipe.write_text(RECIPE + quantize)
    said = io.StringIO()
    reporter = Reporter(console=Console(file=said, width=300))
    built = build(recipe, data, folder / "runs", reporter=reporter, cache=folder / "cache")
    return built, said.getvalue()


def test_attempts_are_in_the_report_and_the_card_in_the_file(
    small_pictures: Path, tmp_path: Path
) -> None:
    built, said = follow(tmp_path, small_pictures, 'accept = { rungs = ["calibration"] }')

    (attempt, *_) = built.report.attempts
    assert attempt.rung == "calibration"
    assert built.report.attempts[-1].accepted
    assert attempt.count == built.report.data.pictures["validation"]
    assert attempt.converter.startswith("TFLiteConverter of TensorFlow")
    assert "INT8 accepted at step 2 of 5 (calibration: ranges by" in said
    from edge_recog.inspection import inspect_file

    document = inspect_file(built.int8).document()
    assert document["card"]["data"] == "36 made-up patterns"
    assert (document["license"], document["description"]) == ("CC0-1.0", "Patterns, for tests.")


def test_what_is_refused_does_not_ship_and_need_not_be_trained_again(
    small_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = judging.judged

    def never(*arguments: object) -> judging.Verdict:
        verdict = real(*arguments)  # type: ignore[arg-type]
        wanting = {"reason": "agreement is 0.0 %, at least 97 % are wanted", "excess": 0.97}
        return judging.Verdict(
            **{name: getattr(verdict, name) for name in verdict.__slots__} | wanting
        )

    monkeypatch.setattr(ladder, "judged", never)
    with pytest.raises(
        NotAcceptedError, match=r"the best of 2.*agreement is 0.0 %.*loosen"
    ) as raised:
        follow(tmp_path, small_pictures, 'accept = { rungs = ["post-training", "equalisation"] }')
    assert [attempt.rung for attempt in raised.value.attempts] == ["post-training", "equalisation"]
    assert not list((tmp_path / "runs").rglob("*.tflite"))

    monkeypatch.setattr(ladder, "judged", real)
    built, _ = follow(
        tmp_path, small_pictures, "accept = { max_drop = 100.0, min_agreement = 0.0 }"
    )
    assert built.report.stages[0].resumed_after == 6


def test_further_kinds_of_files_are_written_and_measured(
    small_pictures: Path, tmp_path: Path
) -> None:
    kinds = ["float16", "dynamic-range", "int16x8"]
    built, said = follow(tmp_path, small_pictures, f"also = {kinds}\n{LOOSE}")

    assert [other.kind for other in built.report.others] == kinds
    for other in built.report.others:
        path = built.folder / f"strict-{other.kind}.tflite"
        assert path.stat().st_size == other.size_bytes
        with Classifier.open(path) as classifier:
            verify(classifier).require(other.kind)
        assert other.agreement >= 0.9
        assert f"{other.kind}: top-1" in said
    float16, dynamic, _ = (other.size_bytes for other in built.report.others)
    assert dynamic < float16 < built.float.stat().st_size


def test_frames_of_a_folder_are_calibrated_on(small_pictures: Path, tmp_path: Path) -> None:
    data, frames = tmp_path / "data", tmp_path / "frames"
    shutil.copytree(small_pictures, data)
    frames.mkdir()
    for number, path in enumerate(sorted((data / "train").rglob("*.png"))[:5]):
        shutil.copy(path, frames / f"frame-{number}.png")
    shutil.copy(next((data / "test").rglob("*.png")), frames / "of-test.png")

    built, said = follow(tmp_path, data, 'pictures = "../frames"')

    used = (built.folder / "calibration.txt").read_text().split()
    assert used == [f"frames/frame-{number}.png" for number in range(5)]
    assert "calibrated on" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a folder"),
        ({}, "no picture in it"),
        ({"notes.txt": b"nothing"}, "no picture in it"),
        ({"broken.png": b"this is no picture"}, "no picture to calibrate on can be read"),
    ],
    ids=["missing", "empty", "other files", "broken"],
)
def test_a_calibration_folder_without_pictures_is_refused_before_training(
    content: dict[str, bytes] | None,
    message: str,
    small_pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_recog_converter.trained.learn", lambda *_, **__: pytest.fail("ran"))
    frames = tmp_path / "frames"
    if content is not None:
        frames.mkdir()
        for name, data in content.items():
            (frames / name).write_bytes(data)

    with pytest.raises(DatasetError, match=message):
        follow(tmp_path, small_pictures, f'pictures = "{frames}"')


def test_it_is_judged_as_it_would_ship(
    small_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the runtime's classifier, with the contract's scores: they add up to 1."""
    judged = []
    run = accepted.run

    def watched(*arguments: object) -> object:
        judged.append(run(*arguments))  # type: ignore[arg-type]
        return judged[-1]

    monkeypatch.setattr(accepted, "run", watched)
    follow(tmp_path, small_pictures, LOOSE)

    assert len(judged) == 2
    for answers in judged:
        assert answers.scores.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
