"""Intervals of figures that are no mean: a bootstrap over the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_recog_benchmarks.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
    """From how often each case is drawn, (resamples, cases), to the figure of each resample; not a
    number where a resample has none."""

RESAMPLES = 1000
_WEIGHTS_AT_ONCE = 1_000_000


def bootstrap(
    statistic: Statistic,
    cases: int,
    *,
    confidence: float = 0.95,
    seed: int = 1,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """Return the percentile-bootstrap interval of a figure.

    Two contestants' figures of the same pictures are paired when `statistic` returns their
    difference. Too narrow below some 30 cases.

    Args:
        statistic: See `Statistic`.
        cases: How many there are; at least 1.
        confidence: 0-1.
        seed: Of the resampling; the same seed gives the same interval.
        resamples: How many; those without a figure are left out.

    Returns:
        None where the cases themselves have no such figure.
    """
    estimate = float(statistic(np.ones((1, cases)))[0])
    if np.isnan(estimate):
        return None
    rng = np.random.default_rng(seed)
    chances = np.full(cases, 1 / cases)
    at_once = max(1, _WEIGHTS_AT_ONCE // cases)
    drawn = [
        statistic(rng.multinomial(cases, chances, min(at_once, resamples - done)).astype(float))
        for done in range(0, resamples, at_once)
    ]
    figures = np.concatenate(drawn)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(figures[~np.isnan(figures)], [tail, 100 - tail])
    return Interval(estimate, min(estimate, float(low)), max(estimate, float(high)))
