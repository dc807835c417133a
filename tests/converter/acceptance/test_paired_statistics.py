"""Lost and won pictures, against brute force and the benchmarks' own statistics."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from edge_recog_benchmarks.flips import share_difference
from edge_recog_converter.acceptance.mean_precision import drop_of_mean_precision, mean_precisions
from edge_recog_converter.acceptance.paired import (
    drop_of_share,
    is_real,
    mcnemar_p_value,
    smallest_loss_shown,
    too_many_lost,
)
from edge_recog_converter.evaluation.multi_label import average_precision
from hypothesis import given, settings
from hypothesis import strategies as st

PICTURES = st.integers(0, 60)
CONFIDENCES = st.sampled_from([0.6, 0.75, 0.9, 0.95, 0.99, 0.999])


@settings(derandomize=True, deadline=None)
@given(lost=PICTURES, won=PICTURES)
def test_the_test_adds_up_the_upper_tail_of_even_chances(lost: int, won: int) -> None:
    changed = lost + won
    tail = sum(math.comb(changed, k) for k in range(lost, changed + 1))
    assert mcnemar_p_value(lost, won) == pytest.approx(float(Fraction(tail, 2**changed)))


@settings(derandomize=True, deadline=None)
@given(lost=PICTURES, won=PICTURES, same=st.integers(0, 500), confidence=CONFIDENCES)
def test_the_interval_is_that_of_the_benchmarks(
    lost: int, won: int, same: int, confidence: float
) -> None:
    count = max(1, lost + won + same)
    found = drop_of_share(lost, won, count, confidence=confidence)
    expected = share_difference(lost, won, count, confidence=confidence)
    assert found.estimate == pytest.approx(-expected.estimate)
    assert found.low == pytest.approx(-expected.high)
    assert found.high == pytest.approx(-expected.low)
    assert -1 <= found.low <= found.estimate <= found.high <= 1


@settings(derandomize=True, deadline=None)
@given(lost=PICTURES, won=PICTURES, confidence=CONFIDENCES)
def test_without_those_too_many_no_loss_is_shown(lost: int, won: int, confidence: float) -> None:
    many = too_many_lost(lost, won, confidence=confidence)
    assert not is_real(lost - many, won, confidence=confidence)
    if many:
        assert is_real(lost - many + 1, won, confidence=confidence)


@settings(derandomize=True, deadline=None)
@given(count=st.integers(1, 20), confidence=CONFIDENCES)
def test_no_smaller_loss_can_be_shown(count: int, confidence: float) -> None:
    shown = smallest_loss_shown(count, confidence=confidence)
    every = [
        lost - won
        for lost in range(count + 1)
        for won in range(count - lost + 1)
        if is_real(lost, won, confidence=confidence)
    ]
    assert shown == (min(every) / count if every else 1.0)


@pytest.mark.parametrize(
    ("confidence", "pictures"), [(0.95, 5), (0.99, 7), (0.75, 2)], ids=["95 %", "99 %", "on it"]
)
def test_so_many_lost_pictures_show_a_loss(confidence: float, pictures: int) -> None:
    assert smallest_loss_shown(1000, confidence=confidence) == pictures / 1000


@settings(derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(2, 30))
def test_weights_are_how_often_a_picture_is_there(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (20, 3)) / levels
    present = rng.random((20, 3)) < 0.4
    weights = rng.multinomial(20, np.full(20, 1 / 20), 2)
    found = mean_precisions(present, scores, weights.astype(float))
    for row, weight in zip(found, weights, strict=True):
        drawn = np.repeat(np.arange(20), weight)
        each = [average_precision(scores[drawn, at], present[drawn, at]) for at in range(3)]
        known = [one for one in each if one is not None]
        if known:
            assert row == pytest.approx(np.mean(known))
        else:
            assert np.isnan(row)


def test_a_worse_ranking_has_an_interval_above_zero() -> None:
    rng = np.random.default_rng(0)
    present = rng.random((300, 4)) < 0.3
    good = np.where(present, 0.7, 0.3) + rng.normal(0, 0.1, (300, 4))
    worse = good + rng.normal(0, 0.4, (300, 4))
    drop = drop_of_mean_precision(present, good, worse, confidence=0.95)
    assert 0 < drop.low < drop.estimate < drop.high < 1
    wider = drop_of_mean_precision(present, good, worse, confidence=0.999)
    assert wider.low < drop.low
    assert wider.high > drop.high
    assert drop_of_mean_precision(present, good, worse, confidence=0.95) == drop


def test_labels_that_no_picture_has_cannot_drop() -> None:
    nothing = np.zeros((5, 2), np.bool_)
    drop = drop_of_mean_precision(nothing, np.ones((5, 2)), np.zeros((5, 2)), confidence=0.95)
    assert (drop.low, drop.estimate, drop.high) == (0.0, 0.0, 0.0)
