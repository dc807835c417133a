"""`edge-recog compress`: a network that somebody trained with Keras, made smaller and faster.

It is a build whose recipe is written here, and kept in the run's folder as any other.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_recog.errors import UsageError
from edge_recog_converter.build import Source, follow
from edge_recog_converter.datasets.finding import detect_layout
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.pruning.sections import PruningBudget
from edge_recog_converter.recipe import parse_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_converter.build import BuiltModel
    from edge_recog_converter.recipe import DataSection
    from edge_recog_converter.reporting import Reporter

_NAME: Final = "compress"
"""Of the recipe, in messages."""
_LIMITS: Final = PruningBudget.__struct_fields__
_UNSUITABLE: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is asked of the smaller model; None leaves it to the recipe's default."""

    budget: Mapping[str, str]
    """Of `latency`, `macs` and `parameters`, such as `2x`; empty to quantise only."""
    max_drop: float | None = None
    """Percentage points of the score that INT8 may lose against float."""
    min_agreement: float | None = None
    """Share of pictures, 0-1, of which both must say the same."""
    confidence: float | None = None
    """0-1, of the statements about the loss."""
    steps: int | None = None
    """In which channels are removed."""
    epochs: int | None = None
    """Of learning after the last step."""
    labels: Path | None = None
    """Text file with a label a line, in the order of the network's outputs."""
    mean: Sequence[float] = ()
    """Subtracted from pixels 0-255, one number or one a channel."""
    std: Sequence[float] = ()
    """Divides after `mean`."""
    side: tuple[int, int] | None = None
    """Height and width of the input, with `mean` and `std`."""
    seed: int = 0


def compress(
    network: Path,
    data: Path,
    out: Path,
    wishes: Wishes,
    *,
    reporter: Reporter,
    section: DataSection | None = None,
    cache: Path | None = None,
) -> BuiltModel:
    """Make a network smaller and faster, and INT8, as far as its accuracy allows.

    Args:
        network: A `.keras` file with a classifier.
        data: Folder of pictures of its classes.
        out: Where the run's folder is made.
        wishes: What is asked.
        reporter: Told how it goes.
        section: How the pictures are laid out; found out if None.
        cache: Of decoded pictures.

    Raises:
        EdgeRecogError: Something is missing, or the wishes cannot be met.
    """
    document = recipe_of(network, wishes, section or detect_layout(data))
    text = toml(document)
    source = Source(parse_recipe(text, where=_NAME), text, Path(_NAME))
    return follow(source, data, out, reporter=reporter, cache=cache)


def recipe_of(network: Path, wishes: Wishes, section: DataSection) -> dict[str, Any]:
    """Return the recipe, as plain values.

    Raises:
        RecipeError: Wishes contradict each other.
    """
    if bool(wishes.mean) != bool(wishes.std) or bool(wishes.mean) != bool(wishes.side):
        raise RecipeError(
            "give --mean, --std and --input all three, or none for a network beside which the "
            "model file of its build lies"
        )
    stem = _UNSUITABLE.sub("-", network.stem.lower()).strip("-._") or "model"
    model: dict[str, Any] = {"weights": str(network.resolve())}
    if wishes.labels is not None:
        model["labels"] = str(wishes.labels.resolve())
    if wishes.side is not None:
        height, width = wishes.side
        model["input"] = {
            "height": height, "width": width, "mean": list(wishes.mean), "std": list(wishes.std),
        }  # fmt: skip
    accept = {"max_drop": wishes.max_drop, "min_agreement": wishes.min_agreement,
              "confidence": wishes.confidence}  # fmt: skip
    stages: list[dict[str, Any]] = []
    if wishes.budget:
        budget = {name: _limit(value) for name, value in wishes.budget.items()}
        prune = {"kind": "prune", "budget": budget, "score": "taylor",
                 "steps": wishes.steps, "epochs": wishes.epochs}  # fmt: skip
        stages.append(_said(prune) | _LEARNING)
    stages.append({"kind": "quantize", "accept": _said(accept)})
    return {
        "schema_version": 1,
        "name": f"{stem}-small"[:64],
        "seed": wishes.seed,
        "data": {"splits": section.splits, "manifest": section.manifest,
                 "pictures": section.pictures, "groups": section.groups},
        "model": model,
        "stage": stages,
    }  # fmt: skip


_LEARNING: Final[dict[str, Any]] = {
    "optimizer": {"kind": "adamw", "learning_rate": 4e-4, "average": 0.99},
    "schedule": {"kind": "cosine", "warm_up_epochs": 0.5},
    "views": 8,
    "augment": [{"kind": "rotation", "degrees": 10.0}, {"kind": "zoom"}, {"kind": "brightness"}],
}
"""How a network that has learned already learns to do without some of its channels. Pictures are
not mirrored: nobody has said that left and right are alike."""


def _limit(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdigit() else text


def _said(wishes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in wishes.items() if value is not None}


def toml(document: Mapping[str, Any]) -> str:
    """Return a recipe's plain values as TOML: sections, and stages as an array of tables."""
    lines: list[str] = []
    for key, value in document.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *(f"{name} = {_value(one)}" for name, one in value.items())]
        elif key == "stage":
            for stage in value:
                lines += ["", "[[stage]]"]
                lines += [f"{name} = {_value(one)}" for name, one in stage.items()]
        else:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # What JSON escapes, TOML's basic strings escape alike; DEL must not stand there as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return what texts such as `latency=2x` say.

    Raises:
        UsageError: One says nothing.
    """
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name.strip() not in _LIMITS or not value.strip():
            raise UsageError(f"--budget {text}: write it as latency=2x, macs=2x or parameters=2x")
        found[name.strip()] = value.strip()
    return found


def numbers(option: str, text: str) -> tuple[float, ...]:
    """Return the numbers of a text such as `123.7,116.3,103.5`; none for an empty one.

    Raises:
        UsageError: It has something else.
    """
    try:
        return tuple(float(one) for one in text.split(",")) if text else ()
    except ValueError as error:
        raise UsageError(f"{option} {text}: write one number, or one a channel: 1,2,3") from error


def side(text: str) -> tuple[int, int] | None:
    """Return height and width of a text such as `224x224`; None for an empty one.

    Raises:
        UsageError: It is no size.
    """
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if found is None:
        raise UsageError(f"--input {text}: write it as HEIGHTxWIDTH, such as 224x224")
    return int(found[1]), int(found[2])
