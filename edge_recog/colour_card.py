"""A synthetic frame that no wrong feeding leaves unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def colour_card(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return a synthetic frame that no wrong feeding leaves unchanged: (height, width, 3) RGB.

    Colour bars, a horizontal and a vertical ramp and a coarse random pattern, so that channel
    order, crop, orientation, interpolation and normalisation all show.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    card = np.empty((height, width, 3), np.uint8)
    card[..., 0] = columns * 255 // max(1, width - 1)
    card[..., 1] = rows * 255 // max(1, height - 1)
    card[..., 2] = 255 * ((columns * 8 // width) & 1)
    tiles = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    middle = np.s_[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4]
    card[middle] = tiles[rows[middle] * 4 // height % 4, columns[middle] * 4 // width % 4]
    return card
