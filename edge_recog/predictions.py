"""From a model's output to labels with scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Activation = Literal["softmax", "sigmoid", "none"]
"""What turns the model's output into scores: `softmax` over all labels, `sigmoid` for each label,
`none` where the model's last operator has done it already."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label and how sure the model is of it."""

    label: str
    score: float
    """0-1."""
    index: int
    """Position of the label in the model's output."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of one classification went, in nanoseconds."""

    preprocess_ns: int
    """Crop, resize, colour, quantise, written into the input tensor."""
    invoke_ns: int
    """The interpreter's run."""
    postprocess_ns: int
    """Dequantise, activation, top-k."""

    @property
    def total_ns(self) -> int:
        """All of it."""
        return self.preprocess_ns + self.invoke_ns + self.postprocess_ns


@dataclass(frozen=True, slots=True)
class Classification:
    """What the model says of one frame."""

    predictions: tuple[Prediction, ...]
    """Best first; labels under their threshold are left out, so it may be empty."""
    timings: Timings
    model_id: str
    """`sha256:` and 64 hexadecimal digits: the digest of the model file."""
    frame_index: int
    captured_ns: int
    """The frame's `captured_ns`."""
    source: str
    """The frame's `source`."""

    @property
    def best(self) -> Prediction | None:
        """The prediction with the highest score; None where every label is under its threshold."""
        return self.predictions[0] if self.predictions else None


def scores_of(
    outputs: NDArray[np.float32], activation: Activation, temperature: float = 1.0
) -> NDArray[np.float32]:
    """Return scores from 0 to 1 of real-valued outputs.

    Args:
        outputs: (labels,) float32: logits, or probabilities where `activation` is "none".
        activation: See `Activation`.
        temperature: Divides the logits first; > 1 makes the model less sure (Guo et al. 2017,
            arXiv:1706.04599). Ignored for "none".
    """
    if activation == "none":
        return np.clip(outputs, 0.0, 1.0)
    # In float64, where differences of float32 logits cannot overflow; a tiny temperature still may.
    logits = outputs.astype(np.float64)
    with np.errstate(over="ignore"):
        if activation == "softmax":
            exponentials = np.exp((logits - logits.max()) / temperature)
            return np.asarray(exponentials / exponentials.sum(), np.float32)
        # 1 / (1 + exp(-x)) written so that exp never overflows.
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits / temperature)), np.float32)


def top_predictions(
    scores: NDArray[Any],
    labels: Sequence[str],
    *,
    top_k: int | None,
    thresholds: NDArray[np.float32] | None = None,
) -> tuple[Prediction, ...]:
    """Return the `top_k` best labels, best first; equal scores in label order.

    Args:
        scores: (labels,).
        labels: As many as scores.
        top_k: At least 1; None for all.
        thresholds: (labels,); a label whose score is under its threshold is left out.

    Raises:
        UsageError: `top_k` is less than 1.
    """
    count = scores.shape[0]
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k is {top_k}; ask for at least 1 prediction, or None for all")
    k = count if top_k is None else min(top_k, count)
    if k < count:
        # Everything as good as the k-th best, so that ties are cut in label order.
        kth = np.partition(scores, count - k)[count - k]
        candidates = np.flatnonzero(scores >= kth)
        order = candidates[np.argsort(-scores[candidates], kind="stable")[:k]]
    else:
        order = np.argsort(-scores, kind="stable")
    return tuple(
        Prediction(labels[i], float(scores[i]), i)
        for i in order.tolist()
        if thresholds is None or scores[i] >= thresholds[i]
    )
