"""Percentiles, intervals and tests; plain numbers in, plain numbers out.

A *percentile* here is numpy's default, linear interpolation between the two nearest order
statistics (type 7 of Hyndman and Fan, The American Statistician 50, 1996), unless it is called an
early-stopping estimate.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import bdtr, betainc, ndtri, stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

EARLY_STOPPING_CONFIDENCE = 0.99
"""As MLPerf Inference sets it; its tolerance is 0."""
_DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate and where the true value lies with the confidence asked for."""

    estimate: float
    low: float
    high: float
    """`low` <= `estimate` <= `high`; infinite where the data cannot bound it."""

    @property
    def bounded(self) -> bool:
        """Tell whether the data say anything of where the true value lies."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def map(self, function: Callable[[float], float]) -> Interval:
        """Return the interval after a monotone change of scale, rising or falling."""
        ends = sorted((function(self.low), function(self.high)))
        return Interval(function(self.estimate), *ends)


def exponential(logarithm: float) -> float:
    """Return e to the power given; infinity where a float cannot hold it."""
    return math.exp(logarithm) if logarithm < 700 else math.inf


def percentile(values: ArrayLike, percent: float) -> float:
    """Return the percentile, 0-100, of one value or more."""
    return float(np.percentile(np.asarray(values), percent))


def early_stopping(samples_ns: ArrayLike, percentile: float) -> int | None:
    """Return MLPerf Inference's single-stream early-stopping estimate of a percentile.

    It is the t-th highest latency, with the largest t >= 1 for which, if the true percentile were
    higher, t or fewer of the n samples would exceed it with a probability below 1 %: with
    confidence 99 % the true percentile is no higher than this. (MLCommons, "MLPerf Inference
    Rules", appendix "Early stopping criterion": n >= h(t) + t.)

    Args:
        samples_ns: Latencies, in any order; each independent of the others.
        percentile: 0-1, as in 0.9.

    Returns:
        One of the samples, never below the percentile's nearest rank; None with fewer than
        `least_samples`.
    """
    ordered = np.sort(np.asarray(samples_ns))
    discarded = _overlatency(ordered.size, percentile)
    return int(ordered[ordered.size - discarded]) if discarded >= 1 else None


def least_samples(percentile: float) -> int:
    """Return how many samples an early-stopping estimate needs: 64 for 0.9, 662 for 0.99."""
    most = 2
    while _overlatency(most, percentile) < 1:
        most *= 2
    return bisect.bisect_left(range(most), 1, key=lambda n: _overlatency(n, percentile))


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Return Student's interval of a mean: unbounded for one value.

    Honest for few (3-10) values that are about normal, where a bootstrap is too narrow.
    """
    data = np.asarray(values, np.float64)
    mean = float(data.mean())
    if data.size < 2:
        return Interval(mean, -math.inf, math.inf)
    quantile = float(stdtrit(data.size - 1, (1 + confidence) / 2))
    half = quantile * float(data.std(ddof=1)) / math.sqrt(data.size)
    return Interval(mean, mean - half, mean + half)


def difference_interval(left: ArrayLike, right: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Return Welch's interval of mean(right) - mean(left); unbounded if either has one value.

    B. L. Welch, Biometrika 34 (1947), 28-35.
    """
    first, second = np.asarray(left, np.float64), np.asarray(right, np.float64)
    difference = float(second.mean() - first.mean())
    if min(first.size, second.size) < 2:
        return Interval(difference, -math.inf, math.inf)
    parts = [float(part.var(ddof=1)) / part.size for part in (first, second)]
    variance = sum(parts)
    if variance == 0:
        return Interval(difference, difference, difference)
    freedom = variance**2 / sum(
        part**2 / (data.size - 1) for part, data in zip(parts, (first, second), strict=True)
    )
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(variance)
    return Interval(difference, difference - half, difference + half)


def bootstrap_mean(
    values: ArrayLike, *, confidence: float = 0.95, seed: int = 1, resamples: int = 2000
) -> Interval:
    """Return the percentile-bootstrap interval of a mean.

    Too narrow below some 30 values; for a proportion near 0 or 1 use `wilson`.

    Args:
        values: One or more, independent of each other.
        confidence: 0-1.
        seed: Of the resampling; the same seed gives the same interval.
        resamples: How many.

    Raises:
        ValueError: There is no value.
    """
    data = np.asarray(values, np.float64)
    if data.size == 0:
        raise ValueError("no values to take the mean of")
    means = np.concatenate(list(_resampled_means(data, np.random.default_rng(seed), resamples)))
    return _percentile_interval(float(data.mean()), means, confidence)


def bootstrap_difference(
    left: ArrayLike,
    right: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 1,
    resamples: int = 2000,
) -> Interval:
    """Return the paired-bootstrap interval of mean(right) - mean(left).

    Both have one value for each of the same cases, in the same order: 1 where a model was right
    and 0 where not, for a difference of accuracies.

    Raises:
        ValueError: They are of different lengths, or empty.
    """
    first, second = np.asarray(left, np.float64), np.asarray(right, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"not pairs: {first.size} values and {second.size}")
    return bootstrap_mean(second - first, confidence=confidence, seed=seed, resamples=resamples)


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.

    Raises:
        ValueError: There were no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials make no proportion")
    z = float(ndtri((1 + confidence) / 2))
    share = successes / trials
    weight = z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def mcnemar_exact(only_a_right: int, only_b_right: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: how surely a differs from b.

    Args:
        only_a_right: Cases that a got right and b wrong.
        only_b_right: The other way round.

    Returns:
        0-1, the chance of a difference at least as great between two equally good models: twice
        the tail of the binomial distribution with probability 1/2.
    """
    disagreements = only_a_right + only_b_right
    fewer = min(only_a_right, only_b_right)
    return min(1.0, 2 * float(bdtr(fewer, disagreements, 0.5)))


def _overlatency(samples: int, percentile: float) -> int:
    """Return the largest t with P(Binomial(samples, 1 - percentile) <= t) < 1 %; -1 if none."""
    return (
        bisect.bisect_left(
            range(samples),
            1 - EARLY_STOPPING_CONFIDENCE,
            key=lambda t: float(betainc(samples - t, 1 + t, percentile)),
        )
        - 1
    )


def _resampled_means(
    data: NDArray[np.float64], rng: np.random.Generator, resamples: int
) -> Iterator[NDArray[Any]]:
    """Yield means of resamples, some at a time so that memory stays bounded."""
    distinct, counts = np.unique(data, return_counts=True)
    if distinct.size <= 16:  # Right or wrong, mostly: how often each value is drawn says it all.
        yield rng.multinomial(data.size, counts / data.size, size=resamples) @ distinct / data.size
        return
    at_once = max(1, _DRAWS_AT_ONCE // data.size)
    for start in range(0, resamples, at_once):
        shape = (min(at_once, resamples - start), data.size)
        yield data[rng.integers(data.size, size=shape)].mean(axis=1)


def _percentile_interval(estimate: float, statistics: NDArray[Any], confidence: float) -> Interval:
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(statistics, [tail, 100 - tail])
    return Interval(estimate, min(estimate, float(low)), max(estimate, float(high)))
