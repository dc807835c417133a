"""Conversion to TFLite: float as it is, and INT8 from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.folding import fold_normalizations
from edge_recog_converter.quantization import convert_float, quantize_full_int8
from edge_recog_converter.weight_rounding import round_rows, round_weights
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 16


def tiny_cnn(*, softmax: bool = False) -> Any:
    """A network of every kind of layer that is rounded, with random weights and statistics."""
    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Conv2D(8, 3, 2, padding="same", use_bias=False, name="stem")(image)
    x = keras.layers.BatchNormalization(name="stem_norm")(x)
    x = keras.layers.ReLU(6.0, name="stem_relu6")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = keras.layers.BatchNormalization(name="depthwise_norm")(x)
    x = keras.layers.ReLU(6.0, name="depthwise_relu6")(x)
    x = keras.layers.Conv2D(64, 1, name="expand")(x)
    x = keras.layers.BatchNormalization(name="expand_norm")(x)
    x = keras.layers.Conv2D(16, 1, activation="relu", name="project")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dense(5, name="logits")(x)
    if softmax:
        x = keras.layers.Softmax(name="probabilities")(x)
    model = keras.Model(image, x, name="tiny")
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def pictures(count: int = 8, *, seed: int = 0) -> list[NDArray[np.float32]]:
    """Smooth random pictures, one all 0 and one all 255, as `(pixel - 127) / 128`."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    pixels = [*coarse, np.zeros((SIDE, SIDE, 3)), np.full((SIDE, SIDE, 3), 255)]
    return [((p[np.newaxis].astype(np.float32) - 127) / 128) for p in pixels]


def run(content: bytes, image: NDArray[Any]) -> NDArray[Any]:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    output: NDArray[Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return output[0]


def dequantized_error(content: bytes, model: Any) -> float:
    """Root mean square difference from the float model on pictures not calibrated with."""
    scale, zero_point = Interpreter(model_content=content).get_output_details()[0]["quantization"]
    errors = []
    for image in pictures(32, seed=9):
        pixels = np.rint(image * 128 + 127).astype(np.uint8)
        integers = run(content, pixels).astype(np.float32)
        errors.append((integers - zero_point) * scale - np.asarray(model(image, training=False))[0])
    return float(np.sqrt(np.mean(np.square(errors))))


@pytest.fixture(scope="module")
def int8() -> bytes:
    return quantize_full_int8(tiny_cnn(), pictures())


def test_float_conversion_computes_the_same() -> None:
    model = tiny_cnn()
    image = pictures()[0]
    expected = np.asarray(model(image, training=False))[0]
    np.testing.assert_allclose(run(convert_float(model), image), expected, atol=1e-5)


def test_int8_takes_and_gives_uint8(int8: bytes) -> None:
    interpreter = Interpreter(model_content=int8)
    for details in (interpreter.get_input_details()[0], interpreter.get_output_details()[0]):
        assert details["dtype"] is np.uint8
        assert details["shape"][0] == 1


def test_int8_takes_pixels_unchanged(int8: bytes) -> None:
    scale, zero_point = Interpreter(model_content=int8).get_input_details()[0]["quantization"]
    assert scale == 1 / 128
    assert zero_point == 127


def test_int8_contains_no_float_tensor(int8: bytes) -> None:
    tensors = Interpreter(model_content=int8).get_tensor_details()
    types = {np.dtype(tensor["dtype"]).name for tensor in tensors}
    assert types <= {"uint8", "int8", "int32"}


def test_int8_weights_have_a_scale_for_each_output_channel(int8: bytes) -> None:
    tensors = Interpreter(model_content=int8).get_tensor_details()
    scales = {
        tuple(t["shape"]): len(t["quantization_parameters"]["scales"])
        for t in tensors
        if len(t["quantization_parameters"]["scales"]) > 1 and t["dtype"] is np.int8
    }
    assert scales == {
        (8, 3, 3, 3): 8,
        (1, 3, 3, 8): 8,
        (64, 1, 1, 8): 64,
        (16, 1, 1, 64): 16,
        (5, 16): 5,
    }


def test_int8_is_close_to_float(int8: bytes) -> None:
    assert dequantized_error(int8, tiny_cnn()) < 0.05


def test_adapted_rounding_is_closer_than_nearest_rounding(int8: bytes) -> None:
    model = tiny_cnn()
    nearest = quantize_full_int8(model, pictures(), adapt_rounding=False)
    assert dequantized_error(int8, model) < dequantized_error(nearest, model)


def test_the_same_arguments_give_the_same_bytes(int8: bytes) -> None:
    assert quantize_full_int8(tiny_cnn(), iter(pictures())) == int8


def test_the_model_is_left_as_it_is() -> None:
    model = tiny_cnn()
    before = model.get_weights()
    quantize_full_int8(model, pictures())
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_softmax_becomes_an_integer_operation_too() -> None:
    content = quantize_full_int8(tiny_cnn(softmax=True), pictures())
    details = Interpreter(model_content=content).get_output_details()[0]
    assert details["quantization"] == (1 / 256, 0)


def test_conversion_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    quantize_full_int8(tiny_cnn(), pictures(), adapt_rounding=False)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "tensorflow" not in captured.err.lower()


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ([], "no calibration inputs"),
        ([np.zeros((SIDE, SIDE, 3), np.float32)], "has shape"),
        ([np.full((1, SIDE, SIDE, 3), np.nan, np.float32)], "not finite"),
    ],
    ids=["none", "without batch", "not a number"],
)
def test_unfit_calibration_is_refused(calibration: list[NDArray[np.float32]], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        quantize_full_int8(tiny_cnn(), calibration)


def test_an_operation_without_an_integer_form_is_refused() -> None:
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.GlobalAveragePooling2D()(image)
    x = keras.layers.Lambda(lambda t: tf.math.erf(t), output_shape=(3,), name="erf")(x)
    with pytest.raises(ConversionError):
        quantize_full_int8(keras.Model(image, x), pictures(), adapt_rounding=False)


def test_two_inputs_are_refused() -> None:
    images = [keras.Input((4, 4, 3), name=name) for name in ("left", "right")]
    model = keras.Model(images, keras.layers.Add()(images))
    with pytest.raises(ConversionError, match="2 inputs"):
        convert_float(model)


def test_an_input_without_a_size_is_refused() -> None:
    image = keras.Input((None, None, 3), name="image")
    with pytest.raises(ConversionError, match="no fixed size"):
        convert_float(keras.Model(image, keras.layers.ReLU()(image)))


def test_folding_changes_nothing_that_the_model_computes() -> None:
    model = tiny_cnn()
    folded = fold_normalizations(model)
    image = np.concatenate(pictures())
    expected = np.asarray(model(image, training=False))
    np.testing.assert_allclose(np.asarray(folded(image, training=False)), expected, atol=1e-5)
    for name in ("stem", "depthwise", "expand"):
        normalization = folded.get_layer(f"{name}_norm")
        factor = np.asarray(normalization.gamma) / np.sqrt(1 + normalization.epsilon)
        np.testing.assert_allclose(factor, 1, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(folded.get_layer("expand").bias), 0)


def test_rounded_kernels_are_integers_times_a_scale() -> None:
    model = fold_normalizations(tiny_cnn())
    round_weights(model, pictures())
    for name, axes in [("stem", (0, 1, 2)), ("depthwise", (0, 1, 3)), ("logits", (0,))]:
        kernel = np.asarray(model.get_layer(name).kernel)
        steps = kernel / (np.abs(kernel).max(axes, keepdims=True) / 127)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


@given(st.integers(0, 10_000), st.sampled_from([9, 60]))
def test_rounded_rows_keep_their_largest_weight_at_127(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(4, size))
    inputs = rng.normal(size=(200, size)) + rng.normal(size=(200, 1))
    rounded = round_rows(rows, inputs.T @ inputs / 200 + np.eye(size) * 0.01)
    steps = rounded / (np.abs(rounded).max(axis=1, keepdims=True) / 127)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)


@pytest.mark.parametrize("size", [9, 60], ids=["small filter", "long row"])
def test_rounded_rows_change_products_less_than_nearest_integers(size: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(32, size))
    inputs = rng.normal(size=(2000, size)) + 3 * rng.normal(size=(2000, 1))
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127
    nearest = np.rint(rows / scale) * scale
    adapted = round_rows(rows, inputs.T @ inputs / 2000)
    assert np.std(inputs @ (adapted - rows).T) < 0.6 * np.std(inputs @ (nearest - rows).T)


@pytest.mark.parametrize("size", [9, 60], ids=["small filter", "long row"])
def test_a_row_of_zeros_stays_zero(size: int) -> None:
    assert not round_rows(np.zeros((2, size)), np.eye(size)).any()
