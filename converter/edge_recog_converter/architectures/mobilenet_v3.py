"""MobileNetV3: inverted residuals with squeeze-and-excitation and hard-swish, found by search.

Howard et al. 2019, Searching for MobileNetV3, https://arxiv.org/abs/1905.02244, tables 1 (large)
and 2 (small). The gates of squeeze-and-excitation have a quarter of the channels, rounded to a
multiple of 8, as in https://github.com/tensorflow/models/tree/master/research/slim/nets/mobilenet
and https://github.com/keras-team/keras/blob/master/keras/src/applications/mobilenet_v3.py, whose
number of parameters this has.

TFLite computes it in 8-bit integers from end to end: `hard_silu` becomes one HARD_SWISH, and
`hard_sigmoid` a convolution with ReLU6, its 3 added to the bias, and a MUL by 1/6. (A `Rescaling`
with `ReLU(1)` becomes MINIMUM and RELU instead: one operation more.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import (
    activate,
    convolution,
    depthwise,
    finish,
    image_input,
)
from edge_recog_converter.architectures.scaling import scaled_filters

if TYPE_CHECKING:
    from edge_recog_converter.architectures.blocks import Activation


class _Block(NamedTuple):
    """A row of the paper's tables; NL is hard-swish where `swish` is True, else ReLU."""

    kernel: int
    expanded: int
    filters: int
    gated: bool
    swish: bool
    stride: int


_LARGE: Final = (
    _Block(3, 16, 16, False, False, 1),
    _Block(3, 64, 24, False, False, 2),
    _Block(3, 72, 24, False, False, 1),
    _Block(5, 72, 40, True, False, 2),
    _Block(5, 120, 40, True, False, 1),
    _Block(5, 120, 40, True, False, 1),
    _Block(3, 240, 80, False, True, 2),
    _Block(3, 200, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 184, 80, False, True, 1),
    _Block(3, 480, 112, True, True, 1),
    _Block(3, 672, 112, True, True, 1),
    _Block(5, 672, 160, True, True, 2),
    _Block(5, 960, 160, True, True, 1),
    _Block(5, 960, 160, True, True, 1),
)
_SMALL: Final = (
    _Block(3, 16, 16, True, False, 2),
    _Block(3, 72, 24, False, False, 2),
    _Block(3, 88, 24, False, False, 1),
    _Block(5, 96, 40, True, True, 2),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 120, 48, True, True, 1),
    _Block(5, 144, 48, True, True, 1),
    _Block(5, 288, 96, True, True, 2),
    _Block(5, 576, 96, True, True, 1),
    _Block(5, 576, 96, True, True, 1),
)
_STEM_FILTERS: Final = 16
_HEAD_EXPANSION: Final = 6
"""Channels of the last convolution for each of the last block's."""
_UNITS: Final = {"large": 1280, "small": 1024}
_GATE_SHARE: Final = 0.25


def build_mobilenet_v3(
    size: Literal["small", "large"],
    *,
    input_shape: tuple[int, int, int],
    classes: int | None,
    width: float,
    dropout: float,
) -> Any:
    """Return a MobileNetV3.

    Args:
        size: `small` or `large`.
        input_shape: Height, width (at least 32 each) and channels.
        classes: Size of `logits`, or None to end at `features`: (batch, 1024) for small, 1280 for
            large, at widths up to 1.
        width: Multiplies the channels of every layer, but those of `features` only if it is more
            than 1, as in the sources.
        dropout: Before the classifier.
    """
    image = x = image_input(input_shape)
    x = convolution(
        x,
        "stem",
        filters=scaled_filters(_STEM_FILTERS, width),
        kernel=3,
        stride=2,
        activation="hard_silu",
    )
    for number, block in enumerate(_SMALL if size == "small" else _LARGE, start=1):
        x = _inverted_residual(x, f"block{number}", block, width)
    x = convolution(x, "head", filters=x.shape[-1] * _HEAD_EXPANSION, activation="hard_silu")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(
        scaled_filters(_UNITS[size], max(width, 1.0)),
        kernel_initializer="he_normal",
        name="head_dense",
    )(x)
    x = keras.layers.Activation("hard_silu", name="features")(x)
    return finish(image, x, f"mobilenet_v3_{size}", classes=classes, dropout=dropout)


def _inverted_residual(x: Any, name: str, block: _Block, width: float) -> Any:
    """Return expand, depthwise, gate, project; plus `x` where the shapes allow it."""
    shortcut = x
    activation: Activation = "hard_silu" if block.swish else "relu"
    expanded = scaled_filters(block.expanded, width)
    filters = scaled_filters(block.filters, width)
    if expanded != shortcut.shape[-1]:
        x = convolution(x, f"{name}_expand", filters=expanded, activation=activation)
    x = depthwise(
        x,
        f"{name}_depthwise",
        kernel=block.kernel,
        stride=block.stride,
        activation=activation,
    )
    if block.gated:
        x = _gate(x, f"{name}_gate")
    x = convolution(x, f"{name}_project", filters=filters, activation=None)
    if block.stride == 1 and shortcut.shape[-1] == filters:
        x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _gate(x: Any, name: str) -> Any:
    """Return `x` times a factor of 0-1 for each channel, made of all channels' means."""
    channels = x.shape[-1]
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    factor = keras.layers.Conv2D(
        scaled_filters(channels, _GATE_SHARE),
        1,
        activation="relu",
        kernel_initializer="he_normal",
        name=f"{name}_reduce",
    )(mean)
    factor = keras.layers.Conv2D(channels, 1, name=f"{name}_expand")(factor)
    factor = activate(factor, name, "hard_sigmoid")
    return keras.layers.Multiply(name=f"{name}_multiply")([x, factor])
