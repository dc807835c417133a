"""From which score on a label is said to apply: tuned on validation, for the best F1 of each label.

Z. C. Lipton, C. Elkan, B. Narayanaswamy, Thresholding Classifiers to Maximize F1 Score, 2014,
https://arxiv.org/abs/1402.1892. Where scores mean what they say, the best threshold is half the
best F1, so never above 0.5: a rare label is best said long before it is likely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UNTUNED = 0.5
"""Where there is nothing to tune by: every picture has the label, or none."""


def claimed(scores: NDArray[np.floating], thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """Return which labels are said: those at or above their thresholds, as in the runtime.

    Thresholds are compared in the scores' own precision, so that a score on its threshold counts.

    Args:
        scores: (pictures, classes), 0-1.
        thresholds: (classes,), 0-1.

    Returns:
        (pictures, classes).
    """
    return np.asarray(scores >= np.asarray(thresholds, scores.dtype), np.bool_)


def tuned_thresholds(
    scores: NDArray[np.floating], targets: NDArray[np.generic]
) -> tuple[float, ...]:
    """Return for each label the threshold with the best F1.

    It lies halfway between two scores that occur and are neighbours, or halfway between 0 and the
    least one: far from any score, so that small changes of scores, such as those of an 8-bit
    model, change few answers. Of several with the best F1 it is the one nearest 0.5; of
    two equally near, the lower. A label that no picture has, or every picture, gets 0.5.

    Args:
        scores: (pictures, classes), 0-1, calibrated as the model ships; of pictures that were not
            trained on.
        targets: (pictures, classes) of 0 and 1.

    Returns:
        (classes,), 0-1; numbers of the scores' own precision.
    """
    present = np.asarray(targets, np.bool_)
    return tuple(_tuned(scores[:, label], present[:, label]) for label in range(scores.shape[1]))


def _tuned(scores: NDArray[np.floating], present: NDArray[np.bool_]) -> float:
    if not present.any() or present.all():
        return UNTUNED
    values, positions = np.unique(scores, return_inverse=True)
    # At index i: if all scores from the i-th distinct one on are said.
    said = _at_least(np.bincount(positions))
    hits = _at_least(np.bincount(positions[present], minlength=len(values)))
    # Quotients of counts: equal ones come out as equal floats.
    f1 = 2 * hits / (present.sum() + said)
    candidates = _below(values)[f1 == f1.max()]
    return float(candidates[np.argmin(np.abs(candidates - UNTUNED))])


def _at_least(counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return, at each index, the sum from there to the end."""
    return np.cumsum(counts[::-1])[::-1]


def _below(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return thresholds that each value is at or above, and the value before it is not."""
    previous = np.concatenate([np.zeros(1, values.dtype), values[:-1]])
    middles = previous + (values - previous) / 2
    # Between adjacent floats there is none: the middle may round to the lower one.
    return np.where(middles > previous, middles, values)
