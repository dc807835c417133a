"""LeNet-5: the first convolutional network that was put to work, for 32x32 grey digits.

LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition,
section II.B and figure 2, http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf. Deviations, those of
most of today's versions:

- ReLU in place of the scaled tanh;
- average pooling without the trained factor and bias of the paper's S2 and S4;
- C3 sees every map of S2, not the subsets of the paper's table I;
- a dense layer of logits in place of radial basis functions.
"""

from __future__ import annotations

from typing import Any

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import finish, image_input
from edge_recog_converter.architectures.scaling import scaled_filters


def build_lenet(
    *, input_shape: tuple[int, int, int], classes: int | None, width: float, dropout: float
) -> Any:
    """Return LeNet-5; the layers have the paper's names.

    Args:
        input_shape: Height, width (at least 16 each) and channels.
        classes: Size of `logits`, or None to end at `features`: F6, (batch, 84) at width 1.
        width: Multiplies the 6, 16, 120 and 84 channels of C1, C3, C5 and F6.
        dropout: Before the classifier.
    """
    image = x = image_input(input_shape)
    for stage, filters in ((1, 6), (3, 16)):
        x = keras.layers.Conv2D(
            scaled_filters(filters, width),
            5,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"c{stage}",
        )(x)
        x = keras.layers.AveragePooling2D(2, name=f"s{stage + 1}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for name, units in (("c5", 120), ("features", 84)):
        x = keras.layers.Dense(
            scaled_filters(units, width),
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )(x)
    return finish(image, x, "lenet_5", classes=classes, dropout=dropout)
