"""ResNet: blocks of convolutions that each learn what to add to their input.

He, Zhang, Ren and Sun 2016, Deep residual learning for image recognition,
https://arxiv.org/abs/1512.03385, table 1 for ResNet-18, -34 and -50. ResNet-50 is version 1.5: the
3x3 convolution of a block has the stride, not the 1x1 before it
(https://catalog.ngc.nvidia.com/orgs/nvidia/resources/resnet_50_v1_5_for_pytorch).

ResNet-8 is the image classification model of MLPerf Tiny, for 32x32 pixels,
https://github.com/mlcommons/tiny/blob/master/benchmark/training/image_classification/keras_model.py.
Deviation: its convolutions have no bias where a normalisation follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import (
    activate,
    convolution,
    finish,
    image_input,
    kernel_initializer,
)
from edge_recog_converter.architectures.scaling import scaled_filters

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class _Layout:
    """What sets one ResNet apart from the next."""

    repeats: Sequence[int]
    """Blocks of each stage."""
    filters: int = 64
    """Of the first stage's 3x3 convolutions; doubled from stage to stage."""
    bottleneck: bool = False
    """Whether a block is 1x1, 3x3 and 1x1 with four times the channels, instead of two 3x3."""
    small: bool = False
    """Whether it is made for small pictures: a 3x3 stem without stride, plain shortcuts."""


_LAYOUTS: Final = {
    8: _Layout((1, 1, 1), filters=16, small=True),
    18: _Layout((2, 2, 2, 2)),
    34: _Layout((3, 4, 6, 3)),
    50: _Layout((3, 4, 6, 3), bottleneck=True),
}
"""By depth: the layers with weights, shortcuts left out."""
_BOTTLENECK_EXPANSION: Final = 4


def build_resnet(
    depth: int,
    *,
    input_shape: tuple[int, int, int],
    classes: int | None,
    width: float,
    dropout: float,
) -> Any:
    """Return a ResNet.

    Args:
        depth: 8, 18, 34 or 50.
        input_shape: Height, width (at least 8 each for depth 8, 32 for the others), channels.
        classes: Size of `logits`, or None to end at `features`, the global average pool:
            (batch, 64) for depth 8, 2048 for 50 and 512 for the others at width 1.
        width: Multiplies the channels of every convolution.
        dropout: Before the classifier. The paper has none.
    """
    layout = _LAYOUTS[depth]
    image = x = image_input(input_shape)
    filters = scaled_filters(layout.filters, width)
    if layout.small:
        x = convolution(x, "stem", filters=filters, kernel=3)
    else:
        x = convolution(x, "stem", filters=filters, kernel=7, stride=2)
        x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, repeats in enumerate(layout.repeats, start=1):
        filters = scaled_filters(layout.filters * 2 ** (stage - 1), width)
        for repeat in range(1, repeats + 1):
            stride = 2 if stage > 1 and repeat == 1 else 1
            x = _block(x, f"stage{stage}_{repeat}", layout, filters=filters, stride=stride)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return finish(image, x, f"resnet_{depth}", classes=classes, dropout=dropout)


def _block(x: Any, name: str, layout: _Layout, *, filters: int, stride: int) -> Any:
    """Return `x`, made to fit, plus what the block's convolutions make of it."""
    shortcut = x
    if layout.bottleneck:
        x = convolution(x, f"{name}_reduce", filters=filters)
        x = convolution(x, f"{name}_middle", filters=filters, kernel=3, stride=stride)
        filters *= _BOTTLENECK_EXPANSION
        x = convolution(x, f"{name}_expand", filters=filters, activation=None)
    else:
        x = convolution(x, f"{name}_first", filters=filters, kernel=3, stride=stride)
        x = convolution(x, f"{name}_second", filters=filters, kernel=3, activation=None)
    if stride != 1 or shortcut.shape[-1] != filters:
        shortcut = _projection(shortcut, f"{name}_shortcut", layout, filters, stride)
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return activate(x, name, "relu")


def _projection(x: Any, name: str, layout: _Layout, filters: int, stride: int) -> Any:
    if not layout.small:
        return convolution(x, name, filters=filters, stride=stride, activation=None)
    # MLPerf Tiny's has a bias and no normalisation.
    return keras.layers.Conv2D(
        filters,
        1,
        stride,
        padding="same",
        kernel_initializer=kernel_initializer(),
        name=f"{name}_conv",
    )(x)
