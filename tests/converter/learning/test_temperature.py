"""Temperature scaling: scores that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from edge_recog_converter.learning.temperature import (
    MOST,
    ConfidenceBin,
    equal_mass_bins,
    expected_calibration_error,
    fit_sigmoid_temperature,
    fit_temperature,
    negative_log_likelihood,
    softmax,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def drawn(temperature: float, seed: int = 1, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are `temperature` times those that labels are drawn by."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, (count, 5))
    scores = softmax(true)
    labels = (scores.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return true * temperature, np.minimum(labels, 4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_that_of_several_labels_is_found_too(temperature: float) -> None:
    rng = np.random.default_rng(2)
    true = rng.normal(0, 2, (20_000, 3))
    targets = (rng.random(true.shape) < 1 / (1 + np.exp(-true))).astype(float)
    found = fit_sigmoid_temperature(true * temperature, targets)
    assert found == pytest.approx(temperature, rel=0.03)


def test_it_lowers_likelihood_and_error() -> None:
    logits, labels = drawn(3.0)
    before, after = softmax(logits), softmax(logits / fit_temperature(logits, labels))
    assert negative_log_likelihood(after, labels) < negative_log_likelihood(before, labels)
    errors = [
        expected_calibration_error(scores.max(axis=1), scores.argmax(axis=1) == labels)
        for scores in (before, after)
    ]
    assert errors[1] < 0.02 < errors[0]


def test_one_that_is_always_right_is_as_sure_as_so_many_pictures_allow() -> None:
    logits, few = np.eye(4) * 5, np.arange(4)
    # Right with 5/6: e^(5/T) / (e^(5/T) + 3).
    assert fit_temperature(logits, few) == pytest.approx(5 / np.log(15))
    # Right with 401/402.
    many = fit_temperature(np.tile(logits, (100, 1)), np.tile(few, 100))
    assert many == pytest.approx(5 / np.log(1203))


def test_one_that_is_always_wrong_is_made_unsure_without_end() -> None:
    assert fit_temperature(np.eye(4) * 5, np.array([1, 2, 3, 0])) == pytest.approx(MOST)


def test_labels_that_are_always_right_are_as_sure_as_so_many_pictures_allow() -> None:
    targets = np.array([[1.0], [0.0]] * 50)
    found = fit_sigmoid_temperature(targets * 8 - 4, targets)
    # Right with 51/52: 1 / (1 + e^(-4/T)).
    assert found == pytest.approx(4 / np.log(51))


def test_calibration_error_by_hand() -> None:
    confidences = np.array([0.6, 0.6, 0.9, 0.9])
    right = np.array([True, False, True, True])
    assert expected_calibration_error(confidences, right, bins=2) == pytest.approx(0.1)


def test_bins_are_of_equally_many_the_least_confident_first() -> None:
    confidences = np.array([0.75, 0.25, 0.5, 1.0, 0.0])
    right = np.array([True, False, True, True, False])
    assert equal_mass_bins(confidences, right, bins=2) == (
        ConfidenceBin(confidence=0.25, accuracy=pytest.approx(1 / 3), count=3),
        ConfidenceBin(confidence=0.875, accuracy=1.0, count=2),
    )


def test_there_are_no_more_bins_than_answers() -> None:
    assert equal_mass_bins(np.array([0.5]), np.array([True])) == (ConfidenceBin(0.5, 1.0, 1),)


def test_equal_answers_count_the_same_in_whatever_bin_and_order() -> None:
    confidences = np.ones(4)
    for right in ([True, True, False, False], [False, True, True, False]):
        assert equal_mass_bins(confidences, np.array(right), bins=2) == (
            ConfidenceBin(confidence=1.0, accuracy=0.5, count=2),
            ConfidenceBin(confidence=1.0, accuracy=0.5, count=2),
        )


@settings(derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_calibration_error_is_a_share(pairs: list[tuple[float, bool]]) -> None:
    confidences, right = (np.array(column) for column in zip(*pairs, strict=True))
    assert 0 <= expected_calibration_error(confidences, right) <= 1
