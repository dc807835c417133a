"""What a network will see in training: pictures of an epoch, preprocessed, and then augmented.

The first augmented version of a picture is what training makes of it in that epoch: its batch is
augmented whole, with training's seed and step. The others are what the steps after it would make.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edge_recog.errors import UsageError
from edge_recog.frames import Frame
from edge_recog_converter.datasets import find_dataset, targets_of
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.learning.balance import epoch_order
from edge_recog_converter.pictures import PictureReader
from edge_recog_converter.stages import HeadStage, Learning, Making
from edge_recog_converter.starting import start_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Dataset, Picture
    from edge_recog_converter.recipe import Recipe

LARGEST_BATCH = 64
"""Pictures that are augmented together; of a larger batch the first so many, to start fast."""
REMARKABLE = 0.01
"""Share of values outside 0-255 from which on it is worth a remark."""
_ROUNDING = 0.5
"""Grey levels that a value may be outside by before it counts."""
_LEAST_SHARE = 1e-4


class LabelShare(NamedTuple):
    """A label, and how much of it a picture's target has."""

    label: str
    share: float
    """0-1; 1 for what is not mixed."""


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A picture as a network would see it."""

    pixels: NDArray[np.uint8]
    """(height, width, channels), rounded and clipped to 0-255; colours as in the contract."""
    labels: tuple[LabelShare, ...]
    """The largest share first."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One picture of an epoch."""

    id: str
    labels: tuple[str, ...]
    draws: int
    """How many times the epoch has it."""
    plain: NDArray[np.uint8]
    """`Preprocessing.pixels` of its file."""
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """Everything that a sheet shows."""

    recipe: Recipe
    preprocessing: Preprocessing
    stage: int | None
    """Number among the stages in which the network learns, from 1; None if there is none."""
    epoch: int
    """From 1."""
    epochs: int
    """How many the stage has."""
    rows: tuple[Row, ...]
    """The first pictures of the epoch, in its order."""
    heads: tuple[str, ...]
    """Above the columns: the plain picture, then what follows, from left to right."""
    about: str
    """One line on stage and augmentations."""
    remarks: tuple[str, ...]
    """What to know before judging the pictures."""


def preview(
    recipe: Recipe,
    data: Path,
    *,
    pictures: int = 8,
    versions: int = 6,
    stage: int | None = None,
    epoch: int = 1,
    folder: Path | None = None,
) -> Preview:
    """Return what a recipe makes of pictures; only those that it takes are read.

    Args:
        recipe: Of a build.
        data: Folder of pictures, or an NPZ file.
        pictures: How many rows at most.
        versions: Augmented versions of each; of a recipe without such a stage, there is
            the mirrored picture at most.
        stage: Among those in which the network learns, from 1; the first if None.
        epoch: Of the stage, from 1.
        folder: Of the recipe's file, which a path of weights is relative to; the working one if
            None.

    Raises:
        UsageError: There is no such stage or epoch.
        EdgeRecogError: Recipe and pictures do not fit each other, or no picture can be read.
    """
    chosen, number = _stage_of(recipe, stage)
    if epoch > chosen.epochs:
        raise UsageError(f"there is no epoch {epoch}: the stage has {chosen.epochs}")
    preprocessing = start_of(recipe, folder or Path()).preprocessing
    dataset = find_dataset(data, recipe.data, seed=recipe.seed)
    job = _Job(recipe, dataset, preprocessing, number, epoch, pictures, versions)
    return job.of_head(chosen) if isinstance(chosen, HeadStage) else job.of_training(chosen)


def document(shown: Preview, *, out: Path) -> dict[str, Any]:
    """Return a preview for machines, pixels left out.

    Args:
        shown: The preview.
        out: Where its sheet is.
    """
    return {
        "schema_version": 1,
        "out": str(out),
        "stage": shown.stage,
        "epoch": shown.epoch,
        "remarks": shown.remarks,
        "rows": [
            {
                "id": row.id,
                "labels": row.labels,
                "draws": row.draws,
                "versions": [
                    {"labels": [label._asdict() for label in version.labels]}
                    for version in row.versions
                ],
            }
            for row in shown.rows
        ],
    }


def _stage_of(recipe: Recipe, number: int | None) -> tuple[Making, int | None]:
    """Return the stage to preview, and its number among those in which the network learns."""
    training = [stage for stage in recipe.making if isinstance(stage, Learning)]
    if number is None and not training:
        return next(stage for stage in recipe.making if isinstance(stage, HeadStage)), None
    at = 1 if number is None else number
    if not 1 <= at <= len(training):
        many = {0: "no stage", 1: "one stage"}.get(len(training), f"{len(training)} stages")
        raise UsageError(f"there is no stage {at}: the network learns in {many}")
    return training[at - 1], at


@dataclass(frozen=True, slots=True)
class _Job:
    """One preview; the arguments of `preview`, looked up."""

    recipe: Recipe
    dataset: Dataset
    preprocessing: Preprocessing
    stage: int | None
    epoch: int
    rows: int
    versions: int
    reader: PictureReader = field(default_factory=PictureReader)

    def of_head(self, stage: HeadStage) -> Preview:
        """Return pictures as features are extracted from them."""
        order = epoch_order(
            self.recipe.data.balance, self._labels(), seed=self.recipe.seed, epoch=self.epoch
        )
        draws = Counter(self._pictures[number].id for number in order.tolist())
        rows: list[Row] = []
        for start in range(0, len(order), self.rows):
            for number, frame in self._frames(order[start : start + self.rows]):
                picture = self._pictures[number]
                mirrored = Frame.from_rgb(np.ascontiguousarray(frame.pixels[:, ::-1]))
                (target,) = targets_of([picture], len(self.dataset.labels))
                own = self._shares(target)
                versions = [Version(self.preprocessing.pixels(mirrored), own)] if stage.flip else []
                plain = self.preprocessing.pixels(frame)
                rows.append(self._row(picture, plain, versions, draws=draws[picture.id]))
            if len(rows) >= self.rows:
                break
        about = "a new classifier learns on the network as it is; pictures are not augmented"
        if stage.flip:
            about += " beyond being mirrored"
        heads = ("after preprocessing", *(["mirrored (flip)"] if stage.flip else []))
        return self._preview(stage, rows, heads, about, [])

    def of_training(self, stage: Learning) -> Preview:
        """Return pictures as the network is trained on them."""
        # TensorFlow takes seconds to load.
        from edge_recog_converter.learning.augmentation.augmenter import augmenter_of

        assert self.stage is not None
        seed = self.recipe.seed + self.stage - 1
        contract = self.preprocessing
        shape = (contract.height, contract.width, contract.channels)
        augment = augmenter_of(stage.augment, image_shape=shape, seed=seed)
        order = epoch_order(self.recipe.data.balance, self._labels(), seed=seed, epoch=self.epoch)
        draws = Counter(self._pictures[number].id for number in order.tolist())
        steps = math.ceil(len(order) / stage.batch_size)
        rows: list[Row] = []
        outside: list[float] = []
        parts = np.array_split(order, steps)
        for at, numbers in enumerate(parts):
            batch = [
                (self._pictures[number], contract.pixels(frame))
                for number, frame in self._frames(numbers[:LARGEST_BATCH])
            ]
            if not batch:
                continue
            plain = np.stack([pixels for _, pixels in batch]).astype(np.float32)
            targets = targets_of([picture for picture, _ in batch], len(self.dataset.labels))
            step = (self.epoch - 1) * steps + at
            kept = batch[: self.rows - len(rows)]
            made = []
            for version in range(self.versions):
                values, mixed = augment(plain, targets, step + version)
                made.append((np.asarray(values)[: len(kept)], np.asarray(mixed)))
                outside.append(_share_outside(made[-1][0]))
            for row, (picture, pixels) in enumerate(kept):
                versions = [
                    Version(_shown(values[row]), self._shares(mixed[row])) for values, mixed in made
                ]
                rows.append(self._row(picture, pixels, versions, draws=draws[picture.id]))
            if len(rows) >= self.rows:
                break
        return self._preview(
            stage,
            rows,
            _heads(self.versions),
            _kinds(stage),
            self._remarks(outside, largest=len(parts[0])),
        )

    @property
    def _pictures(self) -> Sequence[Picture]:
        return self.dataset.splits["train"]

    def _labels(self) -> NDArray[Any]:
        """Return what orders are drawn by: a number a picture, or its targets."""
        if self.dataset.task == "multi-label":
            return targets_of(self._pictures, len(self.dataset.labels))
        return np.array([picture.label for picture in self._pictures], np.int64)

    def _frames(self, numbers: NDArray[np.int64]) -> list[tuple[int, Frame]]:
        """Return those of the numbered pictures that can be read, in order."""
        number_of = {self._pictures[number].id: number for number in numbers.tolist()}
        found = self.reader.frames([self._pictures[number] for number in numbers.tolist()])
        return [(number_of[picture.id], frame) for picture, frame in found]

    def _shares(self, target: NDArray[np.float32]) -> tuple[LabelShare, ...]:
        largest_first = np.argsort(-target, kind="stable").tolist()
        return tuple(
            LabelShare(self.dataset.labels[number], round(float(target[number]), 4))
            for number in largest_first
            if target[number] >= _LEAST_SHARE
        )

    def _row(
        self, picture: Picture, plain: NDArray[np.uint8], versions: list[Version], *, draws: int
    ) -> Row:
        labels = tuple(self.dataset.labels[number] for number in picture.labels)
        return Row(picture.id, labels, draws, plain, tuple(versions))

    def _remarks(self, outside: Sequence[float], *, largest: int) -> list[str]:
        """Return what to know of shares of values outside, and of the largest batch's size."""
        remarks = []
        if outside and (share := float(np.mean(outside))) > REMARKABLE:
            remarks.append(
                f"{share:.0%} of the augmented values are outside 0-255: clipped here, but not for "
                "the network"
            )
        if largest > LARGEST_BATCH:
            remarks.append(
                f"Training's batches are of {largest} pictures, of which {LARGEST_BATCH} are "
                "augmented here: what chance decides is decided differently there"
            )
        return remarks

    def _preview(
        self,
        stage: HeadStage | Learning,
        rows: list[Row],
        heads: Sequence[str],
        about: str,
        remarks: list[str],
    ) -> Preview:
        """Put together what is known.

        Raises:
            DatasetError: Nothing could be read.
        """
        skipped = self.reader.skipped
        if not rows:
            reason = next(iter(skipped.values()))
            raise DatasetError(f"no picture of {len(self._pictures)} can be read: {reason}")
        if skipped:
            files = "one file" if len(skipped) == 1 else f"{len(skipped)} files"
            remarks.append(
                f"{files} of those wanted cannot be read; training leaves all such files out, "
                f"so that its order is another: {next(iter(skipped.values()))}"
            )
        return Preview(
            recipe=self.recipe,
            preprocessing=self.preprocessing,
            stage=self.stage,
            epoch=self.epoch,
            epochs=stage.epochs,
            rows=tuple(rows[: self.rows]),
            heads=tuple(heads),
            about=about,
            remarks=tuple(remarks),
        )


def _heads(versions: int) -> tuple[str, ...]:
    """Return what stands above the columns of a training's preview."""
    return ("after preprocessing", "in this epoch", "in later steps")[: 1 + versions]


def _kinds(stage: Learning) -> str:
    """Return the augmentations in the words of the recipe."""
    kinds = [str(type(section).__struct_config__.tag) for section in stage.augment]
    return " · ".join(kinds) or "no augmentation"


def _shown(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    clipped: NDArray[np.uint8] = np.rint(values.clip(0.0, 255.0)).astype(np.uint8)
    return clipped


def _share_outside(values: NDArray[np.float32]) -> float:
    """Return how many values are outside 0-255, 0-1; interpolation's rounding is none of them."""
    return float(np.mean((values < -_ROUNDING) | (values > 255.0 + _ROUNDING)))
