"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation and with ReLU6, made for INT8.

Every operation is one that 8-bit integer kernels do well. Sources:

- Tan and Le 2019, EfficientNet, https://arxiv.org/abs/1905.11946 (blocks and compound scaling);
- https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite (Lite's
  coefficients, resolutions, fixed stem and head, pixel mean 127 and deviation 128);
- https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html.

The models take (batch, height, width, 3) float32, RGB, `(pixel - 127) / 128`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures.blocks import convolution, image_input, inverted_residual
from edge_recog_converter.architectures.scaling import scaled_filters
from edge_recog_converter.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator

PIXEL_MEAN: Final = 127.0
"""Subtracted from each 0-255 pixel: MEAN_RGB of the source."""
PIXEL_STD: Final = 128.0
"""Then divided by this: STDDEV_RGB of the source."""

_STEM_FILTERS: Final = 32
_HEAD_FILTERS: Final = 1280


@dataclass(frozen=True, slots=True)
class LiteVariant:
    """What sets one EfficientNet-Lite apart from the next."""

    width: float
    """Multiplies the filters of every block; stem and head stay as they are."""
    depth: float
    """Multiplies the blocks of every stage but the first and the last."""
    resolution: int
    """Side of the native square input, in pixels."""
    dropout: float
    """Share of features dropped before the classifier while training, 0-1."""


VARIANTS: Final = (
    LiteVariant(1.0, 1.0, 224, 0.2),
    LiteVariant(1.0, 1.1, 240, 0.2),
    LiteVariant(1.1, 1.2, 260, 0.3),
    LiteVariant(1.2, 1.4, 280, 0.3),
    LiteVariant(1.4, 1.8, 300, 0.3),
)
"""EfficientNet-Lite0 to -Lite4: `efficientnet_lite_params` of the source."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """A run of blocks of the same filters, before scaling."""

    repeats: int
    kernel: int
    stride: int
    """Of the first block; the others have 1."""
    expansion: int
    filters: int


_STAGES: Final = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
"""`_DEFAULT_BLOCKS_ARGS` of the source."""


@dataclass(frozen=True, slots=True)
class LiteBlock:
    """One inverted residual block, as built."""

    name: str
    """Prefix of its layers' names: `block1a`, `block2a`, `block2b`, …"""
    kernel: int
    stride: int
    expansion: int
    """1 builds no expansion convolution."""
    filters: int
    """Output channels."""


def build_efficientnet_lite(
    variant: int = 0,
    *,
    input_shape: tuple[int, int, int] | None = None,
    classes: int | None = 1000,
    softmax: bool = False,
    width: float | None = None,
    depth: float | None = None,
    stem_filters: int = _STEM_FILTERS,
    head_filters: int = _HEAD_FILTERS,
    dropout: float | None = None,
) -> Any:
    """Return an EfficientNet-Lite as an uninitialised `keras.Model`.

    Layers are called `image`, `stem_conv`, `stem_norm`, `stem_relu6`, `block1a_…`, `head_…`,
    `features` (global average pool), then `dropout`, `logits` and `probabilities` where there is a
    classifier. A convolution is followed by the normalisation it can be folded into.

    Args:
        variant: 0 to 4.
        input_shape: Height, width and 3; None takes the variant's native resolution.
        classes: Number of classes; None builds no classifier, and the model returns the pooled
            features (batch, head_filters), each 0-6.
        softmax: Return probabilities instead of logits, both (batch, classes).
        width: Replaces the variant's multiplier of the blocks' filters, > 0.
        depth: Replaces the variant's multiplier of the stages' blocks, > 0.
        stem_filters: Channels after the first convolution. Pretrained weights need 32.
        head_filters: Channels of the features. Pretrained weights need 1280.
        dropout: Replaces the variant's dropout, 0 ≤ dropout < 1; 0 builds no dropout layer.

    Raises:
        RecipeError: An argument out of its range.
    """
    coefficients = lite_variant(variant)
    height, breadth, channels = input_shape or (coefficients.resolution,) * 2 + (3,)
    width = coefficients.width if width is None else width
    depth = coefficients.depth if depth is None else depth
    dropout = coefficients.dropout if dropout is None else dropout
    if channels != 3 or min(height, breadth) < 32:
        raise RecipeError(
            f"EfficientNet-Lite cannot take input {height}x{breadth}x{channels}: "
            "use 3 channels and at least 32 pixels a side"
        )
    if not (width > 0 and depth > 0 and 0 <= dropout < 1):
        raise RecipeError(
            f"EfficientNet-Lite cannot have width {width}, depth {depth} and dropout {dropout}: "
            "width and depth must be positive, dropout at least 0 and less than 1"
        )
    if min(stem_filters, head_filters) < 1 or (classes is not None and classes < 1):
        raise RecipeError(
            f"EfficientNet-Lite cannot have {stem_filters} stem filters, {head_filters} head "
            f"filters and {classes} classes: all must be at least 1"
        )

    image = image_input((height, breadth, channels))
    x = convolution(image, "stem", filters=stem_filters, kernel=3, stride=2, activation="relu6")
    for block in lite_blocks(width=width, depth=depth):
        x = inverted_residual(
            x,
            block.name,
            filters=block.filters,
            expanded=x.shape[-1] * block.expansion,
            kernel=block.kernel,
            stride=block.stride,
        )
    x = convolution(x, "head", filters=head_filters, activation="relu6")
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    name = f"efficientnet_lite{variant}"
    if classes is None:
        return keras.Model(image, x, name=f"{name}_features")
    if dropout > 0:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = keras.layers.Dense(
        classes,
        kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform"),
        name="logits",
    )(x)
    if softmax:
        x = keras.layers.Softmax(name="probabilities")(x)
    return keras.Model(image, x, name=name)


def build_scaled_efficientnet_lite(
    variant: int,
    *,
    input_shape: tuple[int, int, int],
    classes: int | None,
    width: float,
    dropout: float,
) -> Any:
    """Return an EfficientNet-Lite whose stem, blocks and head are all scaled by `width`.

    Args:
        variant: 0 to 4.
        input_shape: Height, width and 3.
        classes: As for `build_efficientnet_lite`.
        width: Multiplies the variant's channels; pretrained weights need 1.
        dropout: Before the classifier.
    """
    return build_efficientnet_lite(
        variant,
        input_shape=input_shape,
        classes=classes,
        width=lite_variant(variant).width * width,
        stem_filters=scaled_filters(_STEM_FILTERS, width),
        head_filters=scaled_filters(_HEAD_FILTERS, width),
        dropout=dropout,
    )


def lite_variant(variant: int) -> LiteVariant:
    """Return the coefficients of EfficientNet-Lite`variant`.

    Raises:
        RecipeError: There is no such variant.
    """
    if not 0 <= variant < len(VARIANTS):
        raise RecipeError(f"there is no EfficientNet-Lite{variant}: use 0 to {len(VARIANTS) - 1}")
    return VARIANTS[variant]


def lite_blocks(*, width: float, depth: float) -> Iterator[LiteBlock]:
    """Yield the blocks between stem and head, scaled, in order."""
    for index, stage in enumerate(_STAGES):
        fixed = index in (0, len(_STAGES) - 1)
        repeats = stage.repeats if fixed else math.ceil(stage.repeats * depth)
        for repeat in range(repeats):
            yield LiteBlock(
                name=f"block{index + 1}{_letters(repeat)}",
                kernel=stage.kernel,
                stride=stage.stride if repeat == 0 else 1,
                expansion=stage.expansion,
                filters=scaled_filters(stage.filters, width),
            )


def _letters(index: int) -> str:
    """Return a, b, …, z, aa, ab, … for 0, 1, 2 and so on."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("a") + digit) + letters
    return letters
