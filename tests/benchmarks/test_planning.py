"""From what a user asks for to a plan."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks.device.plan import PictureFrames, SyntheticFrames
from edge_recog_benchmarks.planning import (
    MOST_FRAMES,
    SHAPES,
    Wish,
    prepare,
    read_threads,
    spread,
)

from edge_recog import NotATfliteModelError, SourceError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def detector(mobilenets: Path) -> Path:
    """Return a model that is no classifier: it finds objects."""
    (found,) = mobilenets.glob("*ssd*")
    return found


def names(*models: Path, **wish: object) -> list[str]:
    plan = prepare(Wish(models=models, **wish)).plan  # type: ignore[arg-type]
    return [contestant.name for contestant in plan.contestants]


def test_a_plain_wish_measures_each_model_on_a_test_card(
    uint8_model: Path, float_model: Path
) -> None:
    prepared = prepare(Wish(models=[uint8_model, float_model]))
    plan, shape = prepared.plan, SHAPES["single-stream"]
    assert [one.runner for one in plan.contestants] == ["classifier", "classifier"]
    assert isinstance(plan.frames, SyntheticFrames)
    assert plan.generations * plan.turns * plan.burst_s == pytest.approx(shape.seconds)
    facts = prepared.models[str(uint8_model)]
    assert facts.size_bytes == uint8_model.stat().st_size
    assert facts.labels is not None
    assert len(facts.labels) == 1001
    assert prepared.notes == ()


def test_a_model_without_a_contract_is_measured_bare_with_a_note(detector: Path) -> None:
    prepared = prepare(Wish(models=[detector]))
    (contestant,) = prepared.plan.contestants
    assert contestant.runner == "bare"
    assert prepared.models[str(detector)].labels is None
    (note,) = prepared.notes
    assert note.startswith("only invoke is measured, on random input")


def test_every_number_of_threads_is_a_contestant(uint8_model: Path) -> None:
    stem = uint8_model.stem
    assert names(uint8_model, threads=(1, 2)) == [f"{stem} (1 thread)", f"{stem} (2 threads)"]


def test_bare_is_measured_beside_each_model(uint8_model: Path) -> None:
    assert names(uint8_model, bare=True) == [uint8_model.stem, f"{uint8_model.stem} (bare)"]


def test_the_same_model_twice_has_two_names(uint8_model: Path) -> None:
    assert names(uint8_model, uint8_model) == [uint8_model.stem, f"{uint8_model.stem} #2"]


def test_files_of_the_same_name_are_told_apart_by_their_folders(
    uint8_model: Path, tmp_path: Path
) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        shutil.copy(uint8_model, tmp_path / folder / "model.tflite")
    both = [tmp_path / folder / "model.tflite" for folder in ("old", "new")]
    assert names(*both) == ["old/model", "new/model"]


def test_labelled_pictures_give_accuracy_and_frames_to_decode(
    uint8_model: Path, mobilenets: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures" / "cheeseburger"
    folder.mkdir(parents=True)
    shutil.copy(mobilenets / "burger.jpg", folder)
    wish = Wish(models=[uint8_model], data=tmp_path / "pictures")
    prepared = prepare(wish)
    assert prepared.accuracy is not None
    assert prepared.plan.accuracy == (str(folder / "burger.jpg"),)
    assert prepared.plan.frames == PictureFrames(paths=(str(folder / "burger.jpg"),))


def test_pictures_without_labels_are_only_decoded(uint8_model: Path, mobilenets: Path) -> None:
    prepared = prepare(Wish(models=[uint8_model], data=mobilenets, accuracy=False))
    assert prepared.accuracy is None
    assert isinstance(prepared.plan.frames, PictureFrames)


def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.tflite").write_text("not a model at all")
    with pytest.raises(NotATfliteModelError, match=r"notes\.tflite"):
        prepare(Wish(models=[tmp_path / "notes.tflite"]))


def test_a_folder_without_pictures_is_refused(uint8_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no labelled pictures .* \(--no-accuracy"):
        prepare(Wish(models=[uint8_model], data=tmp_path))
    with pytest.raises(SourceError, match="no picture"):
        prepare(Wish(models=[uint8_model], data=tmp_path, accuracy=False))


@pytest.mark.parametrize(("text", "threads"), [("1", (1,)), ("1, 2,4", (1, 2, 4)), ("2,2", (2,))])
def test_threads_are_a_list(text: str, threads: tuple[int, ...]) -> None:
    assert read_threads(text) == threads


@pytest.mark.parametrize("text", ["", "0", "1,,2", "-1", "two", "1.5", "٣"])
def test_what_is_no_list_of_threads_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="whole numbers from 1 up"):
        read_threads(text)


def test_frames_are_spread_over_all_pictures() -> None:
    assert spread(list(range(5)), 10) == [0, 1, 2, 3, 4]
    assert len(spread(list(range(1000)), MOST_FRAMES)) == MOST_FRAMES
    assert spread(list(range(9)), 3) == [0, 3, 6]
