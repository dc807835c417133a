"""What a training is given: pictures, how to learn from them, and its batches."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

Precision = Literal["float32", "mixed-bfloat16", "mixed-float16"]
"""In what layers compute while training; weights are float32 always."""


class Pixels(Protocol):
    """An array of pictures, (pictures, height, width, channels) uint8, or what is like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: Any, /) -> NDArray[np.uint8]:
        """Return the pictures with the numbers chosen; of validation, those of a slice too."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures to learn from, or to be measured on."""

    pixels: Pixels
    """(pictures, height, width, channels)."""
    targets: NDArray[np.float32]
    """(pictures, classes): one-hot, or 1 for each label that a picture has."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step learns from."""

    pixels: NDArray[np.uint8]
    """(batch, height, width, channels)."""
    targets: NDArray[np.float32]
    """(batch, classes)."""
    weights: NDArray[np.float32]
    """(batch,) of each picture in the loss."""
    answers: NDArray[np.float32]
    """(batch, size), what teachers say of the augmented pictures; of size 0 without any."""
    step: int
    """That augmentation is drawn for."""


class Augment(Protocol):
    """Changes a batch in the graph."""

    def __call__(self, pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        """Return pictures (batch, height, width, channels) float32 0-255 and their targets."""


class Teaching(Protocol):
    """What teachers say of pictures, and what not saying the same costs."""

    @property
    def share(self) -> float:
        """Of the whole loss, 0-1; the plan's loss has the rest."""

    def answers(self, chosen: NDArray[np.integer], step: int) -> NDArray[np.float32]:
        """Return (pictures, size) of the chosen training pictures, augmented as in this step."""

    def loss(self, answers: Any, outputs: Any) -> Any:
        """Return the mean over the batch, a scalar tensor."""


class KeptZeros(Protocol):
    """Holds some weights at zero."""

    def take_up(self, step: int) -> None:
        """Hold those that are zero now, after a step that another process did; 0 for none."""

    def after_step(self, step: int) -> None:
        """Set them to zero again; `step` counts from 1."""

    def apply(self) -> None:
        """Set them to zero in weights that were put in meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training needs beside the network and the pictures."""

    loss: Any
    """A `keras.losses.Loss` of (targets, logits), which takes sample weights; its mean over the
    batch."""
    optimizer: Any
    """A `keras.optimizers.Optimizer` with its schedule."""
    epochs: int
    batch_size: int
    """Of all workers together."""
    mean: float | NDArray[np.float32]
    """Subtracted from pixels; one number, or (channels,)."""
    std: float | NDArray[np.float32]
    """Then divided by; as `mean`."""
    order: Callable[[int], NDArray[np.integer]]
    """Epoch, from 1 → indices of its pictures, in order."""
    score: Callable[[NDArray[np.float32], NDArray[np.float32]], float]
    """Of (logits, targets) on validation, 0-1."""
    augment: Augment
    weights: NDArray[np.float32] | None = None
    """(pictures,) of each picture in the loss."""
    patience: int | None = None
    """Epochs without a better score after which it ends."""
    precision: Precision = "float32"
    views: int | None = None
    """Epochs after which order and augmentation repeat; None for never."""
    kept_from: int = 1
    """First epoch whose weights may be kept."""
    teaching: Teaching | None = None
    zeros: KeptZeros | None = None


def batches(train: Samples, plan: Plan, epoch: int) -> Iterator[Batch]:
    """Yield an epoch's batches; the next one is gathered, and answered by teachers, meanwhile."""
    view = epoch if plan.views is None else (epoch - 1) % plan.views + 1
    order = plan.order(view)
    parts = np.array_split(order, math.ceil(len(order) / plan.batch_size))

    def gather(at: int) -> Batch:
        chosen, step = parts[at], (view - 1) * len(parts) + at
        ones = np.ones(len(chosen), np.float32)
        if plan.teaching is None:
            answers = np.zeros((len(chosen), 0), np.float32)
        else:
            answers = plan.teaching.answers(chosen, step)
        return Batch(
            pixels=train.pixels[chosen],
            targets=train.targets[chosen],
            weights=ones if plan.weights is None else plan.weights[chosen],
            answers=answers,
            step=step,
        )

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(gather, 0)
        for at in range(len(parts)):
            batch = coming.result()
            if at + 1 < len(parts):
                coming = pool.submit(gather, at + 1)
            yield batch


def unchanged(pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
    """Augment nothing."""
    del step
    return pictures, targets
