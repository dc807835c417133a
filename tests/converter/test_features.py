"""Features are what the device computes: by TFLite, through the runtime's preprocessing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_recog_converter.calibration import calibration_inputs, normalize
from edge_recog_converter.datasets import Picture
from edge_recog_converter.features import FeatureExtractor, extract
from edge_recog_converter.quantization import convert_float, quantize_full_int8

from edge_recog.colour_card import colour_card
from edge_recog.frames import Frame
from edge_recog.preprocessing import Preprocessing

CONTRACT = Preprocessing(height=16, width=24, mean=(127.0,), std=(128.0,))
FRAMES = [Frame.from_rgb(colour_card(30, 40, seed)) for seed in range(4)]


@pytest.fixture(scope="module")
def network() -> Any:
    from edge_recog_converter._tensorflow import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((16, 24, 3), name="image")
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="conv")(image)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D(name="features")(x), name="tiny")


def expected(network: Any, frame: Frame) -> np.ndarray:
    pixels = CONTRACT.pixels(frame)[None]
    return np.asarray(network(normalize(pixels, CONTRACT)))[0]


def test_float_features_are_those_of_keras(network: Any) -> None:
    extractor = FeatureExtractor(convert_float(network), CONTRACT)

    for frame in FRAMES:
        np.testing.assert_allclose(extractor(frame), expected(network, frame), atol=1e-5)


def test_int8_features_come_as_real_numbers(network: Any) -> None:
    inputs = list(calibration_inputs(map(CONTRACT.pixels, FRAMES), CONTRACT))
    tflite = quantize_full_int8(network, inputs, adapt_rounding=False)
    extractor = FeatureExtractor(tflite, CONTRACT)

    for frame in FRAMES:
        features = extractor(frame)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected(network, frame), atol=0.05)


def test_a_picture_has_any_number_of_labels(network: Any) -> None:
    extractor = FeatureExtractor(convert_float(network), CONTRACT)
    pictures = [(Picture(Path("x"), "x", labels), FRAMES[0]) for labels in ((), (0, 2))]
    features = extract([extractor], pictures, classes=3, mirrored=False)

    assert features.targets.tolist() == [[0, 0, 0], [1, 0, 1]]


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
def test_each_picture_is_seen_by_each_network_and_in_the_mirror(
    network: Any, mirrored: bool
) -> None:
    extractor = FeatureExtractor(convert_float(network), CONTRACT)
    pictures = [(Picture(Path("x"), "x", (label,)), FRAMES[label]) for label in (2, 0)]
    features = extract([extractor, extractor], pictures, classes=3, mirrored=mirrored)
    copies = 4 if mirrored else 2

    np.testing.assert_array_equal(features.targets, np.eye(3)[[2] * copies + [0] * copies])
    np.testing.assert_array_equal(features.values[0], features.values[1])
    if mirrored:
        mirror = Frame.from_rgb(np.ascontiguousarray(FRAMES[2].pixels[:, ::-1]))
        np.testing.assert_array_equal(features.values[2], extractor(mirror))
