"""ViT-C: a vision transformer whose patches come from a few convolutions.

Xiao et al. 2021, Early convolutions help transformers see better,
https://arxiv.org/abs/2106.14881: ViT_C-1GF, of 4.6 million parameters as built here. Its stem of
four convolutions takes the place of one convolution of 16x16 pixels and of the twelfth block; it
trains faster and with ordinary optimisers, which matters where there are few pictures. The encoder
is that of Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929. Deviations:

- the mean of all tokens goes to the classifier; there is no class token (appendix D.3 there);
- the last 1x1 convolution of the stem has a bias for each position, which is the learned position;
- layer normalisation has no bias, see `transformer.normalize_tokens`.
"""

from __future__ import annotations

from typing import Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import convolution, finish, image_input
from edge_recog_converter.architectures.scaling import scaled_filters
from edge_recog_converter.architectures.transformer import encoder_block, normalize_tokens

_STEM_FILTERS: Final = (24, 48, 96, 192)
"""Each convolution halves the side: a token stands for 16x16 pixels."""
_CHANNELS: Final = 192
_HEADS: Final = 3
_BLOCKS: Final = 11
_DENSE_EXPANSION: Final = 3
_POSITION_DEVIATION: Final = 0.02
"""Of the initial positions, as in https://github.com/google-research/vision_transformer."""


def build_vision_transformer(
    *, input_shape: tuple[int, int, int], classes: int | None, width: float, dropout: float
) -> Any:
    """Return ViT_C-1GF.

    Args:
        input_shape: Height, width (at least 32 each) and channels. Positions are learned for this
            size; weights fit no other.
        classes: Size of `logits`, or None to end at `features`, (batch, 192) at width 1.
        width: Multiplies the channels of stem and tokens.
        dropout: Before the classifier.
    """
    image = x = image_input(input_shape)
    for number, filters in enumerate(_STEM_FILTERS, start=1):
        x = convolution(
            x, f"stem{number}", filters=scaled_filters(filters, width), kernel=3, stride=2
        )
    height, breadth, filters = x.shape[1:]
    tokens, channels = height * breadth, scaled_filters(_CHANNELS, width)
    x = keras.layers.Reshape((tokens, filters), name="patches")(x)
    x = keras.layers.EinsumDense(
        "btf,fc->btc",
        (tokens, channels),
        bias_axes="tc",
        bias_initializer=keras.initializers.TruncatedNormal(stddev=_POSITION_DEVIATION),
        name="positions",
    )(x)
    for number in range(1, _BLOCKS + 1):
        x = encoder_block(
            x,
            f"block{number}",
            heads=_HEADS,
            units=channels * _DENSE_EXPANSION,
            activation="gelu",
        )
    x = normalize_tokens(x, "head_norm")
    x = keras.layers.GlobalAveragePooling1D(name="features")(x)
    return finish(image, x, "vit_c_1gf", classes=classes, dropout=dropout)
