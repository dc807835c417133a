"""Whether a score of 0.8 is right in 8 of 10 cases.

Expected calibration error of C. Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017,
arXiv:1706.04599), equation 3: the mean over pictures of the gap between accuracy and mean score in
15 bins of equal width, of which each has its upper edge. It is never negative, so chance alone
makes it greater than 0, the more the fewer pictures there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The pictures whose best label has about the same score."""

    low: float
    """Exclusive, 0-1; inclusive for 0."""
    high: float
    """Inclusive."""
    count: int
    """Pictures; at least 1."""
    score: float
    """Mean of the best label's, 0-1."""
    accuracy: float
    """Share of which it is right, 0-1."""


def reliability(score: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Return the bins that have pictures, in rising order.

    Args:
        score: (pictures,) of the best label, 0-1.
        right: (pictures,) the best label is the right one.
    """
    number = _bin_of(score)
    found = []
    for one in np.unique(number):
        inside = number == one
        found.append(
            ReliabilityBin(
                low=int(one) / BINS,
                high=(int(one) + 1) / BINS,
                count=int(inside.sum()),
                score=float(score[inside].mean()),
                accuracy=float(right[inside].mean()),
            )
        )
    return tuple(found)


def calibration_error(
    score: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the expected calibration error, 0-1.

    Args:
        score: (pictures,) of the best label, 0-1.
        right: (pictures,) the best label is the right one.
        weights: (resamples, pictures) how often each picture counts; ones for once.

    Returns:
        (resamples,).
    """
    gaps = np.zeros((score.size, BINS))
    gaps[np.arange(score.size), _bin_of(score)] = score - right
    figure: NDArray[np.float64] = np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
    return figure


def _bin_of(score: NDArray[np.float64]) -> NDArray[np.intp]:
    edges = np.arange(1, BINS + 1) / BINS
    return np.minimum(np.searchsorted(edges, score, side="left"), BINS - 1)
