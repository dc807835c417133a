"""From a model's output to labels with scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from edge_recog.errors import InterpreterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Activation = Literal["softmax", "sigmoid", "none"]
"""What turns the model's output into scores: `softmax` over all labels, `sigmoid` for each label,
`none` where the model's last operator has done it already."""


class Prediction(msgspec.Struct, frozen=True):
    """One label and how sure the model is of it."""

    label: str
    score: float
    """0-1."""
    index: int
    """Position of the label in the model's output."""


class Timings(msgspec.Struct, frozen=True):
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


class Classification(msgspec.Struct, frozen=True):
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


def top_indices(outputs: NDArray[Any], top_k: int | None) -> list[int]:
    """Return where the `top_k` largest outputs are, largest first; equal ones in label order.

    Works on the model's own numbers: every activation keeps their order.

    Args:
        outputs: (labels,) of any integer or float dtype.
        top_k: At least 1; None for all.

    Raises:
        InterpreterError: An output is not a number.
        UsageError: `top_k` is less than 1.
    """
    count = outputs.shape[0]
    k = _wanted(top_k, count)
    if outputs.dtype.kind != "f":
        # Stable on the reversed array, read from its end: ties come in label order. NumPy sorts
        # bytes by radix, and no other array operation is needed.
        last = count - 1
        ascending = outputs[::-1].argsort(kind="stable")
        return [last - index for index in ascending[: -k - 1 : -1].tolist()]
    if np.isnan(outputs.max()):
        raise InterpreterError("the model answered NaN: its weights are broken; build it again")
    if k == count:
        best = np.argsort(-outputs, kind="stable")
    else:
        # Everything as good as the k-th best, so that ties are cut in label order.
        kth = np.partition(outputs, count - k)[count - k]
        candidates = np.flatnonzero(outputs >= kth)
        best = candidates[np.argsort(-outputs[candidates], kind="stable")[:k]]
    found: list[int] = best.tolist()
    return found


def best_of(outputs: Sequence[int], top_k: int | None) -> list[int]:
    """Return what `top_indices` does, of a few integers."""
    # `reverse` keeps equal ones in their order.
    ranked = sorted(range(len(outputs)), key=outputs.__getitem__, reverse=True)
    return ranked[: _wanted(top_k, len(outputs))]


def _wanted(top_k: int | None, count: int) -> int:
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k is {top_k}; ask for at least 1 prediction, or None for all")
    return count if top_k is None else min(top_k, count)


def name_predictions(
    indices: Sequence[int],
    scores: Sequence[float],
    labels: Sequence[str],
    thresholds: Sequence[float] | None = None,
) -> tuple[Prediction, ...]:
    """Return predictions in the order given; labels under their threshold are left out.

    Args:
        indices: Positions in the model's output.
        scores: Theirs.
        labels: Of the whole output.
        thresholds: Of the whole output; None for none.
    """
    # By `map`, without byte code for each: this runs on caches that inference has emptied.
    named = tuple(map(Prediction, map(labels.__getitem__, indices), scores, indices))
    if thresholds is None:
        return named
    return tuple(found for found in named if found.score >= thresholds[found.index])
