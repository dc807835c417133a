"""Scores as they would be with a temperature of 1."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from edge_recog_converter.evaluation.calibration import untempered

from edge_recog.predictions import scores_of

ACTIVATIONS: tuple[Literal["softmax", "sigmoid"], ...] = ("softmax", "sigmoid")
LOGITS = np.random.default_rng(1).normal(0, 4, (200, 5)).astype(np.float32)


def shipped(
    logits: np.ndarray, activation: Literal["softmax", "sigmoid"], temperature: float = 1.0
) -> np.ndarray:
    """Return scores as the runtime gives them."""
    return np.stack([scores_of(row, activation, temperature) for row in logits])


@pytest.mark.parametrize("temperature", [0.8, 1.0, 1.7, 6.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_scores_of_the_logits_come_back(
    activation: Literal["softmax", "sigmoid"], temperature: float
) -> None:
    scores = shipped(LOGITS, activation, temperature)
    expected = shipped(LOGITS, activation)
    np.testing.assert_allclose(untempered(scores, temperature, activation), expected, atol=3e-6)


def test_small_scores_of_a_softmax_come_back_as_they_are() -> None:
    logits = np.array([[0.0, -20.0, -30.0]], np.float32)
    found = untempered(shipped(logits, "softmax", 0.5), 0.5, "softmax")
    np.testing.assert_allclose(found, shipped(logits, "softmax"), rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_scores_of_0_and_1_stay_scores(
    activation: Literal["softmax", "sigmoid"], temperature: float
) -> None:
    found = untempered(np.array([[0.0, 1.0]], np.float32), temperature, activation)
    assert np.isfinite(found).all()
    assert 0 <= found[0, 0] < 0.5 < found[0, 1] <= 1


def test_scores_of_one_picture_are_still_1_together() -> None:
    found = untempered(shipped(LOGITS, "softmax", 3.0), 3.0, "softmax")
    np.testing.assert_allclose(found.sum(axis=1), 1)
