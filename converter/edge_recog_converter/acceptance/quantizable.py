"""What the ladder is given: a float network, inputs to calibrate on, and pictures to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.learning.objectives import Objective
    from edge_recog_converter.learning.plans import Samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lessons:
    """What quantisation-aware training learns from; nothing is augmented."""

    train: Samples
    """The pictures; their targets are not looked at, as the float network is the teacher."""
    validation: Samples
    """Chooses the epoch."""
    mean: float | NDArray[np.float32]
    """Subtracted from pixels; one number, or (channels,)."""
    std: float | NDArray[np.float32]
    """Then divided by; as `mean`."""
    objective: Objective
    """Of the task."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantizable:
    """A network that is to become an INT8 file."""

    network: Any
    """The float `keras.Model`, of one image input; to logits, or to the softmax or sigmoid of
    them."""
    prepared: Any | None
    """A twin of it, of the same layers, whose weights are rounded already and are converted as they
    are; None to round those of `network`."""
    calibration: Sequence[NDArray[np.float32]]
    """Network inputs, each (1, height, width, channels)."""
    seed: int
    """Of all that is drawn."""
    sparse: bool
    """Weights of kernels that are 0 stay so: each weight is rounded to its nearest integer, since
    `weight_rounding` makes up for rounding by moving others, zeros too."""
    lessons: Lessons
