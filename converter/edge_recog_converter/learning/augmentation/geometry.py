"""Mirroring, and all that moves pixels linearly: rotation, zoom and translation.

Those are matrices: neighbouring ones in a recipe are multiplied, so that pictures are sampled once
and not blurred by each. What lies outside is the picture mirrored at its edges.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.learning.augmentation.draws import count_of
from edge_recog_converter.learning.augmentation.sections import Rotation, Translation, Zoom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_converter.learning.augmentation.draws import Draws
    from edge_recog_converter.learning.augmentation.sections import Flip

Linear = Rotation | Zoom | Translation


def flip(pictures: Any, section: Flip, draws: Draws) -> Any:
    """Mirror some of the pictures."""
    for axis, wanted in ((2, section.horizontal), (1, section.vertical)):
        if wanted:
            chosen = draws.uniform(count_of(pictures)) < section.p
            mirrored = tf.reverse(pictures, [axis])
            pictures = tf.where(chosen[:, None, None, None], mirrored, pictures)
    return pictures


def move(pictures: Any, sections: Sequence[Any], draws: Draws) -> Any:
    """Apply rotations, zooms and translations (`Linear`) by one sampling."""
    matrices = tf.eye(3, batch_shape=count_of(pictures))
    for section in sections:
        matrices = matrices @ _drawn(section, pictures, draws)
    return sampled(pictures, matrices)


def sampled(pictures: Any, matrices: Any) -> Any:
    """Return pictures sampled linearly at `matrix @ (x, y, 1)`.

    Args:
        pictures: (n, height, width, channels).
        matrices: (n, 3, 3), from a place in the result to one in the picture; x to the right and y
            down, in pixels, from the picture's centre.
    """
    height, width = pictures.shape[1:3]
    centre = tf.constant([[1.0, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    matrices = centre @ matrices @ tf.linalg.inv(centre)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=tf.reshape(matrices, (-1, 9))[:, :8],
        output_shape=(height, width),
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def rotations(radians: Any) -> Any:
    """Return the matrices (n, 3, 3) that turn pictures to the left by angles (n,)."""
    cos, sin = tf.cos(radians), tf.sin(radians)
    return _matrices(cos, -sin, 0.0, sin, cos, 0.0)


def shears(x: Any, y: Any) -> Any:
    """Return the matrices that shift rows by `x` a row and columns by `y` a column."""
    return _matrices(1.0, x, 0.0, y, 1.0, 0.0)


def translations(x: Any, y: Any) -> Any:
    """Return the matrices that shift pictures to the left by `x` and up by `y` pixels."""
    return _matrices(1.0, 0.0, x, 0.0, 1.0, y)


def _drawn(section: Linear, pictures: Any, draws: Draws) -> Any:
    count = count_of(pictures)
    height, width = pictures.shape[1:3]
    applied = tf.cast(draws.uniform(count) < section.p, tf.float32)
    match section:
        case Rotation():
            return rotations(applied * math.radians(section.degrees) * draws.uniform(count, -1.0))
        case Zoom():
            # Uniform in the logarithm: half and double are equally far from 1.
            low, high = map(math.log, section.factor)
            scale = tf.exp(-applied * draws.uniform(count, low, high))
            return _matrices(scale, 0.0, 0.0, 0.0, scale, 0.0)
        case Translation():
            return translations(
                applied * section.width * width * draws.uniform(count, -1.0),
                applied * section.height * height * draws.uniform(count, -1.0),
            )


def _matrices(*entries: Any) -> Any:
    """Return (n, 3, 3) of the first two rows' six entries, each (n,) or a number."""
    count = next(tf.shape(entry) for entry in entries if tf.is_tensor(entry))
    rows = [tf.broadcast_to(entry, count) for entry in (*entries, 0.0, 0.0, 1.0)]
    return tf.reshape(tf.stack(rows, axis=1), (-1, 3, 3))
