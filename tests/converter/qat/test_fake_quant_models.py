"""Networks that round while they are trained, and the INT8 files that they imitate."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.architectures.transformer import normalize_tokens
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat import (
    FakeQuant,
    convert_fake_quantized,
    fake_quantized,
    freeze_ranges,
)
from edge_recog_converter.qat.simplifying import simplified

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES = 5
LAYERS = keras.layers


def pictures(
    shape: tuple[int, int, int], count: int, *, seed: int, coarse: int = 4
) -> NDArray[np.float32]:
    """Patches of random colours, as `(pixel - 127) / 128`."""
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    colours = rng.integers(0, 256, (count, coarse, coarse, channels))
    pixels = colours.repeat(-(-height // coarse), axis=1).repeat(-(-width // coarse), axis=2)
    noisy = pixels[:, :height, :width] + rng.integers(-20, 21, (count, *shape))
    return ((np.clip(noisy, 0, 255) - 127) / 128).astype(np.float32)


def calibration(shape: tuple[int, int, int], count: int = 12) -> list[NDArray[np.float32]]:
    ends = [np.full((1, *shape), (value - 127) / 128, np.float32) for value in (0, 255)]
    return [*pictures(shape, count, seed=0)[:, np.newaxis], *ends]


def settle(model: Any, inputs: list[NDArray[np.float32]]) -> Any:
    """Give normalisations the statistics of `inputs`, and keep most ReLUs from being chaotic."""
    rng = np.random.default_rng(5)
    layers = [layer for layer in model.layers if isinstance(layer, LAYERS.BatchNormalization)]
    for layer in layers:
        layer.momentum = 0.0
        layer.gamma.assign(rng.uniform(0.2, 0.3, layer.gamma.shape))
        layer.beta.assign(rng.uniform(0.6, 1.0, layer.beta.shape))
    model(np.concatenate(inputs), training=True)
    return model


def run(content: bytes, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Return the output's integers, and its step."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for values in np.rint(inputs * 128 + 127).astype(np.uint8):
        interpreter.set_tensor(taken["index"], values[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(given["index"])[0].astype(np.float64))
    step, zero = given["quantization"]
    return np.stack(outputs) - zero, step


def steps_apart(model: Any, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far the file is from the model that imitates it, in steps of the output."""
    integers, step = run(convert_fake_quantized(model), inputs)
    expected = np.asarray(model(inputs, training=False), np.float64) / step
    return np.abs(integers - expected)


@pytest.mark.parametrize(
    ("name", "shape", "width", "most", "mean"),
    [
        ("lenet-5", (28, 28, 1), 1.0, 1, 0.05),
        ("alexnet", (64, 64, 3), 0.125, 1, 0.2),
        ("vgg-11", (32, 32, 3), 0.125, 2, 0.2),
        ("resnet-8", (32, 32, 3), 1.0, 1, 0.2),
        ("mobilenet-v1", (48, 48, 3), 0.25, 2, 0.4),
        ("mobilenet-v2", (48, 48, 3), 0.35, 3, 0.8),
        ("mobilenet-v3-small", (48, 48, 3), 0.5, 8, 2.0),
        ("efficientnet-lite0", (48, 48, 3), 0.25, 6, 1.5),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_family_is_imitated_to_a_step_or_what_its_depth_makes_of_one(
    name: str, shape: tuple[int, int, int], width: float, most: int, mean: float
) -> None:
    model = build_architecture(name, input_shape=shape, classes=CLASSES, width=width, seed=1)
    inputs = calibration(shape)
    qat = fake_quantized(settle(model, inputs), inputs)
    apart = steps_apart(qat, pictures(shape, 12, seed=9))
    assert apart.max() <= most + 0.01
    assert apart.mean() <= mean
    gc.collect()


def conv(filters: int = 6, kernel: int = 3, **kwargs: Any) -> Any:
    bias = keras.initializers.RandomNormal(stddev=0.2, seed=3)
    kernels = keras.initializers.GlorotUniform(seed=4)
    return LAYERS.Conv2D(
        filters, kernel, padding="same", bias_initializer=bias, kernel_initializer=kernels, **kwargs
    )


def used_twice(x: Any) -> Any:
    shared = conv(name="a")(x)
    joined = LAYERS.Concatenate()([shared, conv(name="b", activation="relu")(shared)])
    return LAYERS.Add()([shared, conv(name="c", kernel=1)(joined)])


def tokens(x: Any) -> Any:
    return LAYERS.Reshape((64, 6))(x)


def attention(x: Any, **kwargs: Any) -> Any:
    return LAYERS.MultiHeadAttention(2, 4, bias_initializer="random_normal", **kwargs)(x, x)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "convolution": lambda x: conv()(x),
    "strided": lambda x: conv(strides=2)(x),
    "dilated": lambda x: conv(dilation_rate=2)(x),
    "depthwise": lambda x: LAYERS.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x),
    "dense": lambda x: LAYERS.Dense(7)(LAYERS.Flatten()(x)),
    "dense relu": lambda x: LAYERS.Dense(7, activation="relu")(LAYERS.Flatten()(x)),
    "relu alone": lambda x: LAYERS.ReLU()(x),
    "relu6": lambda x: LAYERS.ReLU(6.0)(conv()(x)),
    "add relu": lambda x: LAYERS.ReLU()(LAYERS.Add()([x, conv()(x)])),
    "subtract": lambda x: LAYERS.Subtract()([x, conv()(x)]),
    "multiply": lambda x: LAYERS.Multiply()([x, conv()(x)]),
    "average pooling": lambda x: LAYERS.AveragePooling2D(2)(x),
    "average of borders": lambda x: LAYERS.AveragePooling2D(3, 1, padding="same")(x),
    "maximum pooling": lambda x: LAYERS.MaxPooling2D(3, 2, padding="same")(x),
    "mean": lambda x: LAYERS.GlobalAveragePooling2D(keepdims=True)(x),
    "padding": lambda x: conv()(LAYERS.ZeroPadding2D(2)(x)),
    "permutation": lambda x: LAYERS.Permute((2, 1, 3))(x),
    "sigmoid": lambda x: conv(activation="sigmoid")(x),
    "tanh": lambda x: conv(activation="tanh")(x),
    "silu": lambda x: conv(activation="silu")(x),
    "gelu": lambda x: conv(activation="gelu")(x),
    "hard sigmoid": lambda x: conv(activation="hard_sigmoid")(x),
    "hard silu": lambda x: conv(activation="hard_silu")(x),
    "softmax": lambda x: LAYERS.Dense(7, activation="softmax")(LAYERS.Flatten()(x)),
    "concatenation": lambda x: LAYERS.Concatenate()([conv()(x), conv(4, 1, activation="relu")(x)]),
    "shared concatenation": used_twice,
    "pooled concatenation": lambda x: LAYERS.Concatenate()(
        [LAYERS.AveragePooling2D(3, 1, padding="same")(conv()(x)), conv(2, 1)(x)]
    ),
    "positions": lambda x: LAYERS.EinsumDense(
        "btf,fc->btc", (64, 8), bias_axes="tc", bias_initializer="random_normal"
    )(tokens(x)),
    "attention": lambda x: attention(tokens(x)),
    "grouped attention": lambda x: attention(LAYERS.Reshape((4, 16, 6))(x), attention_axes=(2,)),
    "attention among others": lambda x: LAYERS.Add()([tokens(x), attention(tokens(x))]),
    "normalisation of tokens": lambda x: normalize_tokens(tokens(conv()(x)), "norm"),
    "normalisation alone": lambda x: LAYERS.BatchNormalization()(x),
}


COMPOSED = {
    "attention": 3,
    "grouped attention": 2,
    "attention among others": 2,
}
"""Several operations, of which later ones make more of a step: the most steps apart."""


def one_operation(name: str) -> tuple[Any, list[NDArray[np.float32]]]:
    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 6), name="image")
    return keras.Model(image, OPERATIONS[name](image), name="model"), calibration((8, 8, 6))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_gives_the_integers_of_the_file(name: str) -> None:
    qat = fake_quantized(*one_operation(name))
    apart = steps_apart(qat, pictures((8, 8, 6), 40, seed=9, coarse=8))
    assert apart.max() <= COMPOSED.get(name, 1) + 0.01
    if name not in COMPOSED:
        assert np.mean(apart > 0.5) <= (0.02 if name == "mean" else 0.002)
    assert apart.mean() <= 0.15


def test_kernels_have_a_scale_for_each_channel_and_activations_one() -> None:
    qat = fake_quantized(*one_operation("dense"))
    tensors = Interpreter(model_content=convert_fake_quantized(qat)).get_tensor_details()
    scales = [
        (tuple(tensor["shape"]), len(tensor["quantization_parameters"]["scales"]))
        for tensor in tensors
        if tensor["dtype"] is np.int8
    ]
    assert sorted(scales) == [((1, 7), 1), ((1, 8, 8, 6), 1), ((1, 384), 1), ((7, 384), 7)]


def test_a_constant_bias_is_not_the_first_channels_integer_everywhere() -> None:
    model, inputs = one_operation("hard sigmoid")
    layer = model.layers[1]
    layer.kernel.assign(np.asarray(layer.kernel) * np.geomspace(0.1, 2, 6))
    layer.bias.assign(np.full(6, 0.5))
    assert steps_apart(fake_quantized(model, inputs), pictures((8, 8, 6), 8, seed=9)).max() <= 1.01


@pytest.mark.parametrize(("edges", "dtype"), [("uint8", np.uint8), ("int8", np.int8)])
def test_the_file_has_the_edges_asked_for_and_takes_pixels_unchanged(
    edges: str, dtype: type
) -> None:
    qat = fake_quantized(*one_operation("convolution"))
    interpreter = Interpreter(model_content=convert_fake_quantized(qat, edges=edges))
    taken = interpreter.get_input_details()[0]
    assert taken["dtype"] is dtype
    assert taken["quantization"] == (1 / 128, 127 if edges == "uint8" else -1)


def tiny() -> tuple[Any, list[NDArray[np.float32]]]:
    """Convolution, normalisation, ReLU6, a residual and a classifier."""
    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 3), name="image")
    x = LAYERS.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = LAYERS.BatchNormalization(scale=False, name="stem_norm")(x)
    x = LAYERS.ReLU(6.0, name="stem_relu6")(x)
    y = LAYERS.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = LAYERS.BatchNormalization(name="depthwise_norm")(y)
    x = LAYERS.Add(name="add")([x, y])
    x = LAYERS.GlobalAveragePooling2D(name="features")(x)
    x = LAYERS.Dropout(0.1, name="dropout")(x)
    model = keras.Model(image, LAYERS.Dense(CLASSES, name="logits")(x), name="tiny")
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, LAYERS.BatchNormalization):
            for weight in layer.weights:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model, calibration((8, 8, 3))


def test_a_simplified_model_computes_the_same_without_normalisations() -> None:
    model, _ = tiny()
    plain = simplified(model)
    inputs = pictures((8, 8, 3), 4, seed=1)
    np.testing.assert_allclose(plain(inputs), model(inputs, training=False), atol=1e-5)
    assert not any(isinstance(layer, LAYERS.BatchNormalization) for layer in plain.layers)


def test_folded_kernels_and_biases_alone_are_trained() -> None:
    qat = fake_quantized(*tiny())
    assert {variable.path for variable in qat.trainable_variables} == {
        f"{name}/{kind}" for name in ("stem", "depthwise", "logits") for kind in ("kernel", "bias")
    }


def test_places_are_after_fused_activations_and_named_after_them() -> None:
    qat = fake_quantized(*tiny())
    assert [layer.name for layer in qat.layers if isinstance(layer, FakeQuant)] == [
        "image_range",
        "stem_relu6_range",
        "depthwise_range",
        "add_range",
        "features_range",
        "logits_range",
    ]


def learn(model: Any, steps: int = 30) -> list[float]:
    """Learn which of five stripes is bright; return the losses."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 64)
    inputs = rng.uniform(-0.5, 0.0, (64, 8, 8, 3)).astype(np.float32)
    for row, label in zip(inputs, labels, strict=True):
        row[label : label + 2, :, label % 3] = 0.9
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(inputs, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return [float(step()) for _ in range(steps)]


def test_training_lowers_the_loss_and_the_file_follows() -> None:
    qat = fake_quantized(*tiny(), momentum=0.9)
    losses = learn(qat)
    assert losses[-1] < 0.5 * losses[0]
    assert steps_apart(qat, pictures((8, 8, 3), 40, seed=9)).max() <= 1.01


def test_ranges_are_learned_in_training_alone_and_not_when_frozen() -> None:
    qat = fake_quantized(*tiny(), momentum=0.5)
    ranges = {layer: layer.range for layer in qat.layers if isinstance(layer, FakeQuant)}
    inputs = 3 * pictures((8, 8, 3), 8, seed=1)

    def changed() -> set[str]:
        return {layer.name for layer, old in ranges.items() if layer.range != old}

    qat(inputs, training=False)
    assert changed() == set()
    freeze_ranges(qat)
    qat(inputs, training=True)
    assert changed() == set()
    freeze_ranges(qat, frozen=False)
    qat(inputs, training=True)
    assert changed() == {layer.name for layer in ranges} - {"image_range"}


def test_the_range_is_a_moving_average_and_holds_0() -> None:
    layer = FakeQuant([(1.0, 3.0)], momentum=0.75)
    layer(np.float32([2.0, 7.0]), training=True)
    assert (float(layer.lows[0]), float(layer.highs[0])) == (1.25, 4.0)
    assert layer.range == (0.0, 4.0)


def test_sites_that_share_a_range_learn_their_own_ends() -> None:
    layer = FakeQuant([(-1.0, 1.0), (-2.0, 4.0)], momentum=0.5)
    layer(np.float32([-5.0, 2.0]), training=True, site=0)
    np.testing.assert_allclose(layer.lows, [-3.0, -2.0])
    np.testing.assert_allclose(layer.highs, [1.5, 4.0])
    assert layer.range == (-3.0, 4.0)


def test_gradients_pass_within_the_range_and_stop_outside() -> None:
    layer = FakeQuant([(-1.0, 1.0)])
    values = tf.constant([-2.0, -0.5, 0.3, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(layer(values))
    np.testing.assert_array_equal(tape.gradient(total, values), [0, 1, 1, 0])


@pytest.mark.parametrize(("integer", "rounded"), [(1.5, 2), (-1.5, -2), (0.4, 0), (-2.6, -3)])
def test_averages_are_rounded_away_from_the_integer_0(integer: float, rounded: int) -> None:
    layer = FakeQuant([(-128.0, 127.0)])
    assert float(layer(np.float32(integer), give="averaged")) == rounded


def test_a_copy_computes_the_same_and_so_does_a_saved_model(tmp_path: Path) -> None:
    qat = fake_quantized(*tiny())
    learn(qat, steps=3)
    inputs = pictures((8, 8, 3), 4, seed=1)
    expected = np.asarray(qat(inputs))
    copy = keras.models.clone_model(qat)
    copy.set_weights(qat.get_weights())
    np.testing.assert_array_equal(copy(inputs), expected)
    qat.save(tmp_path / "qat.keras")
    loaded = keras.models.load_model(tmp_path / "qat.keras")
    np.testing.assert_array_equal(loaded(inputs), expected)
    assert convert_fake_quantized(loaded) == convert_fake_quantized(qat)


def test_the_model_is_left_as_it_is() -> None:
    model, inputs = tiny()
    before = model.get_weights()
    learn(fake_quantized(model, inputs), steps=2)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def refused(build: Callable[[Any], Any]) -> tuple[Any, list[NDArray[np.float32]]]:
    image = keras.Input((8, 8, 4), name="image")
    return keras.Model(image, build(image), name="model"), calibration((8, 8, 4))


def twice(x: Any) -> Any:
    layer = conv(4, name="shared")
    return layer(layer(x))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: LAYERS.LayerNormalization(name="tokens")(x), "tokens .LayerNormalization"),
        (lambda x: LAYERS.ReLU(negative_slope=0.1, name="leaky")(x), "leaky .TFLite fuses"),
        (lambda x: conv(activation="elu", name="a")(x), "a_activation .no integer form of elu"),
        (lambda x: conv(4, groups=2, name="grouped")(x), "grouped .2 groups"),
        (lambda x: LAYERS.Add(name="three")([x, x, x]), "three .3 inputs"),
        (
            lambda x: LAYERS.MultiHeadAttention(1, 4, name="causal")(
                *[LAYERS.Reshape((64, 4), name="tokens")(x)] * 2, use_causal_mask=True
            ),
            "causal has a mask",
        ),
        (twice, "shared stands at 2 places"),
        (lambda x: keras.ops.abs(x), "is a bare operation"),
        (
            lambda x: LAYERS.BatchNormalization(name="norm")(LAYERS.Flatten(name="flat")(x)),
            "norm normalises .* after flat",
        ),
        (
            lambda x: LAYERS.Concatenate(name="both")([x, conv(4, name="a")(x)]),
            "both joins image, whose scale is fixed",
        ),
    ],
    ids=[
        "unknown layer", "leaky", "elu", "groups", "three summands", "mask", "shared", "bare",
        "no kernel", "input joined",
    ],
)  # fmt: skip
def test_what_cannot_be_imitated_is_refused_by_name(
    build: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        fake_quantized(*refused(build))


def test_all_refused_layers_are_named_at_once() -> None:
    def build(x: Any) -> Any:
        x = LAYERS.LayerNormalization(name="tokens")(conv(4, activation="elu", name="a")(x))
        return LAYERS.SeparableConv2D(3, 1, name="separable")(x)

    with pytest.raises(ConversionError, match="3 layers have no form") as info:
        fake_quantized(*refused(build))
    for name in ("tokens (", "a_activation (", "separable ("):
        assert name in str(info.value)


def test_a_model_without_ranges_is_refused() -> None:
    with pytest.raises(ConversionError, match="tiny has no ranges"):
        convert_fake_quantized(tiny()[0])
