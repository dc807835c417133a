"""Frames in a size that was asked for, of cameras that know but one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scaled(pixels: NDArray[np.uint8], width: int | None, height: int | None) -> NDArray[np.uint8]:
    """Return a picture in another size.

    Args:
        pixels: (height, width, 3) uint8.
        width: In pixels; if None, in proportion to the height.
        height: In pixels; if None, in proportion to the width. As it is if both are None.
    """
    import cv2

    rows, columns = pixels.shape[:2]
    if width is None and height is None:
        return pixels
    if width is None:
        width = max(1, round(columns * (height or rows) / rows))
    if height is None:
        height = max(1, round(rows * width / columns))
    if (rows, columns) == (height, width):
        return pixels
    smaller = height <= rows and width <= columns
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)
