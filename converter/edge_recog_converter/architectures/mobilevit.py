"""MobileViT-XXS: inverted residuals, and transformers over the coarser maps.

Mehta and Rastegari 2022, MobileViT: light-weight, general-purpose, and mobile-friendly vision
transformer, https://arxiv.org/abs/2110.02178, figure 1b and table 4 (XXS: 1.3 million parameters);
details from https://github.com/apple/ml-cvnets. A map is cut into patches of 2x2 pixels; each of
the four pixels of a patch attends to those at its own place in all other patches. Deviation: layer
normalisation has no bias, see `transformer.normalize_tokens`.

SiLU becomes LOGISTIC and MUL, both with integer forms.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import (
    Activation,
    convolution,
    finish,
    image_input,
    inverted_residual,
    kernel_initializer,
)
from edge_recog_converter.architectures.scaling import scaled_filters
from edge_recog_converter.architectures.transformer import encoder_block, normalize_tokens


class _Stage(NamedTuple):
    """A run of inverted residuals, and the transformer after it."""

    filters: int
    repeats: int
    stride: int
    """Of the first one; the others have 1."""
    channels: int = 0
    """Of the transformer's tokens."""
    blocks: int = 0
    """Of the transformer; 0 builds none."""


_STAGES: Final = (
    _Stage(16, 1, 1),
    _Stage(24, 3, 2),
    _Stage(48, 1, 2, channels=64, blocks=2),
    _Stage(64, 1, 2, channels=80, blocks=4),
    _Stage(80, 1, 2, channels=96, blocks=3),
)
_STEM_FILTERS: Final = 16
_HEAD_FILTERS: Final = 320
_EXPANSION: Final = 2
"""Of the inverted residuals; the larger MobileViTs have 4."""
_DENSE_EXPANSION: Final = 2
_HEADS: Final = 4
_ACTIVATION: Final[Activation] = "silu"


def build_mobilevit(
    *, input_shape: tuple[int, int, int], classes: int | None, width: float, dropout: float
) -> Any:
    """Return MobileViT-XXS.

    Args:
        input_shape: Height and width, each a multiple of 64 so that the last map, of 1/32, has
            whole patches, and at least 128 so that it has several; and channels.
        classes: Size of `logits`, or None to end at `features`, (batch, 320) at width 1.
        width: Multiplies the channels of convolutions and tokens.
        dropout: Before the classifier.
    """
    image = x = image_input(input_shape)
    stem_filters = scaled_filters(_STEM_FILTERS, width)
    x = convolution(x, "stem", filters=stem_filters, kernel=3, stride=2, activation=_ACTIVATION)
    for number, stage in enumerate(_STAGES, start=1):
        for repeat in range(1, stage.repeats + 1):
            x = inverted_residual(
                x,
                f"stage{number}_{repeat}",
                filters=scaled_filters(stage.filters, width),
                expanded=x.shape[-1] * _EXPANSION,
                stride=stage.stride if repeat == 1 else 1,
                activation=_ACTIVATION,
            )
        if stage.blocks:
            channels = scaled_filters(stage.channels, width)
            x = _transformer(x, f"stage{number}_vit", channels=channels, blocks=stage.blocks)
    head_filters = scaled_filters(_HEAD_FILTERS, width)
    x = convolution(x, "head", filters=head_filters, activation=_ACTIVATION)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return finish(image, x, "mobilevit_xxs", classes=classes, dropout=dropout)


def _transformer(x: Any, name: str, *, channels: int, blocks: int) -> Any:
    """Return `x` and what a transformer sees in it, mixed by a convolution: a MobileViT block."""
    shortcut = x
    height, breadth, filters = x.shape[1:]
    x = convolution(x, f"{name}_local", filters=filters, kernel=3, activation=_ACTIVATION)
    x = keras.layers.Conv2D(
        channels,
        1,
        use_bias=False,
        kernel_initializer=kernel_initializer(),
        name=f"{name}_expand",
    )(x)
    x = _unfolded(x, f"{name}_unfold")
    for number in range(1, blocks + 1):
        x = encoder_block(
            x,
            f"{name}_block{number}",
            heads=_HEADS,
            units=channels * _DENSE_EXPANSION,
            activation=_ACTIVATION,
            groups=4,
        )
    x = normalize_tokens(x, f"{name}_norm")
    x = _folded(x, f"{name}_fold", height, breadth)
    x = convolution(x, f"{name}_project", filters=filters, activation=_ACTIVATION)
    x = keras.layers.Concatenate(name=f"{name}_concat")([shortcut, x])
    return convolution(x, f"{name}_fuse", filters=filters, kernel=3, activation=_ACTIVATION)


def _unfolded(x: Any, name: str) -> Any:
    """Return (batch, pixels, channels), first those at the top left of each 2x2 patch, and so on.

    In two steps: five axes, the batch included, are as many as every runtime can transpose.
    """
    height, breadth, channels = x.shape[1:]
    rows, columns = height // 2, breadth // 2
    x = keras.layers.Reshape((rows, 2, columns, 2 * channels), name=f"{name}_rows")(x)
    x = keras.layers.Permute((2, 1, 3, 4), name=f"{name}_by_row")(x)
    x = keras.layers.Reshape((2, rows * columns, 2, channels), name=f"{name}_columns")(x)
    x = keras.layers.Permute((1, 3, 2, 4), name=f"{name}_by_column")(x)
    return keras.layers.Reshape((height * breadth, channels), name=f"{name}_tokens")(x)


def _folded(x: Any, name: str, height: int, breadth: int) -> Any:
    """Return (batch, height, width, channels): `_unfolded` undone."""
    channels = x.shape[-1]
    rows, columns = height // 2, breadth // 2
    x = keras.layers.Reshape((2, 2, rows * columns, channels), name=f"{name}_columns")(x)
    x = keras.layers.Permute((1, 3, 2, 4), name=f"{name}_by_column")(x)
    x = keras.layers.Reshape((2, rows, columns, 2 * channels), name=f"{name}_rows")(x)
    x = keras.layers.Permute((2, 1, 3, 4), name=f"{name}_by_row")(x)
    return keras.layers.Reshape((height, breadth, channels), name=f"{name}_map")(x)
