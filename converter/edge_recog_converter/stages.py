"""The stages of a recipe, which are followed one after the other."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

# msgspec reads the annotations below when it decodes.
from edge_recog_converter.acceptance.sections import Accept
from edge_recog_converter.learning.augmentation.sections import Augmentation
from edge_recog_converter.learning.plans import Precision
from edge_recog_converter.learning.sections import AdamW, Cosine, Loss, Optimizer, Schedule
from edge_recog_converter.pruning.choosing import Ranking
from edge_recog_converter.pruning.sections import PruningBudget, Score
from edge_recog_converter.sparsity.sections import Sparsity

Teachers = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=16)]
Also = Literal["float16", "dynamic-range", "int16x8"]
"""Of `ptq.variants`: weights in float16; in int8, with activations rounded as they come; in int8,
with activations in int16."""
Part = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Softening = Annotated[float, msgspec.Meta(ge=1.0, le=100.0)]


class HeadStage(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="head",
    tag_field="kind",
):  # fmt: skip
    """Train a new linear classifier on the frozen network's features."""

    epochs: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 40
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 64
    learning_rate: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 3e-4
    """Of Adam, at the start; falls to 0 along a cosine (Loshchilov, Hutter, arXiv:1608.03983)."""
    l2: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.06
    """Penalty on the squared weights, for features scaled to variance 1."""
    label_smoothing: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    flip: bool = True
    """Train on mirrored pictures too; false for classes that differ by left and right."""


class Learning(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    """What all stages have in common in which the network itself learns."""

    epochs: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 30
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 32
    optimizer: Optimizer = AdamW()
    schedule: Schedule = Cosine()
    loss: Loss | None = None
    """Cross-entropy if left out, binary for pictures with any number of labels."""
    augment: tuple[Augmentation, ...] = ()
    """Done to every batch, in this order."""
    unfreeze: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 1.0
    """Share of the layers that learn, nearest the output; below 1, normalisations keep what they
    have learned."""
    precision: Precision = "float32"
    """In what layers compute while training: `mixed-float16` and `mixed-bfloat16` are for GPUs
    that are faster at it; the network that is made is the same kind either way."""
    patience: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Epochs without a better validation after which the stage ends."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's weights: the best on validation, or the last, for a schedule that ends with a
    rate near 0 and a validation so small that the best one is luck."""

    def __post_init__(self) -> None:
        """Check what no single field can.

        Raises:
            ValueError: The last epoch is to be kept of a training that may end before it.
        """
        if self.keep == "last" and self.patience is not None:
            raise ValueError('patience is for keep = "best": leave one of them out')


class TrainStage(Learning, frozen=True, kw_only=True, tag="train"):
    """Train the network itself."""


class Taught(Learning, frozen=True, kw_only=True):
    """What stages with a teacher have in common."""

    temperature: Softening = 4.0
    """Divides the logits of both: the higher, the more the teacher's small scores count."""
    share: Part = 0.7
    """Of the teacher in the loss; the labels have the rest."""
    views: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    """Epochs after which pictures are augmented as before, so that the teacher need not be asked
    again; never if left out."""

    @property
    def teachers(self) -> tuple[str, ...]:
        """All that are named."""
        named: str | tuple[str, ...] = getattr(self, "teacher", ())
        return (named,) if isinstance(named, str) else named


class DistillStage(Taught, frozen=True, kw_only=True, tag="distill"):
    """Train the network on what larger ones say, beside the labels."""

    teacher: Teachers
    """Files relative to the recipe: a model file (.tflite), a network saved by a build (.keras), or
    a recipe (.toml) that is followed first, on the same pictures. Of several, scores are
    averaged."""
    features: Annotated[float, msgspec.Meta(ge=0.0, le=1_000.0)] = 0.0
    """Weight of the distance between the features before the classifier, those of the teacher
    and a linear map of the network's own."""
    unlabelled: str | None = None
    """Folder below DATA with more pictures, of which only the teacher says something."""

    def __post_init__(self) -> None:
        """Check what no single field can.

        Raises:
            ValueError: Features of several teachers are wanted; see `Learning`, too.
        """
        super().__post_init__()
        if self.features and len(self.teachers) > 1:
            raise ValueError("features are learned from one teacher: name one, or leave them out")


class PruneStage(Taught, frozen=True, kw_only=True, tag="prune"):
    """Remove channels, and let the rest learn from the network as it was before."""

    budget: PruningBudget
    """What the network may cost afterwards."""
    teacher: str | Annotated[tuple[str, ...], msgspec.Meta(max_length=16)] = ()
    """As for `distill`; the network as it was before pruning if left out."""
    steps: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    """Channels are removed in so many steps, of the same share each; after each the rest learns."""
    epochs_between: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 3
    """After each step but the last, which is followed by `epochs`."""
    score: Score = "l1"
    """Which channels matter: by the size of their kernels, by the factors of their
    normalisation, or by what the loss would lose with them."""
    ranking: Ranking = "global"
    """Channels are compared over all layers, or each layer loses the same share (`uniform`)."""
    multiple_of: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    """Channels stay in multiples of this, which 8-bit kernels compute together."""
    protected: tuple[str, ...] = ()
    """Names of layers that keep all of their channels."""


class SparsifyStage(Taught, frozen=True, kw_only=True, tag="sparsify"):
    """Set small weights to zero: the file becomes smaller once compressed, and no faster."""

    sparsity: Sparsity = Sparsity()
    """Which weights, and when."""


class QuantizeStage(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="quantize",
    tag_field="kind",
):  # fmt: skip
    """Full 8-bit quantisation after training."""

    calibration: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    """Pictures that set the ranges of activations, drawn with the seed."""
    pictures: str | None = None
    """Folder, relative to DATA, that they are from; training pictures if left out. Those that are
    in validation or test as well are left out."""
    also: tuple[Also, ...] = ()
    """Further kinds of files to write and measure beside the float and the INT8 one."""
    accept: Accept = Accept()
    """What the INT8 model must reach beside the float one, and what is tried until it does."""


Making = HeadStage | TrainStage | DistillStage | PruneStage | SparsifyStage
"""The stages before quantisation."""
