"""The recipe's sections on how a network learns; pure data, importable without TensorFlow.

A section that has variants says which in its key `kind`:

    loss = { kind = "focal", gamma = 2.0 }
    optimizer = { kind = "adamw", weight_decay = 0.05, average = 0.998 }
    schedule = { kind = "cosine", warm_up_epochs = 2 }
    balance = { class_weights = { kind = "inverse" }, oversample = { strength = 0.5 } }
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Smoothing = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
Gamma = Annotated[float, msgspec.Meta(ge=0.0, le=10.0)]
Decay = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Epochs = Annotated[float, msgspec.Meta(gt=0.0, le=10_000.0)]
WarmUp = Annotated[float, msgspec.Meta(ge=0.0, le=1_000.0)]
LearningRate = Annotated[float, msgspec.Meta(gt=0.0, le=10.0)]
Momentum = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
ClipNorm = Annotated[float, msgspec.Meta(gt=0.0)]
Factor = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class Section(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    """Base of the sections with a `kind`; strict, as all of the recipe."""


class CrossEntropy(Section, frozen=True, kw_only=True, tag="cross-entropy"):
    """Softmax cross-entropy: each picture is of one class."""

    label_smoothing: Smoothing = 0.0
    """Share of the target that is spread evenly over all classes (Szegedy et al.,
    arXiv:1512.00567)."""


class BinaryCrossEntropy(Section, frozen=True, kw_only=True, tag="binary-cross-entropy"):
    """Sigmoid cross-entropy, the mean over the labels: each picture has any number of labels."""

    label_smoothing: Smoothing = 0.0
    """Share of each label's target that is moved to 0.5."""


class Focal(Section, frozen=True, kw_only=True, tag="focal"):
    """Softmax focal loss: what is already right counts less (Lin et al., arXiv:1708.02002)."""

    gamma: Gamma = 2.0
    """Exponent of `1 - p`; 0 is cross-entropy."""
    alpha: Factor = 1.0
    """Factor of the whole loss. Classes are weighed against each other by `balance`."""


class BinaryFocal(Section, frozen=True, kw_only=True, tag="binary-focal"):
    """Sigmoid focal loss, the mean over the labels (Lin et al., arXiv:1708.02002)."""

    gamma: Gamma = 2.0
    """Exponent of `1 - p`; 0 is binary cross-entropy."""
    alpha: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] | None = None
    """Weight of a label's presence; its absence weighs `1 - alpha`. Both weigh 1 if left out. The
    paper's best with gamma 2 is 0.25."""


Loss = CrossEntropy | BinaryCrossEntropy | Focal | BinaryFocal


class Constant(Section, frozen=True, kw_only=True, tag="constant"):
    """One rate throughout."""

    warm_up_epochs: WarmUp = 0.0
    """Epochs, or a part of one, in which the rate rises linearly to its full value."""


class Cosine(Section, frozen=True, kw_only=True, tag="cosine"):
    """Half a cosine from the full rate, ending at 0 (Loshchilov, Hutter, arXiv:1608.03983)."""

    warm_up_epochs: WarmUp = 0.0
    """As for `constant`; the cosine takes the epochs that are left."""


class CosineRestarts(Section, frozen=True, kw_only=True, tag="cosine-restarts"):
    """Cosines one after the other: SGDR (Loshchilov, Hutter, arXiv:1608.03983)."""

    first_epochs: Epochs
    """Length of the first cosine, in epochs (T_0). A run ends at a rate of 0 if its epochs after
    the warm-up are `first_epochs * (1 + growth + growth**2 + …)`."""
    growth: Annotated[float, msgspec.Meta(ge=1.0, le=10.0)] = 2.0
    """Each cosine is so many times as long as the one before (T_mult)."""
    factor: Factor = 1.0
    """Each cosine starts at so many times the rate of the one before."""
    warm_up_epochs: WarmUp = 0.0
    """As for `constant`; the first cosine starts after it."""


class Step(Section, frozen=True, kw_only=True, tag="step"):
    """The rate falls by a factor at certain epochs."""

    milestones: Annotated[tuple[Epochs, ...], msgspec.Meta(min_length=1)]
    """Epochs after which it falls, ascending, counted from the start of the run."""
    factor: Factor = 0.1
    """What the rate is multiplied by at each."""
    warm_up_epochs: WarmUp = 0.0
    """As for `constant`; ends before the first milestone."""

    def __post_init__(self) -> None:
        """Check what no single field can.

        Raises:
            ValueError: The milestones do not ascend from the end of the warm-up.
        """
        if list(self.milestones) != sorted({*self.milestones}):
            raise ValueError("milestones must ascend")
        if self.milestones[0] <= self.warm_up_epochs:
            raise ValueError("the first of milestones must be after warm_up_epochs")


Schedule = Constant | Cosine | CosineRestarts | Step


class Adam(Section, frozen=True, kw_only=True, tag="adam"):
    """Adam (Kingma, Ba, arXiv:1412.6980)."""

    learning_rate: LearningRate = 1e-3
    clip_norm: ClipNorm | None = None
    """Largest norm of all gradients taken together; none if left out."""
    average: Momentum | None = None
    """Momentum of the moving average of the weights, which is what is evaluated and kept; over
    about `1 / (1 - average)` steps; it rises from 0 as `(1 + steps) / (10 + steps)`. None if left
    out."""


class AdamW(Section, frozen=True, kw_only=True, tag="adamw"):
    """Adam with decoupled weight decay (Loshchilov, Hutter, arXiv:1711.05101)."""

    learning_rate: LearningRate = 1e-3
    weight_decay: Decay = 0.01
    """A step takes `learning_rate * weight_decay` of each weight away; not of biases, nor of the
    scales and shifts of normalisations."""
    clip_norm: ClipNorm | None = None
    """As for `adam`."""
    average: Momentum | None = None
    """As for `adam`."""


class Sgd(Section, frozen=True, kw_only=True, tag="sgd"):
    """Stochastic gradient descent with momentum and decoupled weight decay."""

    learning_rate: LearningRate = 0.05
    momentum: Momentum = 0.9
    nesterov: bool = True
    """Nesterov's momentum; without effect if `momentum` is 0."""
    weight_decay: Decay = 0.0
    """As for `adamw`. An L2 penalty's decay is built up by the momentum: set
    `1 / (1 - momentum)` times what other libraries use."""
    clip_norm: ClipNorm | None = None
    """As for `adam`."""
    average: Momentum | None = None
    """As for `adam`."""


Optimizer = Adam | AdamW | Sgd


class Inverse(Section, frozen=True, kw_only=True, tag="inverse"):
    """A class weighs as the inverse of its number of pictures."""


class EffectiveNumber(Section, frozen=True, kw_only=True, tag="effective-number"):
    """A class weighs as the inverse of its effective number (Cui et al., arXiv:1901.05555)."""

    beta: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.999
    """0 weighs all classes alike; towards 1 it becomes `inverse`. From about `1 / (1 - beta)`
    pictures on, a class counts as large."""


class Oversample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pictures of small classes are drawn more often than once an epoch, of large ones less."""

    strength: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 1.0
    """A class is drawn in proportion to `n ** (1 - strength)`: 1 draws all classes equally often,
    0.5 by the square root (Mahajan et al., arXiv:1805.00932)."""


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is done about classes of unequal size; nothing by default.

    With both, weights are computed on what oversampling draws, so that nothing is corrected twice:
    at `strength` 1 all weights are then 1.
    """

    class_weights: Inverse | EffectiveNumber | None = None
    """Weights in the loss."""
    oversample: Oversample | None = None
    """How an epoch is drawn; for pictures of one class only, not for multi-label."""
