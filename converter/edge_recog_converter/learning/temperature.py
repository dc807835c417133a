"""Temperature scaling: dividing logits by one number so that scores mean what they say.

C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, https://arxiv.org/abs/1706.04599.
The best answer stays the best answer; only how sure it is changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LEAST, MOST = 0.05, 20.0
"""Temperatures beyond are those of too few pictures, or of a network that is always right."""
_STEPS = 60


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Return the temperature with the least negative log-likelihood, LEAST to MOST.

    The likelihood is concave in 1 / temperature, so its derivative is bisected. Of n pictures, the
    right class counts as right with (n + 1) / (n + 2) only, as in J. Platt, Probabilistic Outputs
    for Support Vector Machines, 1999, section 2.2: else a network that is right on all of them
    would be told to be as sure as can be.

    Args:
        logits: (pictures, classes), of pictures that were not trained on.
        labels: (pictures,) indices of the right classes.
    """
    values = np.asarray(logits, np.float64)
    count, classes = values.shape
    doubt = 1 / (count + 2)
    targets = np.full(values.shape, doubt / max(classes - 1, 1))
    targets[np.arange(count), labels] = 1 - doubt
    right = (targets * values).sum(axis=1)

    def slope(inverse: float) -> float:
        """Return d NLL / d inverse: expected minus right logit."""
        return float(np.mean((softmax(values * inverse) * values).sum(axis=1) - right))

    return 1 / _zero_of(slope, 1 / MOST, 1 / LEAST)


def fit_sigmoid_temperature(logits: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Return the temperature for several labels a picture, each a yes or no of its own.

    Of n pictures with a label, or without, each counts as such with (n + 1) / (n + 2); see
    `fit_temperature`.

    Args:
        logits: (pictures, classes).
        targets: (pictures, classes) of 0 and 1.
    """
    values = np.asarray(logits, np.float64)
    present = np.asarray(targets, np.float64).sum(axis=0)
    absent = len(values) - present
    doubted = np.where(np.asarray(targets) > 0, (present + 1) / (present + 2), 1 / (absent + 2))

    def slope(inverse: float) -> float:
        scores = 1 / (1 + np.exp(-np.clip(values * inverse, -60, 60)))
        return float(np.mean((scores - doubted) * values))

    return 1 / _zero_of(slope, 1 / MOST, 1 / LEAST)


def negative_log_likelihood(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Return the mean of -ln(score of the right label); a score of 0 counts as 1e-12."""
    right = np.asarray(scores, np.float64)[np.arange(len(scores)), labels]
    return float(-np.log(np.clip(right, 1e-12, None)).mean())


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Answers of which a model is about equally sure."""

    confidence: float
    """Mean score, 0-1."""
    accuracy: float
    """Share that is right, 0-1."""
    count: int


def expected_calibration_error(
    confidences: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Return the mean distance of confidence from accuracy, over bins of equally many answers.

    Args:
        confidences: (answers,) scores, 0-1, such as those of the best labels.
        right: (answers,) whether what the score is of is true.
        bins: As in `equal_mass_bins`.
    """
    distances = [
        abs(one.confidence - one.accuracy) * one.count
        for one in equal_mass_bins(confidences, right, bins=bins)
    ]
    return sum(distances) / len(confidences)


def equal_mass_bins(
    confidences: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = 15
) -> tuple[ConfidenceBin, ...]:
    """Return answers in bins of equally many, least confident first.

    Equal-mass bins: J. Nixon et al., Measuring Calibration in Deep Learning, 2019,
    https://arxiv.org/abs/1904.01685. An edge may fall among answers of equal confidence, of which
    saturated and 8-bit scores have many: each of them counts as the share of them that is right, so
    that the order in which pictures come does not matter.

    Args:
        confidences: (answers,) scores, 0-1; at least one.
        right: (answers,) whether what the score is of is true.
        bins: Fewer where there are fewer answers. The first ones have one more, if they must.
    """
    values, positions = np.unique(np.asarray(confidences, np.float64), return_inverse=True)
    shares = np.bincount(positions, weights=right) / np.bincount(positions)
    parts = np.array_split(np.sort(positions), min(bins, len(positions)))
    return tuple(
        ConfidenceBin(float(values[part].mean()), float(shares[part].mean()), len(part))
        for part in parts
    )


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return scores along the last axis, each 0-1, 1 together."""
    powers = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float64)


def _zero_of(slope: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function is 0, or the end that is nearest to it."""
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return (low + high) / 2
