"""The stage `prune`: budgets are met or refused in time, and a cut-off build goes on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_converter import pruned
from edge_recog_converter.build import BuiltModel, build
from edge_recog_converter.errors import PruningError, RecipeError
from edge_recog_converter.reporting import Reporter
from rich.console import Console

from edge_recog import Classifier
from edge_recog.verification import verify

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
schema_version = 1
name = "narrow"
seed = 5
[model]
architecture = "resnet-8"
weights = "none"
input = { height = 32, width = 32 }
[[stage]]
kind = "train"
epochs = 4
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.003 }
[[stage]]
kind = "prune"
budget = BUDGET
steps = 2
epochs = 3
epochs_between = 2
batch_size = 12
optimizer = { kind = "adamw", learning_rate = 0.001 }
[[stage]]
kind = "quantize"
calibration = 12
"""


def follow(
    folder: Path, data: Path, budget: str, *, more: str = "steps = 2"
) -> tuple[BuiltModel, str]:
    recipe = folder / "narrow.toml"
    recipe.write_text(RECIPE.replace("BUDGET", budget).replace("steps = 2", more))
    said = io.StringIO()
    reporter = Reporter(console=Console(file=said, width=200))
    built = build(recipe, data, folder / "runs", reporter=reporter, cache=folder / "cache")
    return built, said.getvalue()


@pytest.mark.parametrize(
    ("budget", "more"),
    [
        ('{ macs = "2x" }', 'steps = 2\nscore = "taylor"'),
        ("{ parameters = 40_000 }", 'steps = 2\nscore = "gamma"\nviews = 1'),
        ('{ latency = "1000ms", macs = "1.5x" }', "steps = 2"),
    ],
)
def test_a_budget_is_met(budget: str, more: str, small_pictures: Path, tmp_path: Path) -> None:
    built, said = follow(tmp_path, small_pictures, budget, more=more)

    before, first, last, int8 = built.report.points
    assert before.name == "before pruning"
    assert (int8.name, int8.macs, int8.parameters) == ("INT8", last.macs, last.parameters)
    assert before.speed_up == 1
    assert before.macs > first.macs > last.macs
    if "macs" in budget:
        assert last.macs <= before.macs / float(budget.split('"')[-2].rstrip("x"))
    else:
        assert last.parameters <= 40_000
    assert built.report.parameters == last.parameters
    assert [stage.kind for stage in built.report.stages] == ["train", "prune", "prune"]
    assert [len(stage.epochs) for stage in built.report.stages] == [4, 2, 3]
    assert "fewer multiply-accumulates" in said
    with Classifier.open(built.int8) as classifier:
        verify(classifier).require("narrow")


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ('{ latency = "1000x" }', r"runs .* times faster here, and 1e\+03 are asked for: ask for"),
        ("{ macs = 10 }", r"multiply-accumulates, and 10 are asked for"),
        ('{ parameters = "500x" }', r"parameters, and .* are asked for"),
    ],
)
def test_an_impossible_budget_is_refused_before_anything_is_learned(
    budget: str, message: str, small_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_recog_converter.trained.learn", lambda *_, **__: pytest.fail("ran"))

    with pytest.raises(PruningError, match=message):
        follow(tmp_path, small_pictures, budget)
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    ("budget", "more", "error", "message"),
    [
        ('{ macs = "2x" }', 'protected = ["conv_9"]', PruningError, "no layer 'conv_9'.*did you"),
        ("{}", "", RecipeError, "a budget needs latency, macs or parameters"),
        ('{ latency = "fast" }', "", RecipeError, 'latency must be like "2x" or "3.5ms"'),
        ('{ latencies = "2x" }', "", RecipeError, "did you mean `latency`"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(
    budget: str,
    more: str,
    error: type[Exception],
    message: str,
    small_pictures: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        follow(tmp_path, small_pictures, budget, more=more or "steps = 2")


def test_a_build_that_was_cut_off_keeps_to_what_it_had_found(
    small_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Latency is never measured the same twice, and weights of one structure fit no other."""
    found: list[float] = []
    find, learn = pruned._found, pruned.learn

    def counted(*arguments: Any) -> float:
        found.append(find(*arguments))
        return found[-1]

    def cut_off(*arguments: Any, **named: Any) -> Any:
        if len(found) == 2:
            raise KeyboardInterrupt
        return learn(*arguments, **named)

    monkeypatch.setattr(pruned, "_found", counted)
    monkeypatch.setattr(pruned, "learn", cut_off)
    with pytest.raises(KeyboardInterrupt):
        follow(tmp_path, small_pictures, '{ latency = "1000ms", macs = "2x" }')
    monkeypatch.setattr(pruned, "learn", learn)
    built, _ = follow(tmp_path, small_pictures, '{ latency = "1000ms", macs = "2x" }')

    assert len(found) == 2
    assert [stage.resumed_after for stage in built.report.stages] == [4, 2, 0]
    assert not list(built.folder.glob("*.state"))
