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


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures to learn from, or to be measured on."""

    pixels: NDArray[np.uint8]
    """(pictures, height, width, channels)."""
    targets: NDArray[np.float32]
    """(pictures, classes): one-hot, or 1 for each label that a picture has."""


class Augment(Protocol):
    """Changes a batch in the graph."""

    def __call__(self, pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        """Return pictures (batch, height, width, channels) float32 0-255 and their targets."""


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


def batches(train: Samples, plan: Plan, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield an epoch's pixels, targets and weights; the next batch is gathered meanwhile."""
    order = plan.order(epoch)
    parts = np.array_split(order, math.ceil(len(order) / plan.batch_size))

    def gather(chosen: NDArray[np.integer]) -> tuple[Any, Any, Any]:
        ones = np.ones(len(chosen), np.float32)
        weights = ones if plan.weights is None else plan.weights[chosen]
        return train.pixels[chosen], train.targets[chosen], weights

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(gather, parts[0])
        for at in range(len(parts)):
            batch = coming.result()
            if at + 1 < len(parts):
                coming = pool.submit(gather, parts[at + 1])
            yield batch


def unchanged(pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
    """Augment nothing."""
    del step
    return pictures, targets
