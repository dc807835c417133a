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
    # Ramps of 16 steps rather than 256: as telling, and they compress.
    card[..., 0] = 17 * (columns * 16 // width)
    card[..., 1] = 17 * (rows * 16 // height)
    card[..., 2] = 255 * ((columns * 8 // width) & 1)
    tiles = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    middle = np.s_[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4]
    card[middle] = tiles[rows[middle] * 4 // height % 4, columns[middle] * 4 // width % 4]
    return card


def golden_cards() -> tuple[NDArray[np.uint8], ...]:
    """Return cards of several sizes and shapes, for golden vectors where no pictures are given."""
    sizes = ((180, 240), (60, 80), (90, 48), (64, 64))
    return tuple(colour_card(height, width, seed) for seed, (height, width) in enumerate(sizes))
