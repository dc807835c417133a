"""VGG: 3x3 convolutions and nothing else, then two large dense layers.

Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale image recognition,
https://arxiv.org/abs/1409.1556, table 1, columns A (VGG-11) and D (VGG-16). Deviation: every
convolution is followed by batch normalisation, as in
https://github.com/pytorch/vision/blob/main/torchvision/models/vgg.py (`vgg11_bn`, `vgg16_bn`), and
so has no bias. Without it VGG hardly trains from random weights.
"""

from __future__ import annotations

from typing import Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.alexnet import finish_with_dense_layers
from edge_recog_converter.architectures.blocks import convolution, image_input
from edge_recog_converter.architectures.scaling import scaled_filters

_FILTERS: Final = (64, 128, 256, 512, 512)
"""Of each stage; every stage ends by halving the side."""
_REPEATS: Final = {11: (1, 1, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
"""Convolutions of each stage, by the network's depth."""
_UNITS: Final = 4096


def build_vgg(
    depth: int,
    *,
    input_shape: tuple[int, int, int],
    classes: int | None,
    width: float,
    dropout: float,
) -> Any:
    """Return a VGG.

    Args:
        depth: Layers with weights: 11 or 16.
        input_shape: Height, width (at least 32 each) and channels. The first dense layer sees
            every position of the last maps, so its size grows with the input's.
        classes: Size of `logits`, or None to end at `features`, (batch, 4096) at width 1.
        width: Multiplies the channels of convolutions and dense layers.
        dropout: Before each dense layer but the first, the classifier included.
    """
    image = x = image_input(input_shape)
    for stage, (filters, repeats) in enumerate(
        zip(_FILTERS, _REPEATS[depth], strict=True), start=1
    ):
        for repeat in range(1, repeats + 1):
            x = convolution(
                x, f"stage{stage}_{repeat}", filters=scaled_filters(filters, width), kernel=3
            )
        x = keras.layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
    return finish_with_dense_layers(
        image,
        x,
        f"vgg_{depth}",
        units=scaled_filters(_UNITS, width),
        classes=classes,
        dropout=dropout,
    )
