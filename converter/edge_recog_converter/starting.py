"""The network that a recipe starts from, and how it is fed. Importing this loads no TensorFlow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_recog.foreign import read_labels
from edge_recog.preprocessing import Preprocessing
from edge_recog_converter.architectures import find_architecture
from edge_recog_converter.errors import RecipeError
from edge_recog_converter.pretrained.applications import APPLICATIONS, find_application
from edge_recog_converter.recipe import EFFICIENTNET_LITE, InputSection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_recog_converter.recipe import ModelSection, Recipe


@dataclass(frozen=True, slots=True)
class Start:
    """Where a training begins."""

    model: ModelSection
    """Of the recipe."""
    preprocessing: Preprocessing
    """The contract that the network is fed by."""
    file: Path | None = None
    """Of its weights; None where they are a library's, or drawn."""
    known: tuple[str, ...] | None = None
    """What the file's classifier tells apart, in the order of its outputs; None if nobody says."""

    @property
    def name(self) -> str:
        """What it is, for people."""
        return self.model.architecture or self.model.weights

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the file; empty without one."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest() if self.file else ""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        contract = self.preprocessing
        return contract.height, contract.width, contract.channels

    def features(self) -> Any:
        """Return the pretrained `keras.Model` without a classifier, to (batch, features).

        Raises:
            PretrainedError: Its weights cannot be had, or are not what they should be.
        """
        name, shape = self.model.architecture, self.input_shape
        if self.file is not None:
            from edge_recog_converter.pretrained.saved import saved_network

            return saved_network(self.file, input_shape=shape)
        assert name is not None
        if name in APPLICATIONS:
            from edge_recog_converter.pretrained.applications import pretrained_application

            return pretrained_application(name, width=self.model.width, input_shape=shape)
        from edge_recog_converter.pretrained.efficientnet_lite import pretrained_efficientnet_lite

        variant = EFFICIENTNET_LITE.index(name)
        return pretrained_efficientnet_lite(variant, input_shape=shape, classifier=False)

    def network(self, labels: Sequence[str], *, seed: int) -> Any:
        """Return the `keras.Model` to logits: untrained, or that of the file with its classifier.

        Args:
            labels: What it is to tell apart; a file's must be the same, in any order.
            seed: Of the weights that are drawn.

        Raises:
            RecipeError: It cannot be built like this, or the file's labels are others.
            PretrainedError: The file is not what it should be.
        """
        order = self.order(labels)
        if self.file is None:
            from edge_recog_converter.architectures import build_architecture

            assert self.model.architecture is not None
            return build_architecture(
                self.model.architecture,
                input_shape=self.input_shape,
                classes=len(labels),
                width=self.model.width,
                seed=seed,
            )
        from edge_recog_converter.pretrained.saved import saved_network

        network = saved_network(self.file, input_shape=self.input_shape, classes=len(labels))
        classifier = network.get_layer("logits")
        classifier.set_weights([weight[..., order] for weight in classifier.get_weights()])
        return network

    def order(self, labels: Sequence[str]) -> list[int]:
        """Return where a file's classifier has each of the labels; their own order without a file.

        Raises:
            RecipeError: It tells others apart, or nobody says which.
        """
        if self.file is None:
            return list(range(len(labels)))
        if self.known is None:
            raise RecipeError(
                f"{self.file} does not say what its outputs mean, and no model file of its build "
                "lies beside it: name a text file with a label a line, in the order of its outputs "
                "(labels in the recipe, --labels of compress), or begin with a stage of kind head, "
                "which gives it a new classifier"
            )
        if sorted(self.known) != sorted(labels):
            differ = sorted(set(self.known) ^ set(labels))
            raise RecipeError(
                f"{self.file} tells {len(self.known)} labels apart and the pictures have "
                f"{len(labels)}, and {len(differ)} differ, such as {differ[0]!r}: name the folders "
                "as the labels are, or begin with a stage of kind head, which gives it a new "
                "classifier"
            )
        return [self.known.index(label) for label in labels]


def start_of(recipe: Recipe, folder: Path) -> Start:
    """Return what a recipe starts from.

    Args:
        recipe: The recipe.
        folder: Of its file; a path of weights is relative to it.

    Raises:
        RecipeError: It does not say how pixels are to be normalised, or of which size.
        PretrainedError: What lies beside the weights cannot be read.
    """
    model = recipe.model
    if model.is_file:
        path = folder / model.weights
        return Start(model, _contract_of_file(model, path), path, _labels_of_file(model, folder))
    assert model.architecture is not None
    if model.weights == "imagenet" and model.architecture in APPLICATIONS:
        row = find_application(model.architecture, width=model.width)
        own = Preprocessing(
            height=row.native_side,
            width=row.native_side,
            colour=row.colour,
            mean=row.mean,
            std=row.std,
        )
    else:
        architecture = find_architecture(model.architecture)
        side = architecture.native_side
        own = Preprocessing(
            height=side,
            width=side,
            mean=(architecture.pixel_mean,),
            std=(architecture.pixel_std,),
        )
    return Start(model, _sized(own, model.input))


def _contract_of_file(model: ModelSection, path: Path) -> Preprocessing:
    from edge_recog_converter.pretrained.saved import contract_beside

    if not path.is_file():
        raise RecipeError(f"{path}: there is no such file of weights")
    beside, wanted = contract_beside(path), model.input
    if wanted is not None and wanted.mean is not None:
        assert wanted.std is not None
        own = Preprocessing(
            height=wanted.height, width=wanted.width, mean=wanted.mean, std=wanted.std
        )
    elif beside is not None:
        own = beside
    else:
        raise RecipeError(
            f"{path} does not say how its pixels are normalised, and no model file of its build "
            "lies beside it: write input = { height = 224, width = 224, mean = [127.5], std = "
            "[127.5] } with the numbers it was trained with, or mean = [0.0], std = [1.0] if it "
            "normalises pixels itself"
        )
    return _sized(own, wanted)


def _labels_of_file(model: ModelSection, folder: Path) -> tuple[str, ...] | None:
    if model.labels is not None:
        path = folder / model.labels
        try:
            return read_labels(path.read_bytes())
        except OSError as error:
            reason = error.strerror or error
            raise RecipeError(f"{path}: labels cannot be read: {reason}") from error
    from edge_recog_converter.pretrained.saved import bundle_beside

    bundle = bundle_beside(folder / model.weights)
    return None if bundle is None else bundle.labels


def _sized(own: Preprocessing, wanted: InputSection | None) -> Preprocessing:
    """Return a network's own contract with what the recipe says of its input.

    Raises:
        RecipeError: The recipe wants other colours than the contract's numbers are for.
    """
    if wanted is None:
        return own
    colour = wanted.colour or own.colour
    if len(own.mean) > 1 and colour != own.colour:
        raise RecipeError(
            f"the network's means are for {own.colour}, not {colour}: leave input.colour out"
        )
    return Preprocessing(
        height=wanted.height,
        width=wanted.width,
        colour=colour,
        crop=wanted.crop,
        interpolation=wanted.interpolation,
        mean=own.mean,
        std=own.std,
    )
