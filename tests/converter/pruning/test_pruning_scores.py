"""Which channels matter, by weights, by factors and by the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.scores import gamma_scores, l1_scores, taylor_scores
from edge_recog_converter.pruning.tracing import trace

layers = keras.layers


def network() -> Any:
    """Two convolutions that are added, normalised and flattened; a dense layer."""
    image = keras.Input((4, 4, 2))
    first = layers.Conv2D(3, 1, name="first")(image)
    second = layers.Conv2D(3, 1, use_bias=False, name="second")(image)
    x = layers.BatchNormalization(name="norm")(layers.Add()([first, second]))
    x = layers.Dense(5, activation="relu", name="dense")(layers.Flatten()(x))
    model = keras.Model(image, layers.Dense(2, name="logits")(x))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        # Above 0, so that some units are surely on their ReLU's open side.
        variable.assign(rng.uniform(0.1, 1, variable.shape))
    return model


def test_l1_is_the_norm_of_the_filters_that_make_a_channel() -> None:
    model = network()
    kernel = np.array([[1.0, -2.0, 3.0], [1.0, 2.0, -3.0]])
    model.get_layer("first").kernel.assign(kernel[None, None])
    model.get_layer("second").kernel.assign(np.ones((1, 1, 2, 3)))
    dense = np.abs(np.asarray(model.get_layer("dense").kernel)).sum(axis=0)
    channels = trace(model)
    by_maker = {min(group.makers): group.name for group in channels.groups}
    scores = l1_scores(model, channels, normalization="none")
    # Shares of each maker: 2, 4 and 6 of a mean of 4; and the same for all.
    np.testing.assert_allclose(scores[by_maker["first"]], [0.5 + 1, 1 + 1, 1.5 + 1])
    np.testing.assert_allclose(scores[by_maker["dense"]], dense, rtol=1e-6)


@pytest.mark.parametrize("score", [l1_scores, gamma_scores], ids=["l1", "gamma"])
def test_scores_have_a_mean_of_one_in_every_group(score: Any) -> None:
    model = build_architecture("mobilenet-v3-small", input_shape=(32, 32, 3), classes=4, width=0.25)
    scores = score(model, trace(model))
    assert all(values.mean() == pytest.approx(1) for values in scores.values())


def test_gamma_is_the_factor_of_the_normalisation() -> None:
    model = network()
    model.get_layer("norm").gamma.assign([0.5, -2.0, 0.5])
    channels = trace(model)
    by_maker = {min(group.makers): group.name for group in channels.groups}
    scores = gamma_scores(model, channels)
    np.testing.assert_allclose(scores[by_maker["first"]], [0.5, 2.0, 0.5])
    # There is no factor: L1 decides.
    expected = l1_scores(model, channels)[by_maker["dense"]]
    np.testing.assert_array_equal(scores[by_maker["dense"]], expected)


def test_gamma_needs_a_normalisation() -> None:
    model = build_architecture("lenet-5", input_shape=(16, 16, 1), classes=4)
    with pytest.raises(PruningError, match="no batch normalisation"):
        gamma_scores(model, trace(model))


def squared(targets: Any, outputs: Any) -> Any:
    return keras.ops.sum((outputs - targets) ** 2, axis=-1)


def test_taylor_is_the_mean_of_gradient_times_weight() -> None:
    image = keras.Input((2,))
    hidden = layers.Dense(2, use_bias=False, name="hidden")(image)
    model = keras.Model(image, layers.Dense(1, use_bias=False, name="logits")(hidden))
    first, second = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[2.0], [-1.0]])
    model.get_layer("hidden").kernel.assign(first)
    model.get_layer("logits").kernel.assign(second)
    batches = [
        (np.array([[1.0, 2.0]], np.float32), np.array([[0.0]], np.float32)),
        (np.array([[-1.0, 1.0]], np.float32), np.array([[1.0]], np.float32)),
    ]
    expected = np.zeros(2)
    for inputs, targets in batches:
        slope = 2 * (inputs @ first @ second - targets)
        expected += np.abs(first * (inputs.T @ slope @ second.T)).sum(axis=0)
        expected += np.abs(second * ((inputs @ first).T @ slope)).sum(axis=1)
    scores = taylor_scores(model, trace(model), batches=batches, loss=squared, normalization="none")
    np.testing.assert_allclose(scores["hidden"], expected / 2, rtol=1e-5)


def test_taylor_finds_the_channels_that_nobody_reads() -> None:
    model = network()
    kernel = np.asarray(model.get_layer("logits").kernel).copy()
    kernel[[1, 3]] = 0
    model.get_layer("logits").kernel.assign(kernel)
    model.get_layer("dense").bias.assign(np.full(5, 9.0))
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(4, 4, 4, 2)).astype(np.float32), np.ones((4, 2), np.float32))] * 2
    before = model.get_weights()
    scores = taylor_scores(model, trace(model), batches=batches, loss=squared)
    assert sorted(np.flatnonzero(scores["dense"] == 0).tolist()) == [1, 3]
    for weight, earlier in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, earlier)


def test_frozen_weights_have_taylor_scores_too() -> None:
    model = network()
    model.trainable = False
    batches = [(np.ones((2, 4, 4, 2), np.float32), np.zeros((2, 2), np.float32))]
    scores = taylor_scores(model, trace(model), batches=batches, loss=squared, normalization="none")
    assert all(values.sum() > 0 for values in scores.values())


def test_taylor_needs_batches() -> None:
    model = network()
    with pytest.raises(PruningError, match="no batches"):
        taylor_scores(model, trace(model), batches=[], loss=squared)
