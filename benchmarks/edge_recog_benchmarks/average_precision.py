"""Mean average precision, of tasks where several labels may apply to a picture.

Average precision of a label is sum over n of (R_n - R_(n-1)) * P_n, where P_n and R_n are precision
and recall at the n-th highest *distinct* score: not interpolated, and equal scores, of which 8-bit
models have many, count as one step. This is `average_precision_score` of scikit-learn, and not what
Pascal VOC (interpolated) or COCO (101 points) call so. The mean is over the labels that at least
one picture has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def average_precision(
    truth: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the average precision of one label, 0-1.

    Args:
        truth: (pictures,) the label applies.
        scores: (pictures,) of the label.
        weights: (resamples, pictures) how often each picture counts; ones for once.

    Returns:
        (resamples,); not a number where no picture that counts has the label.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    sorted_weights = weights[:, order]
    retrieved = np.cumsum(sorted_weights, axis=1)[:, ends]
    hits = np.cumsum(sorted_weights * truth[order], axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0)
    # Where nothing was retrieved yet nothing was gained either.
    precision = hits / np.maximum(retrieved, 1)
    total = hits[:, -1]
    with np.errstate(invalid="ignore"):
        figure: NDArray[np.float64] = (gained * precision).sum(axis=1) / total
    return figure


def mean_average_precision(
    truth: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean over labels of `average_precision`.

    Args:
        truth: (pictures, labels) the label applies.
        scores: (pictures, labels).
        weights: As in `average_precision`.

    Returns:
        (resamples,); not a number where no picture that counts has any label.
    """
    total, known = np.zeros(len(weights)), np.zeros(len(weights))
    for label in np.flatnonzero(truth.any(axis=0)):
        figure = average_precision(truth[:, label], scores[:, label], weights)
        total += np.nan_to_num(figure)
        known += ~np.isnan(figure)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = total / known
    return mean
