"""Graphs that nobody thought of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import keras
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

layers = keras.layers

STEPS = (
    "convolve",
    "normalize",
    "activate",
    "depthwise",
    "separate",
    "group",
    "add",
    "concatenate",
    "gate",
    "share",
    "tokens",
    "softmax",
    "pool",
)
SIDE = 4


def convolved(x: Any, filters: int, **options: Any) -> Any:
    return layers.Conv2D(filters, 3, padding="same", **options)(x)


def step(kind: str, tensors: list[Any], number: int, shared: dict[int, Any]) -> Any:
    """Return what `kind` makes of two of the tensors, which have one size but any channels."""
    x, y = tensors[-1 - number % len(tensors)], tensors[number // 7 % len(tensors)]
    width = x.shape[-1]
    match kind:
        case "convolve":
            return convolved(x, 2 + number % 5, use_bias=bool(number % 2))
        case "normalize":
            return layers.BatchNormalization(scale=bool(number % 2))(x)
        case "activate":
            return layers.Activation(("relu", "sigmoid", "hard_silu", "gelu")[number % 4])(x)
        case "depthwise":
            return layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1 + number % 2)(x)
        case "separate":
            return layers.SeparableConv2D(3, 3, padding="same", depth_multiplier=1 + number % 2)(x)
        case "group":
            groups = max(count for count in (1, 2, 3, width) if width % count == 0)
            return convolved(x, 2 * groups, groups=groups if number % 2 else 1)
        case "add":
            fitting = y if y.shape[-1] == width else convolved(y, width)
            return layers.Add()([x, fitting])
        case "concatenate":
            return layers.Concatenate()([x, y])
        case "gate":
            mean = layers.GlobalAveragePooling2D(keepdims=True)(x)
            return x * layers.Dense(width, activation="sigmoid")(mean)
        case "share":
            again = shared.setdefault(width, layers.Conv2D(width, 1, name=f"shared{width}"))
            return again(x)
        case "tokens":
            tokens = layers.Reshape((SIDE * SIDE // 2, 2 * width))(x)
            return layers.Reshape((SIDE, SIDE, width))(tokens)
        case "softmax":
            return layers.Softmax()(x)
        case _:
            return layers.MaxPooling2D(2, 1, padding="same")(x)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 99)), min_size=2, max_size=8),
    flat=st.booleans(),
    seed=st.integers(0, 999),
)
def test_any_graph_is_cut_right(
    steps: list[tuple[str, int]],
    flat: bool,
    seed: int,
    shake: Callable[..., Any],
    check_cut: Callable[..., Any],
) -> None:
    image = keras.Input((SIDE, SIDE, 2))
    tensors = [convolved(image, 4)]
    shared: dict[int, Any] = {}
    for kind, number in steps:
        tensors.append(step(kind, tensors, number, shared))
    end = layers.Flatten() if flat else layers.GlobalAveragePooling2D()
    logits = layers.Dense(3)(end(tensors[-1]))
    check_cut(shake(keras.Model(image, logits), seed=seed), seed=seed)
