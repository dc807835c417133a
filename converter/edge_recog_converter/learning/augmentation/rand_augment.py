"""RandAugment: operations drawn for each picture from the paper's list.

Cubuk et al., arXiv:1909.13719, section 3; the strengths are those of the authors' code
(tensorflow/tpu, efficientnet/autoaugment.py). Keras has a layer of this name, but it draws the
same operations for a whole batch, and computes all of them to use two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.learning.augmentation.draws import (
    by_choice,
    clipped,
    count_of,
    per_picture,
    unchanged,
)
from edge_recog_converter.learning.augmentation.geometry import (
    rotations,
    sampled,
    shears,
    translations,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_converter.learning.augmentation.draws import Draws
    from edge_recog_converter.learning.augmentation.sections import RandAugment

_LARGEST_ROTATION = math.radians(30.0)
_LARGEST_SHEAR = 0.3
_LARGEST_TRANSLATION = 0.45
"""Share of the side: 100 of 224 pixels."""
_LARGEST_CHANGE = 0.9
"""Of colour, contrast, brightness and sharpness, to either side of 1."""


def rand_augment(pictures: Any, section: RandAugment, draws: Draws) -> Any:
    """Apply so many operations to each picture, each drawn for itself."""
    table = operations(section.magnitude / 10.0)
    for _ in range(section.operations):
        choice = draws.integers(count_of(pictures), 0, len(table) - 1)
        pictures = by_choice(pictures, choice, list(table.values()), draws)
    return pictures


def operations(strength: float) -> dict[str, Callable[[Any, Draws], Any]]:
    """Return the operations by the paper's names.

    Args:
        strength: 0-1.
    """

    def either(draws: Draws, pictures: Any, size: float) -> Any:
        """Return `size` or `-size` for each picture."""
        return size * (2.0 * tf.cast(draws.integers(count_of(pictures), 0, 1), tf.float32) - 1.0)

    def enhanced(pictures: Any, plain: Any, draws: Draws) -> Any:
        """Return pictures between `plain` and themselves, or beyond."""
        factor = 1.0 + per_picture(either(draws, pictures, _LARGEST_CHANGE * strength))
        return clipped(plain + factor * (pictures - plain))

    def rotate(pictures: Any, draws: Draws) -> Any:
        return sampled(pictures, rotations(either(draws, pictures, _LARGEST_ROTATION * strength)))

    def shear_x(pictures: Any, draws: Draws) -> Any:
        return sampled(pictures, shears(either(draws, pictures, _LARGEST_SHEAR * strength), 0.0))

    def shear_y(pictures: Any, draws: Draws) -> Any:
        return sampled(pictures, shears(0.0, either(draws, pictures, _LARGEST_SHEAR * strength)))

    def translate_x(pictures: Any, draws: Draws) -> Any:
        size = _LARGEST_TRANSLATION * strength * pictures.shape[2]
        return sampled(pictures, translations(either(draws, pictures, size), 0.0))

    def translate_y(pictures: Any, draws: Draws) -> Any:
        size = _LARGEST_TRANSLATION * strength * pictures.shape[1]
        return sampled(pictures, translations(0.0, either(draws, pictures, size)))

    def color(pictures: Any, draws: Draws) -> Any:
        return enhanced(pictures, _grey(pictures), draws)

    def contrast(pictures: Any, draws: Draws) -> Any:
        return enhanced(pictures, tf.reduce_mean(_grey(pictures), (1, 2, 3), keepdims=True), draws)

    def brightness(pictures: Any, draws: Draws) -> Any:
        return enhanced(pictures, 0.0, draws)

    def sharpness(pictures: Any, draws: Draws) -> Any:
        return enhanced(pictures, _smoothed(pictures), draws)

    def posterize(pictures: Any, draws: Draws) -> Any:
        step = 2.0 ** int(4 * strength)
        return step * tf.floor(pictures / step)

    def solarize(pictures: Any, draws: Draws) -> Any:
        return tf.where(pictures < 256.0 * (1.0 - strength), pictures, 255.0 - pictures)

    def auto_contrast(pictures: Any, draws: Draws) -> Any:
        low = tf.reduce_min(pictures, (1, 2), keepdims=True)
        high = tf.reduce_max(pictures, (1, 2), keepdims=True)
        stretched = (pictures - low) * 255.0 / tf.maximum(high - low, 1.0)
        return tf.where(high - low < 1.0, pictures, clipped(stretched))

    equalization = keras.layers.Equalization(value_range=(0, 255))

    def equalize(pictures: Any, draws: Draws) -> Any:
        return clipped(equalization(pictures))

    return {
        "identity": unchanged,
        "auto-contrast": auto_contrast,
        "equalize": equalize,
        "rotate": rotate,
        "solarize": solarize,
        "color": color,
        "posterize": posterize,
        "contrast": contrast,
        "brightness": brightness,
        "sharpness": sharpness,
        "shear-x": shear_x,
        "shear-y": shear_y,
        "translate-x": translate_x,
        "translate-y": translate_y,
    }


def _grey(pictures: Any) -> Any:
    """Return luma of ITU-R BT.601, (n, height, width, 1)."""
    if pictures.shape[-1] == 1:
        return pictures
    return tf.reduce_sum(pictures * [0.299, 0.587, 0.114], axis=-1, keepdims=True)


def _smoothed(pictures: Any) -> Any:
    """Return pictures under Pillow's SMOOTH filter: ones about a 5, over 13; edges mirrored."""
    height, width = pictures.shape[1:3]
    padded = tf.pad(pictures, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    rows = sum(padded[:, y : y + height] for y in range(3))
    return (sum(rows[:, :, x : x + width] for x in range(3)) + 4.0 * pictures) / 13.0
