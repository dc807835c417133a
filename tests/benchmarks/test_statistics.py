"""Percentiles, intervals and tests, against other implementations and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from edge_recog_benchmarks.statistics import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    difference_interval,
    early_stopping,
    exponential,
    least_samples,
    mcnemar_exact,
    mean_interval,
    percentile,
    wilson,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

# Reported by LoadGen 6.0.17 (mlcommons-loadgen of PyPI) for its single-stream scenario: queries,
# percentile, and how many of the highest latencies it discarded. In each case its estimate was
# also the one that `early_stopping` gave for the latencies in its trace.
LOADGEN = [
    (64, 0.9, 0),
    (100, 0.9, 2),
    (117, 0.9, 3),
    (250, 0.9, 13),
    (333, 0.9, 19),
    (700, 0.9, 50),
    (1000, 0.9, 77),
    (5000, 0.9, 449),
    (20000, 0.9, 1900),
    (130, 0.95, 0),
    (2000, 0.95, 76),
    (3000, 0.97, 67),
    (662, 0.99, 0),
    (1500, 0.99, 5),
    (50000, 0.99, 447),
]


@pytest.mark.parametrize(("queries", "share", "discarded"), LOADGEN)
def test_the_early_stopping_estimate_is_the_one_loadgen_reports(
    queries: int, share: float, discarded: int
) -> None:
    shuffled = np.random.default_rng(1).permutation(queries)
    assert early_stopping(shuffled, share) == queries - 1 - discarded


@pytest.mark.parametrize(
    ("share", "samples"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.97, 219), (0.99, 662)]
)
def test_an_early_stopping_estimate_needs_as_many_samples_as_loadgen_says(
    share: float, samples: int
) -> None:
    assert least_samples(share) == samples
    assert early_stopping(range(samples - 1), share) is None
    assert early_stopping(range(samples), share) == samples - 1


@pytest.mark.parametrize("samples", [0, 1])
def test_next_to_no_samples_give_no_early_stopping_estimate(samples: int) -> None:
    assert early_stopping(range(samples), 0.9) is None


@given(st.integers(64, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(derandomize=True)
def test_early_stopping_discards_as_many_as_the_binomial_test_allows(
    samples: int, share: float
) -> None:
    estimate = early_stopping(range(samples), share)
    over = 0 if estimate is None else samples - estimate
    assert over == 0 or stats.binom.cdf(over, samples, 1 - share) < 0.01
    assert stats.binom.cdf(over + 1, samples, 1 - share) >= 0.01


@given(st.lists(st.integers(1, 10**12), min_size=64, max_size=200))
@settings(derandomize=True)
def test_an_early_stopping_estimate_is_a_sample_and_no_lower_than_the_percentile(
    samples: list[int],
) -> None:
    estimate = early_stopping(samples, 0.9)
    assert estimate in samples
    assert estimate >= percentile(samples, 90)


def test_a_percentile_is_interpolated_between_the_nearest_samples() -> None:
    assert percentile([10, 20, 30, 40], 50) == 25
    assert percentile([10, 20], 90) == pytest.approx(19)
    assert percentile([7], 99) == 7


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.sampled_from([0.8, 0.95, 0.99]))
@settings(derandomize=True)
def test_a_mean_has_students_interval(values: list[float], confidence: float) -> None:
    interval = mean_interval(values, confidence=confidence)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    assert interval.estimate == pytest.approx(float(np.mean(values)))
    assert interval.high - interval.low == pytest.approx(2 * half, rel=1e-6, abs=1e-6)
    assert interval.low <= interval.estimate <= interval.high


def test_the_mean_of_one_value_is_not_bounded() -> None:
    interval = mean_interval([3.0])
    assert interval.estimate == 3
    assert not interval.bounded


def test_a_difference_of_means_has_welchs_interval() -> None:
    left, right = [10.0, 11.0, 12.5, 9.0], [14.0, 13.0, 15.5, 14.5, 20.0]
    known = stats.ttest_ind(right, left, equal_var=False).confidence_interval(0.95)
    interval = difference_interval(left, right)
    assert (interval.low, interval.high) == pytest.approx((known.low, known.high))


@pytest.mark.parametrize(("left", "right"), [([1.0], [2.0, 3.0]), ([1.0, 2.0], [3.0])])
def test_a_difference_from_a_single_value_is_not_bounded(
    left: list[float], right: list[float]
) -> None:
    assert not difference_interval(left, right).bounded


def test_a_difference_between_constants_is_known_exactly() -> None:
    assert difference_interval([2.0, 2.0], [5.0, 5.0]) == Interval(3.0, 3.0, 3.0)


def test_a_bootstrap_is_repeated_by_its_seed() -> None:
    values = np.random.default_rng(5).normal(size=40)
    assert bootstrap_mean(values, seed=2) == bootstrap_mean(values, seed=2)
    assert bootstrap_mean(values, seed=2) != bootstrap_mean(values, seed=3)


@pytest.mark.parametrize("values", ["normal", "right or wrong"])
def test_a_bootstrap_of_many_values_agrees_with_the_normal_approximation(values: str) -> None:
    rng = np.random.default_rng(6)
    data = rng.normal(5, 2, 3000) if values == "normal" else rng.random(3000) < 0.7
    interval = bootstrap_mean(data, resamples=4000)
    error = 1.96 * float(np.std(data)) / math.sqrt(3000)
    assert interval.estimate == pytest.approx(float(np.mean(data)))
    assert interval.low == pytest.approx(interval.estimate - error, abs=error / 10)
    assert interval.high == pytest.approx(interval.estimate + error, abs=error / 10)


def test_a_bootstrap_needs_values() -> None:
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])


def test_a_paired_bootstrap_knows_that_the_cases_are_the_same() -> None:
    rng = np.random.default_rng(7)
    hard = rng.random(2000) < 0.3
    left = ~hard
    right = ~hard | (rng.random(2000) < 0.02)
    interval = bootstrap_difference(left, right)
    assert interval.estimate == pytest.approx(float(right.mean() - left.mean()))
    assert 0 < interval.low < interval.high < 0.02


def test_a_paired_bootstrap_refuses_what_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 values and 3"):
        bootstrap_difference([1, 0], [1, 0, 1])


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99]))
@settings(derandomize=True)
def test_a_proportion_has_wilsons_interval(trials: int, share: float, confidence: float) -> None:
    successes = round(share * trials)
    known = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    interval = wilson(successes, trials, confidence=confidence)
    assert (interval.low, interval.high) == pytest.approx((known.low, known.high), abs=1e-9)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_a_proportion_of_nothing_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="make no proportion"):
        wilson(successes, trials)


@given(st.integers(0, 300), st.integers(0, 300))
@settings(derandomize=True)
def test_mcnemars_test_is_the_binomial_test_of_the_disagreements(only_a: int, only_b: int) -> None:
    p_value = mcnemar_exact(only_a, only_b)
    known = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert p_value == pytest.approx(float(known))
    assert p_value == mcnemar_exact(only_b, only_a)


def test_an_interval_keeps_its_order_when_the_scale_is_turned_round() -> None:
    assert Interval(2.0, 1.0, 4.0).map(lambda value: 1 / value) == Interval(0.5, 0.25, 1.0)


def test_an_exponential_is_infinite_rather_than_an_error() -> None:
    assert exponential(1e6) == math.inf
    assert exponential(-math.inf) == 0
    assert exponential(1.0) == pytest.approx(math.e)
