"""What lenses, shutters, sensors and encoders of real cameras do to a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.learning.augmentation.draws import clipped, count_of, per_picture

if TYPE_CHECKING:
    from edge_recog_converter.learning.augmentation.draws import Draws
    from edge_recog_converter.learning.augmentation.sections import (
        Defocus,
        Jpeg,
        LowLight,
        MotionBlur,
    )


def motion_blur(pictures: Any, section: MotionBlur, draws: Draws) -> Any:
    """Smear pictures along a line of random length and direction."""
    count = count_of(pictures)
    length = per_picture(draws.uniform(count, *section.length))[..., 0]
    angle = per_picture(draws.uniform(count, 0.0, math.pi))[..., 0]
    x, y = _kernel_grid(section.length[1] / 2)
    along = tf.abs(x * tf.cos(angle) + y * tf.sin(angle))
    across = tf.abs(y * tf.cos(angle) - x * tf.sin(angle))
    inside = tf.clip_by_value((length + 1.0) / 2 - along, 0.0, 1.0)
    return _blurred(pictures, inside * tf.maximum(1.0 - across, 0.0))


def defocus(pictures: Any, section: Defocus, draws: Draws) -> Any:
    """Turn each point into a disk of random radius: the circle of confusion of a round aperture."""
    radius = per_picture(draws.uniform(count_of(pictures), *section.radius))[..., 0]
    x, y = _kernel_grid(section.radius[1])
    return _blurred(pictures, tf.clip_by_value(radius + 0.5 - tf.sqrt(x * x + y * y), 0.0, 1.0))


def low_light(pictures: Any, section: LowLight, draws: Draws) -> Any:
    """Darken, then add shot noise and read noise.

    Their variance is `a * light + b`: the Poissonian-Gaussian model of Foi et al., "Practical
    Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP 17 (2008),
    with the Poisson part as a normal one of the same variance.
    """
    gain = draws.uniform(count_of(pictures), *section.gain)
    dark = pictures * per_picture(gain)
    deviation = tf.sqrt(section.shot**2 / 255.0 * dark + section.read**2)
    return clipped(dark + deviation * draws.normal(tf.shape(pictures)))


def jpeg(pictures: Any, section: Jpeg, draws: Draws) -> Any:
    """Compress each picture with a random quality, by libjpeg, and decode it again."""
    channels = pictures.shape[-1]

    def compress(one: tuple[Any, Any]) -> Any:
        encoded = tf.raw_ops.EncodeJpegVariableQuality(images=one[0], quality=one[1])
        return tf.io.decode_jpeg(encoded, channels=channels)

    pixels = tf.cast(tf.round(pictures), tf.uint8)
    qualities = draws.integers(count_of(pictures), *section.quality)
    decoded = tf.map_fn(compress, (pixels, qualities), fn_output_signature=tf.uint8)
    return tf.ensure_shape(tf.cast(decoded, tf.float32), pictures.shape)


def _kernel_grid(reach: float) -> tuple[Any, Any]:
    """Return x and y of a kernel's places, each (1, side, side), for a `reach` in pixels."""
    half = math.ceil(reach)
    steps = tf.range(-half, half + 1, dtype=tf.float32)
    return steps[None, None, :], steps[None, :, None]


def _blurred(pictures: Any, kernels: Any) -> Any:
    """Return each picture averaged over its own kernel, in linear light.

    Light, not pixel values, adds up in a sensor: highlights spread. A pixel's light is taken as its
    square (sRGB's exponent is about 2.2). Edges are mirrored. All pictures are the channels of one
    depthwise convolution: on CPUs the fastest of four ways that were measured.

    Args:
        pictures: (n, height, width, channels).
        kernels: (n, side, side), of any sum.
    """
    height, width, channels = pictures.shape[1:]
    side = kernels.shape[1]
    half = side // 2
    kernels = kernels / tf.reduce_sum(kernels, axis=(1, 2), keepdims=True)
    filters = tf.repeat(tf.transpose(kernels, (1, 2, 0)), channels, axis=2)[..., None]
    padded = tf.pad(pictures * pictures, [[0, 0], [half, half], [half, half], [0, 0]], "REFLECT")
    stacked = tf.reshape(
        tf.transpose(padded, (1, 2, 0, 3)), (1, height + 2 * half, width + 2 * half, -1)
    )
    light = tf.nn.depthwise_conv2d(stacked, filters, (1, 1, 1, 1), "VALID")
    light = tf.transpose(tf.reshape(light, (height, width, -1, channels)), (2, 0, 1, 3))
    return clipped(tf.sqrt(tf.maximum(light, 0.0)))
