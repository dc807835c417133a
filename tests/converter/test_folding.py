"""Normalisations are folded where that changes nothing; networks of one layer are rounded too."""

from __future__ import annotations

import numpy as np
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.folding import fold_normalizations
from edge_recog_converter.quantization import rounded_copy

PIXELS = np.random.default_rng(0).normal(0, 1, (2, 8, 8, 3)).astype(np.float32)


def settled(model: keras.Model) -> keras.Model:
    """Give normalisations statistics and factors that matter."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, one.shape) for one in layer.get_weights()])
    return model


def test_a_convolution_that_an_operation_reads_too_is_left_alone() -> None:
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    y = keras.layers.BatchNormalization(name="norm")(x)
    model = settled(keras.Model(image, x + y))

    np.testing.assert_allclose(fold_normalizations(model)(PIXELS), model(PIXELS), atol=1e-5)


def test_a_convolution_that_the_normalisation_alone_reads_is_folded() -> None:
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    model = settled(keras.Model(image, keras.layers.BatchNormalization(name="norm")(x)))
    folded = fold_normalizations(model)

    np.testing.assert_allclose(folded(PIXELS), model(PIXELS), atol=1e-5)
    kernels = [one.get_layer("conv").get_weights()[0] for one in (model, folded)]
    assert not np.allclose(*kernels)


def test_a_network_of_one_layer_is_rounded() -> None:
    image = keras.Input((8, 8, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(4, 3, name="conv")(image))
    rounded = rounded_copy(model, [one[None] for one in PIXELS])

    np.testing.assert_allclose(rounded(PIXELS), model(PIXELS), atol=0.05)
    kernel = rounded.get_layer("conv").get_weights()[0].reshape(-1, 4)
    steps = kernel / np.abs(kernel).max(axis=0) * 127
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
