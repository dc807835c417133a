"""Contrast, brightness and the colour of the light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.learning.augmentation.draws import clipped, count_of, per_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog_converter.learning.augmentation.draws import Draws
    from edge_recog_converter.learning.augmentation.sections import (
        Brightness,
        Contrast,
        WhiteBalance,
    )

BALANCED_KELVIN = 6500.0
_TEMPERATURES = 64
"""How many of a range are tried."""
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Of linear sRGB; IEC 61966-2-1."""
_TO_SRGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)
"""From CIE XYZ to linear sRGB; IEC 61966-2-1."""


def contrast(pictures: Any, section: Contrast, draws: Draws) -> Any:
    """Scale the distance to each picture's mean colour."""
    factor = draws.uniform(count_of(pictures), 1.0 - section.factor, 1.0 + section.factor)
    mean = tf.reduce_mean(pictures, axis=(1, 2), keepdims=True)
    return clipped(mean + per_picture(factor) * (pictures - mean))


def brightness(pictures: Any, section: Brightness, draws: Draws) -> Any:
    """Expose pictures for longer or shorter; what becomes too bright is cut off at 255."""
    gain = draws.uniform(count_of(pictures), 1.0 - section.factor, 1.0 + section.factor)
    return clipped(pictures * per_picture(gain))


def white_balance(pictures: Any, section: WhiteBalance, draws: Draws) -> Any:
    """Show pictures in light of another colour, as bright as before."""
    count = count_of(pictures)
    # Temperatures evenly spaced in 1 / T, as the eye sees them.
    low, high = section.kelvin
    gains = light_gains(1.0 / np.linspace(1.0 / low, 1.0 / high, _TEMPERATURES))
    drawn = tf.gather(tf.constant(gains, tf.float32), draws.integers(count, 0, _TEMPERATURES - 1))
    green = draws.uniform(count, 1.0 - section.tint, 1.0 + section.tint)
    tinted = drawn * tf.stack([tf.ones_like(green), green, tf.ones_like(green)], axis=1)
    return clipped(pictures * tinted[:, None, None, :])


def light_gains(kelvin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gains of red, green and blue pixels in light of colour temperatures.

    The Planckian locus by Kim et al., US patent 7024034; the same luminance for all; pixels are
    about the square root of light, so the gains are too.

    Args:
        kelvin: (n,), 1667 to 25000.

    Returns:
        (n, 3), 1 at `BALANCED_KELVIN`.
    """
    light = _planckian_rgb(kelvin) / _planckian_rgb(np.array([BALANCED_KELVIN]))
    light /= (light @ _LUMINANCE)[:, None]
    return np.sqrt(light)


def _planckian_rgb(kelvin: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.where(
        kelvin < 4000,
        np.polyval([-0.2661239e9, -0.2343589e6, 0.8776956e3, 0.179910], 1 / kelvin),
        np.polyval([-3.0258469e9, 2.1070379e6, 0.2226347e3, 0.240390], 1 / kelvin),
    )
    y = np.select(
        [kelvin < 2222, kelvin < 4000],
        [
            np.polyval([-1.1063814, -1.34811020, 2.18555832, -0.20219683], x),
            np.polyval([-0.9549476, -1.37418593, 2.09137015, -0.16748867], x),
        ],
        np.polyval([3.0817580, -5.87338670, 3.75112997, -0.37001483], x),
    )
    xyz = np.stack([x / y, np.ones_like(y), (1 - x - y) / y], axis=1)
    return np.asarray(xyz @ _TO_SRGB.T)
