"""`edge-recog compress`: a recipe is written from what is asked, and followed."""

from __future__ import annotations

import string
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_converter.build import build
from edge_recog_converter.commands import compress_app
from edge_recog_converter.compressing import (
    Wishes,
    compress,
    numbers,
    pairs,
    recipe_of,
    side,
    toml,
)
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.recipe import DataSection, parse_recipe
from edge_recog_converter.reporting import Reporter
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from edge_recog_converter.build import BuiltModel

RECIPE = """
schema_version = 1
name = "plain"
seed = 5
[model]
architecture = "lenet-5"
weights = "none"
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 8
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.003 }
[[stage]]
kind = "quantize"
calibration = 12
accept = { max_drop = 100.0, min_agreement = 0.0 }
"""
LOOSE: dict[str, Any] = {"max_drop": 100.0, "min_agreement": 0.0}

VALUES = st.recursive(
    st.text(st.characters(exclude_categories=("Cs",)))
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=32).map(float),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_lowercase, min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def trained(small_pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltModel:
    folder = tmp_path_factory.mktemp("plain")
    recipe = folder / "plain.toml"
    recipe.write_text(RECIPE)
    return build(
        recipe, small_pictures, folder, reporter=Reporter(quiet=True), cache=folder / "cache"
    )


@given(st.dictionaries(st.text(string.ascii_lowercase, min_size=1), VALUES, max_size=3))
def test_what_is_written_is_read_again(values: dict[str, Any]) -> None:
    document = {"name": "x", "section": values, "stage": [values]}

    assert tomllib.loads(toml(document)) == document


def test_the_recipe_says_what_was_asked(tmp_path: Path) -> None:
    network = tmp_path / 'My "best" Netz.keras'
    wishes = Wishes(
        budget={"latency": "2x", "parameters": "500000"},
        max_drop=1.0,
        steps=2,
        labels=tmp_path / "labels.txt",
        mean=(1.0, 2.0, 3.0),
        std=(4.0,),
        side=(96, 128),
        seed=9,
    )
    recipe = parse_recipe(toml(recipe_of(network, wishes, DataSection())), where="x")

    assert recipe.name == "my-best-netz-small"
    assert recipe.model.weights == str(network)
    assert recipe.model.input is not None
    assert (recipe.model.input.height, recipe.model.input.width) == (96, 128)
    prune, quantize = recipe.stage
    assert prune.budget.parameters == 500_000  # type: ignore[union-attr]
    assert quantize.accept.max_drop == 1.0  # type: ignore[union-attr]
    assert recipe.seed == 9


def test_a_network_becomes_smaller(
    trained: BuiltModel, small_pictures: Path, tmp_path: Path
) -> None:
    wishes = Wishes(budget={"parameters": "2x"}, steps=1, epochs=2, **LOOSE)
    built = compress(
        trained.folder / "model.keras", small_pictures, tmp_path / "runs", wishes,
        reporter=Reporter(quiet=True), cache=tmp_path / "cache",
    )  # fmt: skip

    assert built.report.parameters <= trained.report.parameters / 2
    assert built.report.points[0].name == "before pruning"
    assert built.int8.stat().st_size < trained.int8.stat().st_size


def test_without_a_budget_it_is_quantised_only(
    trained: BuiltModel, small_pictures: Path, tmp_path: Path
) -> None:
    network = tmp_path / "elsewhere.keras"
    network.write_bytes((trained.folder / "model.keras").read_bytes())
    labels = tmp_path / "labels.txt"
    # In another order than the classifier's, which it is told nothing of: all answers are wrong.
    labels.write_text("noise\ncircles\nlines\n")
    said = {}
    for order, text in {"right": "circles\nlines\nnoise\n", "wrong": labels.read_text()}.items():
        labels.write_text(text)
        wishes = Wishes(
            budget={}, labels=labels, mean=(127.5,), std=(127.5,), side=(32, 32), **LOOSE
        )
        built = compress(
            network, small_pictures, tmp_path / order, wishes,
            reporter=Reporter(quiet=True), cache=tmp_path / "cache",
        )  # fmt: skip
        said[order] = built.report.models[0].top1
        assert built.report.parameters == trained.report.parameters
        assert built.report.stages == ()
    assert said["right"] == trained.report.models[0].top1
    assert (said["wrong"] or 0) < 0.4


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "does not say what its outputs mean.*--labels"),
        ("circles\nlines\n", "tells 2 labels apart and the pictures have 3, and 1 differ"),
        ("circles\nlines\nrain\n", "2 differ, such as 'noise'"),
    ],
)
def test_classes_that_differ_are_refused(
    labels: str | None, message: str, trained: BuiltModel, small_pictures: Path, tmp_path: Path
) -> None:
    network, file = tmp_path / "n.keras", tmp_path / "labels.txt"
    network.write_bytes((trained.folder / "model.keras").read_bytes())
    file.write_text(labels or "")
    wishes = Wishes(
        budget={}, labels=file if labels else None, mean=(127.5,), std=(127.5,), side=(32, 32)
    )
    with pytest.raises(RecipeError, match=message):
        compress(network, small_pictures, tmp_path, wishes, reporter=Reporter(quiet=True))


def test_options_are_read_or_refused() -> None:
    assert pairs(["latency=2x", "macs=3x"]) == {"latency": "2x", "macs": "3x"}
    assert numbers("--mean", "1,2.5,3") == (1.0, 2.5, 3.0)
    assert numbers("--mean", "") == ()
    assert side("96x128") == (96, 128)
    with pytest.raises(UsageError, match="--budget fast"):
        pairs(["fast"])
    with pytest.raises(UsageError, match="--budget speed=2x: write it as latency=2x"):
        pairs(["speed=2x"])
    with pytest.raises(UsageError, match="--std 1;2"):
        numbers("--std", "1;2")
    with pytest.raises(UsageError, match="--input 96"):
        side("96")
    with pytest.raises(RecipeError, match="all three"):
        recipe_of(Path("x.keras"), Wishes(budget={}, mean=(1.0,)), DataSection())


def test_the_verb_takes_them(tmp_path: Path) -> None:
    runner = CliRunner()
    asked = [str(tmp_path / "x.keras"), "--data", str(tmp_path), "--budget", "fast"]

    outcome = runner.invoke(compress_app, asked)

    assert isinstance(outcome.exception, UsageError)
