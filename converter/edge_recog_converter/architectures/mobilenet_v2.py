"""MobileNetV2: inverted residual blocks, narrow outside and wide within.

Sandler et al. 2018, MobileNetV2: inverted residuals and linear bottlenecks,
https://arxiv.org/abs/1801.04381, table 2; the number of parameters is that of
https://github.com/keras-team/keras/blob/master/keras/src/applications/mobilenet_v2.py.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import (
    convolution,
    finish,
    image_input,
    inverted_residual,
)
from edge_recog_converter.architectures.scaling import scaled_filters


class _Stage(NamedTuple):
    """A row of the paper's table 2: t, c, n and s."""

    expansion: int
    filters: int
    repeats: int
    stride: int
    """Of the first block; the others have 1."""


_STAGES: Final = (
    _Stage(1, 16, 1, 1),
    _Stage(6, 24, 2, 2),
    _Stage(6, 32, 3, 2),
    _Stage(6, 64, 4, 2),
    _Stage(6, 96, 3, 1),
    _Stage(6, 160, 3, 2),
    _Stage(6, 320, 1, 1),
)
_STEM_FILTERS: Final = 32
_HEAD_FILTERS: Final = 1280


def build_mobilenet_v2(
    *, input_shape: tuple[int, int, int], classes: int | None, width: float, dropout: float
) -> Any:
    """Return a MobileNetV2.

    Args:
        input_shape: Height, width (at least 32 each) and channels.
        classes: Size of `logits`, or None to end at `features`, (batch, 1280) at widths up to 1.
        width: The paper's alpha: multiplies the channels of every layer, but those of the last
            convolution only if it is more than 1, as in the paper.
        dropout: Before the classifier.
    """
    image = x = image_input(input_shape)
    x = convolution(
        x,
        "stem",
        filters=scaled_filters(_STEM_FILTERS, width),
        kernel=3,
        stride=2,
        activation="relu6",
    )
    for number, stage in enumerate(_STAGES, start=1):
        for repeat in range(1, stage.repeats + 1):
            x = inverted_residual(
                x,
                f"block{number}_{repeat}",
                filters=scaled_filters(stage.filters, width),
                expanded=x.shape[-1] * stage.expansion,
                stride=stage.stride if repeat == 1 else 1,
            )
    x = convolution(
        x, "head", filters=scaled_filters(_HEAD_FILTERS, max(width, 1.0)), activation="relu6"
    )
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return finish(image, x, "mobilenet_v2", classes=classes, dropout=dropout)
