"""A recipe: how a model is made, as strict and versioned TOML.

The example is what the tests parse:

    schema_version = 1
    name = "clothing"
    seed = 7

    [data]
    splits = "folders"              # train/, validation/ and test/, each with a folder a class

    [model]
    architecture = "efficientnet-lite0"
    weights = "imagenet"
    input = { height = 224, width = 224, crop = "center-crop", interpolation = "linear" }

    [[stage]]
    kind = "train"
    epochs = 60

    [[stage]]
    kind = "quantize"
    calibration = 200

Format history of `schema_version`:

- 1: first version.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec

# msgspec reads the annotations below when it decodes.
from edge_recog.preprocessing import Crop, Interpolation, Preprocessing
from edge_recog_converter.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1

Architecture = Literal["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]
Share = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
Side = Annotated[int, msgspec.Meta(ge=32, le=1024)]


class DataSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the pictures' classes and splits come from."""

    splits: Literal["folders", "stratified", "manifest"] = "folders"
    """`folders`: DATA/train/CLASS/*; `stratified`: DATA/CLASS/*, split here by `validation`, `test`
    and the seed; `manifest`: a CSV file with the columns file, label and split."""
    validation: Share = 0.1
    """Share of each class, for `stratified`."""
    test: Share = 0.1
    """Share of each class, for `stratified`."""
    manifest: str = "labels.csv"
    """The CSV file below DATA, for `manifest`."""
    pictures: str = "."
    """Folder below DATA that the manifest's files are relative to."""


class InputSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Size and geometry of the network's input."""

    height: Side
    width: Side
    crop: Crop = "center-crop"
    interpolation: Interpolation = "linear"


class ModelSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The network to start from."""

    architecture: Architecture
    weights: Literal["imagenet"] = "imagenet"
    input: InputSection | None = None
    """The architecture's native size if left out."""


class TrainStage(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="train",
    tag_field="kind",
):  # fmt: skip
    """Train a new classifier on the frozen network's features."""

    epochs: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 40
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 64
    learning_rate: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 3e-4
    """Of Adam, at the start; falls to 0 along a cosine (Loshchilov, Hutter, arXiv:1608.03983)."""
    l2: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.06
    """Penalty on the squared weights, for features scaled to variance 1."""
    label_smoothing: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    flip: bool = True
    """Train on mirrored pictures too; false for classes that differ by left and right."""


class QuantizeStage(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="quantize",
    tag_field="kind",
):  # fmt: skip
    """Full 8-bit quantisation after training."""

    calibration: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    """Training pictures that set the ranges of activations, drawn with the seed."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole recipe."""

    schema_version: int
    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
    """Of the model and its run's folder."""
    model: ModelSection
    data: DataSection = DataSection()
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    stage: tuple[TrainStage | QuantizeStage, ...] = (TrainStage(), QuantizeStage())

    def __post_init__(self) -> None:
        """Check what no single field can.

        Raises:
            ValueError: The stages are not one `train` followed by one `quantize`, or the shares
                of a stratified split leave nothing to train on.
        """
        kinds = [type(stage) for stage in self.stage]
        if kinds != [TrainStage, QuantizeStage]:
            raise ValueError("stage must be one of kind train, then one of kind quantize")
        if self.data.validation + self.data.test >= 0.9:
            raise ValueError("data.validation and data.test must leave at least 10 % to train on")

    @property
    def train(self) -> TrainStage:
        """The training stage."""
        return _only(self.stage, TrainStage)

    @property
    def quantize(self) -> QuantizeStage:
        """The quantisation stage."""
        return _only(self.stage, QuantizeStage)


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """Return the recipe of a TOML file, and the file's text.

    Raises:
        RecipeError: It cannot be read or followed; the message names the place, and the nearest
            known key for an unknown one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
    return parse_recipe(text, where=str(path)), text


def parse_recipe(text: str, *, where: str) -> Recipe:
    """Return the recipe of a TOML text; errors as in `load_recipe`."""
    try:
        version = msgspec.toml.decode(text, type=dict).get("schema_version")
        if version != SCHEMA_VERSION:
            raise RecipeError(
                f"{where}: schema_version is {version}, this converter reads {SCHEMA_VERSION}; "
                "set it, or upgrade edge-recog-converter"
            )
        return msgspec.toml.decode(text, type=Recipe)
    except msgspec.DecodeError as error:
        raise RecipeError(f"{where}: {_explain(str(error))}") from error


def preprocessing_of(
    model: ModelSection, *, resolution: int, mean: float, std: float
) -> Preprocessing:
    """Return the contract that a recipe asks for.

    Args:
        model: Of the recipe.
        resolution: The architecture's native side, in pixels.
        mean: The architecture's.
        std: The architecture's.
    """
    size = model.input or InputSection(height=resolution, width=resolution)
    return Preprocessing(
        height=size.height,
        width=size.width,
        crop=size.crop,
        interpolation=size.interpolation,
        mean=(mean,),
        std=(std,),
    )


def _explain(message: str) -> str:
    """Add the nearest known key to a message about an unknown one."""
    unknown = re.search(r"unknown field `([^`]+)`", message)
    if unknown is None:
        return message
    near = difflib.get_close_matches(unknown[1], sorted(_known_keys(Recipe)), n=1)
    return f"{message}; did you mean `{near[0]}`?" if near else message


def _known_keys(kind: Any) -> set[str]:
    schema = msgspec.json.schema(kind)
    parts = schema.get("$defs", {}).values()
    return {key for part in parts for key in part.get("properties", {})}


_Stage = TypeVar("_Stage", TrainStage, QuantizeStage)


def _only(stages: tuple[TrainStage | QuantizeStage, ...], kind: type[_Stage]) -> _Stage:
    return next(stage for stage in stages if isinstance(stage, kind))
