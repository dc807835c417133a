"""How much mean average precision drops between two models on the same pictures.

It is no mean over pictures, so that its interval comes from a bootstrap: pictures are drawn anew,
the same ones for both models. Average precision is that of `evaluation.multi_label`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edge_recog_converter.acceptance.paired import Drop

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES: Final = 1000
_SEED: Final = 1
_WEIGHTS_AT_ONCE: Final = 1_000_000


def drop_of_mean_precision(
    present: NDArray[np.bool_],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    confidence: float,
) -> Drop:
    """Return mean average precision of the first scores less that of the second.

    The interval is a percentile bootstrap with a fixed seed (Efron and Tibshirani, An Introduction
    to the Bootstrap, 1993, chapter 13), widened where it would leave out the estimate; too narrow
    below some 30 pictures.

    Args:
        present: (pictures, classes), which labels apply; 0 is the drop if none does anywhere.
        first: (pictures, classes), scores.
        second: As `first`.
        confidence: 0-1, of the two-sided interval.
    """
    if not present.any():
        return Drop(0.0, 0.0, 0.0)

    def drops(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        before, after = (mean_precisions(present, scores, weights) for scores in (first, second))
        return before - after

    count = len(present)
    estimate = float(drops(np.ones((1, count)))[0])
    rng = np.random.default_rng(_SEED)
    chances = np.full(count, 1 / count)
    at_once = max(1, _WEIGHTS_AT_ONCE // count)
    found = np.concatenate(
        [
            drops(rng.multinomial(count, chances, min(at_once, RESAMPLES - done)).astype(float))
            for done in range(0, RESAMPLES, at_once)
        ]
    )
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(found[~np.isnan(found)], [tail, 100 - tail])
    return Drop(estimate, min(estimate, float(low)), max(estimate, float(high)))


def mean_precisions(
    present: NDArray[np.bool_], scores: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean, over the labels that occur, of average precision, for each resample.

    Args:
        present: (pictures, classes), which labels apply.
        scores: (pictures, classes).
        weights: (resamples, pictures), how often each picture counts.

    Returns:
        (resamples,), 0-1; not a number where no picture that counts has a label.
    """
    total, known = np.zeros(len(weights)), np.zeros(len(weights))
    for label in np.flatnonzero(present.any(axis=0)):
        found = _average_precisions(present[:, label], scores[:, label], weights)
        total += np.nan_to_num(found)
        known += ~np.isnan(found)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = total / known
    return mean


def _average_precisions(
    present: NDArray[np.bool_], scores: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    in_order = weights[:, order]
    retrieved = np.cumsum(in_order, axis=1)[:, ends]
    hits = np.cumsum(in_order * present[order], axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0)
    # Where nothing was retrieved yet nothing was gained either.
    precision = hits / np.maximum(retrieved, 1)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = (gained * precision).sum(axis=1) / hits[:, -1]
    return found
