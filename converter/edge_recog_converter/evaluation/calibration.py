"""Whether scores mean what they say, with the model's temperature and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from edge_recog_converter.learning.temperature import (
    equal_mass_bins,
    expected_calibration_error,
    softmax,
)
from edge_recog_converter.report.document import Bin, Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15
_LEAST_OF_SOFTMAX = float(np.finfo(np.float32).tiny)
_LEAST_OF_SIGMOID = 2.0**-54
_MOST_OF_SIGMOID = 1 - 2.0**-25
"""The runtime computes a sigmoid as `(1 + tanh(x / 2)) / 2` in float64 and gives it out as float32:
less than the one reads 0, more than the other reads 1."""


def calibration_of(
    confidences: NDArray[np.floating],
    right: NDArray[np.bool_],
    *,
    negative_log_likelihood: float,
) -> Calibration:
    """Return how far confidence is from accuracy, as one number and as bins.

    Args:
        confidences: (answers,) scores, 0-1; at least one.
        right: (answers,) whether what the score is of is true.
        negative_log_likelihood: Mean, of the same scores.
    """
    return Calibration(
        negative_log_likelihood=negative_log_likelihood,
        expected_calibration_error=expected_calibration_error(confidences, right, bins=BINS),
        bins=tuple(
            Bin(confidence=one.confidence, accuracy=one.accuracy, count=one.count)
            for one in equal_mass_bins(confidences, right, bins=BINS)
        ),
    )


def untempered(
    scores: NDArray[np.floating], temperature: float, activation: Literal["softmax", "sigmoid"]
) -> NDArray[np.floating]:
    """Return the scores that the same logits have with a temperature of 1.

    The logits z are not needed. With `p = softmax(z / T)`, `log p` is `z / T` less a number that is
    the same for all classes, and softmax does not see such a number: `softmax(T * log p)` is
    `softmax(z)`. With `p = sigmoid(z / T)`, `logit p` is `z / T`, so that `sigmoid(T * logit p)` is
    `sigmoid(z)`. That is exact but for the rounding of scores: those that were rounded to 0 or 1
    count as the least or the most that is not.

    Args:
        scores: (pictures, classes), 0-1, as the model gives them.
        temperature: What its logits were divided by.
        activation: What made scores of them.
    """
    if temperature == 1:
        return scores
    values = np.asarray(scores, np.float64)
    if activation == "softmax":
        return softmax(temperature * np.log(np.clip(values, _LEAST_OF_SOFTMAX, None)))
    values = np.clip(values, _LEAST_OF_SIGMOID, _MOST_OF_SIGMOID)
    logits = temperature * (np.log(values) - np.log1p(-values))
    # 1 / (1 + exp(-x)) written so that exp never overflows.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), np.float64)
