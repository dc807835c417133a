"""Small graphs, one idea each: which channels go together, and that a cut of them is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.pruning.cutting import cut
from edge_recog_converter.pruning.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Callable


layers, ops = keras.layers, keras.ops


def classified(image: Any, x: Any) -> Any:
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x))


def conv(x: Any, name: str, filters: int, **options: Any) -> Any:
    return layers.Conv2D(filters, 3, padding="same", name=name, **options)(x)


def image(channels: int = 3) -> Any:
    return keras.Input((6, 6, channels), name="image")


def plain() -> Any:
    x = i = image()
    x = layers.BatchNormalization(scale=False)(conv(x, "a", 5, activation="relu"))
    x = layers.MaxPooling2D()(layers.ZeroPadding2D()(x))
    x = layers.LeakyReLU()(conv(x, "b", 4, use_bias=False))
    return classified(i, layers.PReLU(shared_axes=[1, 2])(layers.UpSampling2D()(x)))


def concatenation() -> Any:
    i = image()
    both = layers.Concatenate()([conv(i, "a", 4), conv(i, "b", 6)])
    both = layers.BatchNormalization()(both)
    return classified(i, layers.Concatenate()([conv(both, "c", 5), both]))


def concatenation_added_to() -> Any:
    i = image()
    both = layers.Concatenate()([conv(i, "a", 4), conv(i, "b", 6)])
    return classified(i, conv(layers.Add()([both, conv(i, "c", 10)]), "d", 5))


def concatenation_of_rows() -> Any:
    i = image()
    both = layers.Concatenate(axis=1)([conv(i, "a", 4), conv(i, "b", 4)])
    return classified(i, conv(both, "c", 5))


def gate_of_convolutions() -> Any:
    x = i = image()
    x = conv(x, "a", 6, activation="relu")
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(3, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(6, 1, activation="sigmoid", name="excite")(gate)
    return classified(i, conv(layers.Multiply()([x, gate]), "b", 5))


def gate_of_dense_layers() -> Any:
    x = i = image()
    x = conv(x, "a", 6, activation="relu")
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(3, activation="relu", name="squeeze")(gate)
    gate = layers.Dense(6, activation="hard_sigmoid", name="excite")(gate)
    gate = layers.Reshape((1, 1, 6))(gate)
    return classified(i, conv(layers.Multiply()([gate, x]), "b", 5))


def gate_for_each_pixel() -> Any:
    x = i = image()
    x = conv(x, "a", 6)
    gate = layers.Conv2D(1, 1, activation="sigmoid", name="gate")(x)
    return classified(i, layers.Multiply()([x, gate]))


def grouped_convolution() -> Any:
    x = i = image()
    x = layers.Conv2D(12, 3, groups=3, activation="relu", name="b")(conv(x, "a", 9))
    return classified(i, conv(x, "c", 5))


def convolution_of_each_channel() -> Any:
    x = i = image()
    x = layers.Conv2D(12, 3, groups=6, name="b")(conv(x, "a", 6))
    return classified(i, conv(x, "c", 5))


def depth_multiplier() -> Any:
    x = i = image()
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="b")(conv(x, "a", 5))
    return classified(i, conv(layers.BatchNormalization()(x), "c", 4))


def depthwise_on_the_image() -> Any:
    x = i = image()
    return classified(i, conv(layers.DepthwiseConv2D(3, depth_multiplier=4, name="b")(x), "c", 4))


def separable() -> Any:
    x = i = image()
    x = layers.SeparableConv2D(7, 3, depth_multiplier=2, name="b")(conv(x, "a", 5))
    return classified(i, conv(x, "c", 4))


def flattened() -> Any:
    x = i = image()
    x = layers.Flatten()(layers.MaxPooling2D()(conv(x, "a", 5)))
    return classified(i, layers.Dense(6, activation="tanh", name="b")(x))


def residual() -> Any:
    x = i = image()
    x = conv(x, "a", 6)
    x = layers.Add()([x, conv(conv(x, "b", 4), "c", 6)])
    return classified(i, layers.ReLU()(layers.Add()([x, conv(x, "d", 6)])))


def residual_with_projection() -> Any:
    x = i = image()
    x = conv(x, "a", 5)
    x = layers.Add()([layers.Conv2D(6, 1, name="shortcut")(x), conv(x, "b", 6)])
    return classified(i, layers.Subtract()([x, layers.Maximum()([x, conv(x, "c", 6)])]))


def shared_layer() -> Any:
    i = image()
    shared = layers.Conv2D(5, 3, padding="same", name="shared")
    norm = layers.BatchNormalization(name="norm")
    first, second = conv(i, "a", 4), conv(i, "b", 4)
    return classified(i, layers.Concatenate()([norm(shared(first)), norm(shared(second))]))


def repeated_layer() -> Any:
    x = i = image()
    again = layers.Conv2D(5, 3, padding="same", name="again")
    x = conv(x, "a", 5)
    return classified(i, again(layers.ReLU()(again(x))))


def written_as_operations() -> Any:
    x = i = image()
    x = ops.relu(conv(x, "a", 6) * 2.0 + 0.1)
    gate = ops.sigmoid(layers.Dense(6, name="gate")(ops.mean(x, axis=(1, 2))))
    x = ops.clip(x * ops.reshape(gate, (-1, 1, 1, 6)), 0.0, 5.0)
    return classified(i, ops.concatenate([x, conv(-x, "b", 4)], axis=-1))


def pixels_as_tokens() -> Any:
    x = i = image()
    x = layers.Reshape((3, 2, 3, 10))(conv(x, "a", 5))
    x = layers.Reshape((36, 5))(layers.Permute((2, 1, 3, 4))(x))
    x = layers.Dense(8, activation="gelu", name="b")(x)
    x = layers.EinsumDense("btf,fc->btc", (36, 6), bias_axes="tc", name="c")(x)
    return classified(i, layers.GlobalAveragePooling1D()(layers.SpatialDropout1D(0.1)(x)))


def vector_as_map() -> Any:
    x = i = image()
    x = layers.Dense(12, name="a")(layers.Flatten()(x))
    return classified(i, conv(layers.Reshape((2, 2, 3))(x), "b", 4))


def chain() -> Any:
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Rescaling(0.5),
            layers.Conv2D(6, 3, name="a"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def two_inputs_and_outputs() -> Any:
    one, other = keras.Input((6, 6, 2)), keras.Input((6, 6, 3))
    x = layers.Average()([conv(one, "a", 6), conv(other, "b", 6)])
    heads = {"p": conv(x, "p", 2), "q": layers.Dense(3, name="q")(conv(x, "c", 4))}
    return keras.Model([one, other], heads)


GRAPHS: list[tuple[Callable[[], Any], dict[str, int]]] = [
    (plain, {"a": 5, "b": 4}),
    (concatenation, {"a": 4, "b": 6, "c": 5}),
    (concatenation_added_to, {"a": 4, "b": 6, "d": 5}),
    (concatenation_of_rows, {"a": 4, "c": 5}),
    (gate_of_convolutions, {"a": 6, "squeeze": 3, "b": 5}),
    (gate_of_dense_layers, {"a": 6, "squeeze": 3, "b": 5}),
    (gate_for_each_pixel, {"a": 6}),
    (grouped_convolution, {"a": 3, "b": 4, "c": 5}),
    (convolution_of_each_channel, {"a": 6, "c": 5}),
    (depth_multiplier, {"a": 5, "c": 4}),
    (depthwise_on_the_image, {"c": 4}),
    (separable, {"a": 5, "b": 7, "c": 4}),
    (flattened, {"a": 5, "b": 6}),
    (residual, {"a": 6, "b": 4}),
    (residual_with_projection, {"a": 5, "b": 6}),
    (shared_layer, {"a": 4, "shared": 5}),
    (repeated_layer, {"a": 5}),
    (written_as_operations, {"a": 6, "b": 4}),
    (pixels_as_tokens, {"a": 5, "b": 8, "c": 6}),
    (vector_as_map, {"a": 3, "b": 4}),
    (chain, {"a": 6}),
    (two_inputs_and_outputs, {"a": 6, "c": 4}),
]
"""With the units of each group, by the first of its makers in the alphabet."""
IDS = [build.__name__ for build, _ in GRAPHS]


@pytest.mark.parametrize(("build", "groups"), GRAPHS, ids=IDS)
def test_channels_that_depend_on_one_another_are_one_group(
    build: Callable[[], Any], groups: dict[str, int]
) -> None:
    traced = trace(build()).groups
    assert {min(group.makers): len(group.units) for group in traced} == groups


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("build", [build for build, _ in GRAPHS], ids=IDS)
def test_a_cut_is_the_model_that_does_not_read_what_is_gone(
    build: Callable[[], Any],
    seed: int,
    shake: Callable[..., Any],
    check_cut: Callable[..., Any],
) -> None:
    check_cut(shake(build(), seed=seed), seed=seed)


def test_a_grouped_convolution_stays_one() -> None:
    model = grouped_convolution()
    channels = trace(model)
    kept = {"a": np.array([True, False, True]), "b": np.array([False, True, True, False])}
    smaller = cut(model, channels, kept).get_layer("b")
    assert (smaller.groups, smaller.filters, tuple(smaller.kernel.shape)) == (3, 6, (3, 3, 2, 6))
    assert [group.channels_per_unit for group in channels.groups] == [3, 3, 1]


def test_half_of_a_sum_of_concatenated_maps_is_a_group_of_its_own() -> None:
    made = [set(group.makers) for group in trace(concatenation_added_to()).groups]
    assert {"a", "c"} in made
    assert {"b", "c"} in made


def mixing(layer: Any) -> Any:
    x = i = image()
    return classified(i, conv(layer(conv(x, "a", 6)), "b", 5))


@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization(name="mix"),
        layers.GroupNormalization(3, name="mix"),
        layers.RMSNormalization(name="mix"),
        layers.Softmax(name="mix"),
        layers.Activation("softmax", name="mix"),
        layers.Permute((3, 1, 2), name="mix"),
        layers.Rescaling([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], name="mix"),
        layers.BatchNormalization(axis=1, name="mix"),
        layers.ZeroPadding2D(data_format="channels_first", name="mix"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_channels_that_a_layer_mixes_stay(layer: Any, check_cut: Callable[..., Any]) -> None:
    model = mixing(layer)
    channels = trace(model)
    assert [group.name for group in channels.groups] == ["b"]
    assert type(layer).__name__ in channels.fixed["mix"]
    check_cut(model)


def test_channels_that_an_activation_mixes_stay(check_cut: Callable[..., Any]) -> None:
    model = mixing(layers.Conv2D(7, 1, activation="softmax", name="mix"))
    channels = trace(model)
    assert [group.name for group in channels.groups] == ["a", "b"]
    assert channels.fixed["mix"] == "Conv2D mixes its channels"
    check_cut(model)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x[..., :3],
        lambda x: x - ops.mean(x, axis=-1, keepdims=True),
        lambda x: x * np.arange(6, dtype=np.float32),
        lambda x: ops.transpose(x, (0, 3, 1, 2)),
        ops.softmax,
    ],
    ids=["slice", "mean", "constants", "transpose", "softmax"],
)
def test_channels_that_an_operation_mixes_stay(
    operation: Any, check_cut: Callable[..., Any]
) -> None:
    model = mixing(operation)
    assert [group.name for group in trace(model).groups] == ["b"]
    check_cut(model)


def test_attention_keeps_its_channels_and_lets_others_go(check_cut: Callable[..., Any]) -> None:
    x = i = image()
    x = layers.Reshape((36, 6))(conv(conv(x, "a", 5), "b", 6))
    attended = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = layers.Add()([x, attended])
    x = layers.Add()([x, layers.Dense(6, name="e")(layers.Dense(8, name="d")(x))])
    model = classified(i, layers.GlobalAveragePooling1D()(x))
    channels = trace(model)
    assert [group.name for group in channels.groups] == ["a", "d"]
    assert channels.fixed["attention"] == "MultiHeadAttention mixes its channels"
    check_cut(model)
