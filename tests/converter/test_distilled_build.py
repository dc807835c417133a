"""The stage `distill`: teachers of every kind, more pictures, and what is refused in time."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import pytest
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.errors import DatasetError, RecipeError
from edge_recog_converter.reporting import Reporter
from rich.console import Console

if TYPE_CHECKING:
    from pathlib import Path

TEACHER = """
schema_version = 1
name = "teacher"
seed = 5
[model]
architecture = "lenet-5"
weights = "none"
width = 2.0
input = { height = 48, width = 48 }
[[stage]]
kind = "train"
epochs = 10
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.003 }
[[stage]]
kind = "quantize"
calibration = 12
"""
PUPIL = """
schema_version = 1
name = "pupil"
seed = 6
[model]
architecture = "lenet-5"
weights = "none"
input = { height = 32, width = 32 }
[[stage]]
kind = "distill"
teacher = TEACHER
epochs = 8
views = 2
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.003 }
augment = [{ kind = "flip" }]
[[stage]]
kind = "quantize"
calibration = 12
"""


def follow(
    folder: Path, data: Path, teacher: str, *, more: str = "", cache: Path | None = None
) -> tuple[BuiltModel, str]:
    """Build the pupil; return it and what was said."""
    recipe = folder / "pupil.toml"
    text = PUPIL.replace("TEACHER", teacher)
    recipe.write_text(text.replace("views = 2", more or "views = 2"), encoding="utf-8")
    (folder / "teacher.toml").write_text(TEACHER, encoding="utf-8")
    said = io.StringIO()
    reporter = Reporter(console=Console(file=said, width=200))
    built = build(recipe, data, folder / "runs", reporter=reporter, cache=cache or folder / "cache")
    return built, said.getvalue()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def teacher(
    small_pictures: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> BuiltModel:
    folder = tmp_path_factory.mktemp("teacher")
    recipe = folder / "teacher.toml"
    recipe.write_text(TEACHER, encoding="utf-8")
    return build(recipe, small_pictures, folder, reporter=Reporter(quiet=True), cache=cache)


def test_a_recipe_makes_the_teacher_once(small_pictures: Path, tmp_path: Path) -> None:
    built, said = follow(tmp_path, small_pictures, '"teacher.toml"')
    _, again = follow(tmp_path, small_pictures, '"teacher.toml"')

    (stage,) = built.report.stages
    assert (stage.kind, len(stage.epochs)) == ("distill", 8)
    assert (built.report.models[0].top1 or 0) >= 0.6
    assert "teacher is made first" in said
    assert "teacher is made first" not in again
    assert "teacher, for pictures of 48 x 48" in again
    assert not list(built.folder.glob("teacher*"))


@pytest.mark.parametrize("kind", ["int8", "float", "model.keras"])
def test_files_are_teachers(
    teacher: BuiltModel, kind: str, small_pictures: Path, cache: Path, tmp_path: Path
) -> None:
    file = teacher.folder / kind if "." in kind else getattr(teacher, kind)
    built, said = follow(tmp_path, small_pictures, f'"{file}"', cache=cache)

    assert "for pictures of 48 x 48" in said
    assert (built.report.models[0].top1 or 0) >= 0.6


def test_several_teachers_and_a_teachers_features(
    teacher: BuiltModel, small_pictures: Path, cache: Path, tmp_path: Path
) -> None:
    both = f'["{teacher.int8}", "{teacher.float}"]'
    _, said = follow(tmp_path, small_pictures, both, cache=cache)
    assert said.count("for pictures of 48 x 48") == 2

    network = f'"{teacher.folder / "model.keras"}"'
    built, _ = follow(tmp_path, small_pictures, network, more="features = 0.1", cache=cache)
    plain, _ = follow(tmp_path, small_pictures, network, cache=cache)
    assert built.report.parameters == plain.report.parameters
    assert built.report.stages[0].epochs[0].loss > plain.report.stages[0].epochs[0].loss


def test_pictures_without_labels_are_learned_from_too(
    teacher: BuiltModel, small_pictures: Path, cache: Path, tmp_path: Path
) -> None:
    data, more = tmp_path / "data", tmp_path / "more"
    shutil.copytree(small_pictures, data)
    more.mkdir()
    taken = sorted((data / "train").rglob("*.png"))[:6]
    for number, path in enumerate(taken):
        shutil.move(path, more / f"{number}.png")
    shutil.copy(next((data / "test").rglob("*.png")), more / "known.png")

    built, said = follow(
        tmp_path, data, f'"{teacher.float}"', more='unlabelled = "../more"', cache=cache
    )

    assert "6 more pictures without labels; 1 in the same folder" in said
    assert (built.report.models[0].top1 or 0) >= 0.6


def test_a_teacher_of_other_classes_is_refused_before_anything_is_learned(
    teacher: BuiltModel, small_pictures: Path, cache: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(small_pictures, data)
    for folder in data.glob("*/noise"):
        folder.rename(folder.with_name("rain"))

    with pytest.raises(RecipeError, match=r"does not know 'rain', one of 2 labels that differ"):
        follow(tmp_path, data, f'"{teacher.float}"', cache=cache)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "more", "error", "message"),
    [
        ('"nobody.tflite"', "", RecipeError, "nobody.tflite: there is no such teacher"),
        ('"nobody.toml"', "", RecipeError, "nobody.toml: cannot be read"),
        ('"pupil.toml"', "", RecipeError, "pupil.toml: it is its own teacher"),
        ('"teacher.toml"', 'unlabelled = "nowhere"', DatasetError, "nowhere: not a folder"),
        ('["a.keras", "b.keras"]', "features = 1.0", RecipeError, "from one teacher"),
        ("[]", "", RecipeError, "teacher"),
    ],
)
def test_what_cannot_teach_is_refused(
    name: str,
    more: str,
    error: type[Exception],
    message: str,
    small_pictures: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        follow(tmp_path, small_pictures, name, more=more)


def test_features_of_a_model_file_are_refused(
    teacher: BuiltModel, small_pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="gives scores, no features"):
        follow(tmp_path, small_pictures, f'"{teacher.float}"', more="features = 1.0")


def test_what_a_teacher_learned_by_is_its_own(
    teacher: BuiltModel, small_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks on its way are none of the pupil's, and another balance makes another teacher."""
    by_file = f'kind = "distill"\nteacher = "{teacher.folder / "model.keras"}"'
    (tmp_path / "taught.toml").write_text(
        TEACHER.replace('"teacher"', '"taught"').replace('kind = "train"', by_file),
        encoding="utf-8",
    )
    built, said = follow(tmp_path, small_pictures, '"taught.toml"')

    names = [point.name for point in built.report.points]
    assert names == ["teacher taught", "distilled", "INT8"]
    assert "taught is made first" in said

    balanced = PUPIL.replace("[model]", "[data]\nbalance = { oversample = {} }\n[model]")
    monkeypatch.setitem(globals(), "PUPIL", balanced)
    _, again = follow(tmp_path, small_pictures, '"taught.toml"')
    assert "taught is made first" in again
