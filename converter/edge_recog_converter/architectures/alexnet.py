"""AlexNet in its second form, one tower for one processor.

Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks,
https://arxiv.org/abs/1404.5997; sizes as in
https://github.com/pytorch/vision/blob/main/torchvision/models/alexnet.py. It has 61.1 million
parameters at 224x224 with 1000 classes, nearly all of them in the first dense layer. Deviations:

- no local response normalisation;
- the first convolution is padded to 56x56 instead of 55x55, which needs no PAD operation.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import finish, image_input
from edge_recog_converter.architectures.scaling import scaled_filters


class _Stage(NamedTuple):
    filters: int
    kernel: int
    stride: int
    pooled: bool
    """By the maximum of 3x3 with stride 2."""


_STAGES: Final = (
    _Stage(64, 11, 4, True),
    _Stage(192, 5, 1, True),
    _Stage(384, 3, 1, False),
    _Stage(256, 3, 1, False),
    _Stage(256, 3, 1, True),
)
_UNITS: Final = 4096


def build_alexnet(
    *, input_shape: tuple[int, int, int], classes: int | None, width: float, dropout: float
) -> Any:
    """Return AlexNet.

    Args:
        input_shape: Height, width (at least 57 each) and channels. The first dense layer sees
            every position of the last maps, so its size grows with the input's.
        classes: Size of `logits`, or None to end at `features`, (batch, 4096) at width 1.
        width: Multiplies the channels of convolutions and dense layers.
        dropout: Before each dense layer but the first, the classifier included.
    """
    image = x = image_input(input_shape)
    for number, stage in enumerate(_STAGES, start=1):
        x = keras.layers.Conv2D(
            scaled_filters(stage.filters, width),
            stage.kernel,
            stage.stride,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"conv{number}",
        )(x)
        if stage.pooled:
            x = keras.layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
    return finish_with_dense_layers(
        image, x, "alexnet", units=scaled_filters(_UNITS, width), classes=classes, dropout=dropout
    )


def finish_with_dense_layers(
    image: Any, x: Any, name: str, *, units: int, classes: int | None, dropout: float
) -> Any:
    """Return the model with AlexNet's end, which is VGG's too: two dense layers and a classifier.

    Args:
        image: From `image_input`.
        x: (batch, height, width, channels).
        name: Of the model.
        units: Of each dense layer, `dense1` and `features`.
        classes: Size of `logits`; None ends the model at `features`.
        dropout: After each of the two, 0 ≤ dropout < 1; 0 builds none.
    """
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal", name="dense1")(
        x
    )
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="dense1_dropout")(x)
    x = keras.layers.Dense(
        units, activation="relu", kernel_initializer="he_normal", name="features"
    )(x)
    return finish(image, x, name, classes=classes, dropout=dropout)
