"""Rectangles and mixtures: random erasing, MixUp and CutMix.

The mixing ones change a picture's target with it. The other picture is one of the same batch, by a
random permutation; a picture may meet itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.learning.augmentation.draws import count_of, per_picture

if TYPE_CHECKING:
    from edge_recog_converter.learning.augmentation.draws import Draws
    from edge_recog_converter.learning.augmentation.sections import CutMix, Erasing, MixUp

_ASPECT = math.log(3.3)
"""Rectangles that erase are 1/3.3 to 3.3 times as high as wide (arXiv:1708.04896, section 4.2)."""


def erase(pictures: Any, section: Erasing, draws: Draws) -> Any:
    """Hide a rectangle of each picture behind one random colour."""
    count = count_of(pictures)
    height, width, channels = pictures.shape[1:]
    area = draws.uniform(count, *section.area)
    stretch = tf.exp(draws.uniform(count, -_ASPECT, _ASPECT) / 2)
    high = tf.minimum(tf.sqrt(area) * stretch, 1.0) * height
    wide = tf.minimum(tf.sqrt(area) / stretch, 1.0) * width
    top = draws.uniform(count) * (height - high)
    left = draws.uniform(count) * (width - wide)
    colours = draws.uniform(tf.concat([count, [1, 1, channels]], 0), 0.0, 255.0)
    inside = _inside(pictures, top, left, top + high, left + wide)
    return tf.where(inside, colours, pictures)


def mixup(pictures: Any, targets: Any, section: MixUp, draws: Draws) -> tuple[Any, Any]:
    """Blend pictures and targets with others'."""
    count = count_of(pictures)
    share = draws.beta(count, section.alpha)
    share = tf.where(draws.uniform(count) < section.p, share, 1.0)
    other = draws.permutation(count[0])
    weight = per_picture(share)
    blended = weight * pictures + (1.0 - weight) * tf.gather(pictures, other)
    return blended, _mixed(targets, other, share)


def cutmix(pictures: Any, targets: Any, section: CutMix, draws: Draws) -> tuple[Any, Any]:
    """Put a rectangle of another picture in; targets are mixed by the area that it has.

    As in the paper, its centre is anywhere and what is outside of the picture is cut off.
    """
    count = count_of(pictures)
    height, width = pictures.shape[1:3]
    side = tf.sqrt(1.0 - draws.beta(count, section.alpha))
    side = tf.where(draws.uniform(count) < section.p, side, 0.0)
    middle_y, middle_x = height * draws.uniform(count), width * draws.uniform(count)
    inside = _inside(
        pictures,
        middle_y - side * height / 2,
        middle_x - side * width / 2,
        middle_y + side * height / 2,
        middle_x + side * width / 2,
    )
    other = draws.permutation(count[0])
    kept = 1.0 - tf.reduce_mean(tf.cast(inside, tf.float32), axis=(1, 2, 3))
    return tf.where(inside, tf.gather(pictures, other), pictures), _mixed(targets, other, kept)


def _mixed(targets: Any, other: Any, share: Any) -> Any:
    share = tf.cast(share, targets.dtype)[:, None]
    return share * targets + (1.0 - share) * tf.gather(targets, other)


def _inside(pictures: Any, top: Any, left: Any, bottom: Any, right: Any) -> Any:
    """Return which pixels' centres are in rectangles, (n, height, width, 1) bool."""
    height, width = pictures.shape[1:3]
    y = tf.range(height, dtype=tf.float32)[None, :, None, None] + 0.5
    x = tf.range(width, dtype=tf.float32)[None, None, :, None] + 0.5
    rows = (y >= per_picture(top)) & (y < per_picture(bottom))
    return rows & (x >= per_picture(left)) & (x < per_picture(right))
