"""MobileNet: convolutions taken apart into one 3x3 filter a channel, then 1x1.

Howard et al. 2017, MobileNets: efficient convolutional neural networks for mobile vision
applications, https://arxiv.org/abs/1704.04861, table 1. Deviation: ReLU6 in place of ReLU, as in
https://github.com/tensorflow/models/blob/master/research/slim/nets/mobilenet_v1.py.
"""

from __future__ import annotations

from typing import Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import convolution, depthwise, finish, image_input
from edge_recog_converter.architectures.scaling import scaled_filters

_STEM_FILTERS: Final = 32
_BLOCKS: Final = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *(((512, 1),) * 5),
    (1024, 2),
    (1024, 1),
)
"""Filters and stride. The paper's table gives the last block a stride of 2, yet the same size
before and after it; slim and Keras have 1."""


def build_mobilenet_v1(
    *, input_shape: tuple[int, int, int], classes: int | None, width: float, dropout: float
) -> Any:
    """Return a MobileNet.

    Args:
        input_shape: Height, width (at least 32 each) and channels.
        classes: Size of `logits`, or None to end at `features`, (batch, 1024) at width 1.
        width: The paper's alpha: multiplies the channels of every layer.
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
    for number, (filters, stride) in enumerate(_BLOCKS, start=1):
        x = depthwise(x, f"block{number}_depthwise", stride=stride)
        x = convolution(
            x,
            f"block{number}_pointwise",
            filters=scaled_filters(filters, width),
            activation="relu6",
        )
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return finish(image, x, "mobilenet_v1", classes=classes, dropout=dropout)
