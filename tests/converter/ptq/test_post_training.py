"""Post-training quantisation: ranges, equalised channels, corrected biases, sensitivities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.ptq import (
    Method,
    calibrated_ranges,
    correct_biases,
    equalize,
    post_training_model,
    quantize_post_training,
    sensitivity,
)
from edge_recog_converter.ptq.bias_correction import mean_outputs
from edge_recog_converter.ptq.calibrating import least_error_range, percentile_range
from edge_recog_converter.ptq.equalization import input_ranges, output_ranges, scalable_pairs
from edge_recog_converter.qat import convert_fake_quantized
from edge_recog_converter.qat.inserting import with_ranges
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.quantization import quantize_full_int8

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (10, 10, 3)
CLASSES = 8
LAYERS = keras.layers


def stripes(count: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Noisy dark pictures with a bright stripe, and at which of eight rows it begins."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    pixels = rng.integers(0, 120, (count, *SHAPE)).astype(np.float32)
    for row, label in zip(pixels, labels, strict=True):
        row[label : label + 3] += rng.integers(20, 50)
    return (pixels - 127) / 128, labels


def calibration() -> list[NDArray[np.float32]]:
    ends = [np.full((1, *SHAPE), (value - 127) / 128, np.float32) for value in (0, 255)]
    return [*stripes(24, seed=1)[0][:, np.newaxis], *ends]


def learn(model: Any, steps: int, rate: float = 0.01) -> None:
    inputs, labels = stripes(256, seed=2)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(inputs, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    for _ in range(steps):
        step()


def untrained(relu: float | None = None) -> Any:
    keras.utils.set_random_seed(1)
    image = keras.Input(SHAPE, name="image")
    x = LAYERS.Conv2D(16, 3, padding="same", name="first")(image)
    x = LAYERS.ReLU(relu, name="first_relu")(x)
    x = LAYERS.DepthwiseConv2D(3, padding="same", name="second")(x)
    x = LAYERS.ReLU(relu, name="second_relu")(x)
    x = LAYERS.Conv2D(16, 1, name="third")(x)
    x = LAYERS.ReLU(relu, name="third_relu")(x)
    x = LAYERS.MaxPooling2D(2, name="pool")(x)
    x = LAYERS.Flatten(name="flatten")(x)
    return keras.Model(image, LAYERS.Dense(CLASSES, name="logits")(x), name="stripes")


@pytest.fixture(scope="module")
def good() -> Any:
    """A network that has learned to tell stripes apart."""
    model = untrained()
    learn(model, 80)
    return model


@pytest.fixture(scope="module")
def bad(good: Any) -> Any:
    """The same function, with one of sixteen channels of two layers 100 times as large."""
    model = keras.models.clone_model(good)
    model.set_weights(good.get_weights())
    factors = np.ones(16)
    factors[5] = 100
    for first, second in (("first", "second"), ("third", "logits")):
        scaled, next_one = model.get_layer(first), model.get_layer(second)
        scaled.kernel.assign(np.asarray(scaled.kernel) * factors)
        scaled.bias.assign(np.asarray(scaled.bias) * factors)
        kernel = np.asarray(next_one.kernel)
        # (height, width, in, 1) of the depthwise layer, (positions * in, out) of the dense one.
        by_channel = kernel.reshape(-1, 16, kernel.shape[-1]) / factors[:, np.newaxis]
        next_one.kernel.assign(by_channel.reshape(kernel.shape))
    return model


def run(content: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the real outputs of a file that takes uint8."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    step, zero = given["quantization"]
    outputs = []
    for values in np.rint(inputs * 128 + 127).astype(np.uint8):
        interpreter.set_tensor(taken["index"], values[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given["index"])[0].astype(np.float64))
    return (np.stack(outputs) - zero) * step


@dataclass(frozen=True)
class Likeness:
    agreement: float
    """Share of pictures with the float model's first answer."""
    error: float
    """Root mean square of the logits' difference, as a share of the logits' own."""


def likeness(content: bytes, model: Any) -> Likeness:
    inputs, _ = stripes(200, seed=3)
    expected = np.asarray(model(inputs, training=False))
    outputs = run(content, inputs)
    return Likeness(
        float(np.mean(outputs.argmax(axis=1) == expected.argmax(axis=1))),
        float(np.sqrt(np.mean((outputs - expected) ** 2) / np.mean(expected**2))),
    )


def test_the_outliers_change_nothing_in_float(good: Any, bad: Any) -> None:
    inputs, _ = stripes(32, seed=3)
    np.testing.assert_allclose(bad(inputs), good(inputs), atol=1e-3)


def test_equalisation_brings_back_what_outlier_channels_cost(good: Any, bad: Any) -> None:
    healthy = likeness(quantize_post_training(good, calibration()), good)
    plain = likeness(quantize_post_training(bad, calibration()), good)
    equalized = likeness(quantize_post_training(bad, calibration(), equalize=True), good)
    assert plain.error > 10 * healthy.error
    assert plain.agreement < 0.9
    assert equalized.error < 0.1 * plain.error
    assert equalized.agreement > 0.97


def test_min_max_gives_what_the_converter_s_own_calibration_gives(bad: Any) -> None:
    own = quantize_full_int8(bad, calibration(), adapt_rounding=False)
    inputs, _ = stripes(40, seed=3)
    ours = quantize_post_training(bad, calibration())
    np.testing.assert_allclose(run(ours, inputs), run(own, inputs), rtol=1e-6)


def test_training_brings_most_of_it_back_too(bad: Any) -> None:
    model = post_training_model(bad, calibration())
    inputs, labels = stripes(200, seed=3)

    def accuracy(logits: NDArray[Any]) -> float:
        return float(np.mean(logits.argmax(axis=1) == labels))

    before = accuracy(run(convert_fake_quantized(model), inputs))
    learn(model, 40, rate=0.003)
    after = accuracy(run(convert_fake_quantized(model), inputs))
    assert after > before + 0.05


@pytest.mark.parametrize("relu", [None, 6.0], ids=["relu", "relu6"])
def test_equalisation_leaves_the_float_function_as_it_is(relu: float | None) -> None:
    plain = simplified(untrained(relu))
    inputs, _ = stripes(16, seed=4)
    equalized = equalize(plain)
    np.testing.assert_allclose(equalized(inputs), plain(inputs), atol=1e-4)
    changed = not np.allclose(equalized.get_layer("first").kernel, plain.get_layer("first").kernel)
    assert changed is (relu is None)


def test_equalised_neighbours_have_equal_ranges(bad: Any) -> None:
    equalized = equalize(simplified(bad))
    pairs = list(scalable_pairs(equalized))
    assert [(pair.first.name, pair.second.name) for pair in pairs] == [
        ("first", "second"),
        ("second", "third"),
        ("third", "logits"),
    ]
    for first, second in pairs:
        given = output_ranges(first)
        np.testing.assert_allclose(given, input_ranges(second, len(given)), rtol=0.05)


def test_relu6_is_replaced_only_when_asked_to() -> None:
    plain = simplified(untrained(6.0))
    assert list(scalable_pairs(plain)) == []
    replaced = equalize(plain, replace_relu6=True)
    assert {layer.max_value for layer in replaced.layers if isinstance(layer, LAYERS.ReLU)} == {
        None
    }


def test_a_layer_with_two_followers_is_not_scaled() -> None:
    image = keras.Input(SHAPE, name="image")
    x = LAYERS.Conv2D(4, 1, name="first")(image)
    outputs = LAYERS.Add()([x, LAYERS.Conv2D(4, 1, name="second")(x)])
    assert list(scalable_pairs(keras.Model(image, outputs))) == []


def test_corrected_biases_take_off_the_mean_error(good: Any) -> None:
    plain = simplified(good)
    inputs = calibration()
    rounding = with_ranges(plain, calibrated_ranges(plain, inputs))
    names = ["second", "third", "logits"]
    expected = mean_outputs(plain, names, inputs)
    before = mean_outputs(rounding, names, inputs)
    correct_biases(rounding, plain, inputs)
    after = mean_outputs(rounding, names, inputs)
    for name in names:
        error = np.abs(after[name] - expected[name]).max()
        # What is left is the bias's own rounding.
        assert error < 0.2 * np.abs(before[name] - expected[name]).max()


def counts(values: list[float], low: float, high: float, bins: int) -> NDArray[Any]:
    return np.histogram(values, bins, (low, high))[0]


def test_the_percentile_leaves_out_the_same_share_at_either_end() -> None:
    # 100 values at the middles of 100 bins from 0 to 100: 5 % are those below 5 and above 95.
    evenly = counts(list(np.arange(100) + 0.5), 0, 100, 100)
    assert percentile_range(evenly, 0, 100, 95) == pytest.approx((5, 95))
    assert percentile_range(evenly, 0, 100, 100) == pytest.approx((0, 100))


def test_the_least_error_clips_a_rare_outlier_and_keeps_a_frequent_one() -> None:
    # At full width the step is 100 / 255, so every small value is off by 0.1 or so: what clipping
    # costs, 10,000 at most for a value, is worth it for one in a million, not for one in ten.
    small = np.random.default_rng(0).uniform(0, 10, 1000)
    often = counts([*small, *([100.0] * 100)], 0, 100, 4096)
    rarely = counts(list(small), 0, 100, 4096) * 1000
    rarely[-1] = 1
    assert least_error_range(often, 0, 100)[1] > 95
    assert least_error_range(rarely, 0, 100)[1] < 60


def test_min_max_is_what_the_float_model_has_on_the_inputs() -> None:
    image = keras.Input((1, 1, 1), name="image")
    layer = LAYERS.Conv2D(1, 1, name="double")
    model = keras.Model(image, layer(image))
    layer.kernel.assign([[[[2.0]]]])
    layer.bias.assign([1.0])
    inputs = [np.full((1, 1, 1, 1), value, np.float32) for value in (-1.0, 0.5, 3.0)]
    for method in Method:
        ranges = calibrated_ranges(simplified(model), inputs, method=method, percentile=100)
        assert ranges["image"] == (-1.0, 3.0)
    assert calibrated_ranges(simplified(model), inputs)["double"] == (-1.0, 7.0)


@pytest.mark.parametrize("method", list(Method))
def test_every_method_gives_a_file_like_its_model(good: Any, method: Method) -> None:
    content = quantize_post_training(good, calibration(), method=method, correct_biases=True)
    found = likeness(content, good)
    assert found.agreement > 0.97
    assert found.error < 0.1


@pytest.mark.parametrize(
    "arguments", [{"method": "median"}, {"percentile": 20.0}], ids=["method", "percentile"]
)
def test_unknown_methods_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"median|percentile of 20"):
        quantize_post_training(untrained(), calibration(), **arguments)


def test_the_planted_bad_layer_is_the_most_sensitive(good: Any) -> None:
    model = keras.models.clone_model(good)
    model.set_weights(good.get_weights())
    # A channel that is always 0, and whose weights are so large that, when they share a range with
    # the others, these become 0.
    second, third = model.get_layer("second"), model.get_layer("third")
    kernel, bias = np.asarray(second.kernel).copy(), np.asarray(second.bias).copy()
    kernel[:, :, 0], bias[0] = 0, 0
    second.kernel.assign(kernel)
    second.bias.assign(bias)
    kernel = np.asarray(third.kernel).copy()
    kernel[:, :, 0] = 300 * np.abs(kernel).max()
    third.kernel.assign(kernel)
    found = sensitivity(model, calibration())
    assert found[0].layer == "third"
    assert found[0].mean_squared_error > 10 * found[1].mean_squared_error
    assert found[0].divergence > found[-1].divergence >= -1e-9
    assert {one.layer for one in found} == {"image", "first", "second", "third", "logits"}


def test_an_unfit_calibration_is_refused() -> None:
    with pytest.raises(ConversionError, match="no calibration inputs"):
        sensitivity(untrained(), [])
