"""The stage `sparsify`: zeros reach the file, and only weights with all of them are kept."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from edge_recog_converter.build import build
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.reporting import Reporter
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = """
schema_version = 1
name = "thin"
seed = 5
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
kind = "sparsify"
sparsity = { target = 0.6, every = 2 }
epochs = 4
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.001, average = 0.5 }
[[stage]]
kind = "quantize"
calibration = 12
accept = { max_drop = 100.0, min_agreement = 0.0 }
"""


def test_zeros_are_in_the_file(
    zero_shares: Callable[[bytes], dict[str, float]], small_pictures: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "thin.toml"
    recipe.write_text(RECIPE)
    said = io.StringIO()
    built = build(
        recipe, small_pictures, tmp_path / "runs", cache=tmp_path / "cache",
        reporter=Reporter(console=Console(file=said, width=300)),
    )  # fmt: skip

    shares = sorted(zero_shares(built.int8.read_bytes()).values())
    # All but the first kernel, which sees pixels.
    assert shares[1] >= 0.59
    assert shares[0] < 0.3
    _, last = built.report.stages
    assert last.kind == "sparsify"
    assert last.best >= 3
    assert [point.name for point in built.report.points][:2] == ["dense", "sparsified"]
    assert "60% of the weights of 4 layers are zero" in said.getvalue()
    assert "TFLite computes with zeros as with other weights" in said.getvalue()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ('kind = "train"', "must be the last one before quantize"),
        ('kind = "sparsify"\nsparsity = { pattern = "2:4", target = 0.9 }', "leave target out"),
    ],
)
def test_zeros_are_the_last_thing_to_be_learned(stage: str, message: str, tmp_path: Path) -> None:
    recipe = tmp_path / "thin.toml"
    last = RECIPE.index('[[stage]]\nkind = "quantize"')
    recipe.write_text(f"{RECIPE[:last]}[[stage]]\n{stage}\n{RECIPE[last:]}")

    with pytest.raises(RecipeError, match=message):
        build(recipe, tmp_path, tmp_path, reporter=Reporter(quiet=True))
