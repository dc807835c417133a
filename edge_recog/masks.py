"""Parts of the picture: the one that is looked at, and those that nobody may see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ROUNDING = 1e-9
"""Shares that were computed, such as 0.1 + 0.2, may be off by less than this."""


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rectangle, in shares of the picture, so that it fits every resolution."""

    x: float
    """Left edge, from the picture's left, 0-1."""
    y: float
    """Upper edge, from the picture's top, 0-1."""
    width: float
    """Above 0; `x` + `width` is at most 1."""
    height: float
    """Above 0; `y` + `height` is at most 1."""

    def __post_init__(self) -> None:
        """Check that the rectangle lies within the picture.

        Raises:
            ValueError: It does not, or has no area.
        """
        for edge, size in (("x", "width"), ("y", "height")):
            start, length = getattr(self, edge), getattr(self, size)
            if not 0 <= start <= 1:
                raise ValueError(f"{edge} is {start}; it must be from 0 to 1")
            if not 0 < length <= 1 - start + _ROUNDING:
                raise ValueError(
                    f"{size} is {length}; it must be above 0, and {edge} + {size} at most 1"
                )


def cropped(frame: Frame, roi: Region) -> Frame:
    """Return the part of a frame, at least one pixel, without copying; index and time stay."""
    columns = _nearest(roi.x, roi.width, frame.width)
    rows = _nearest(roi.y, roi.height, frame.height)
    return _like(frame, frame.pixels[rows, columns])


def masked(frame: Frame, masks: Sequence[Region]) -> Frame:
    """Return a copy that is black wherever a mask touches a pixel; the frame itself without masks.

    Index and capture time stay.
    """
    if not masks:
        return frame
    pixels = np.array(frame.pixels)
    for mask in masks:
        columns = _covering(mask.x, mask.width, frame.width)
        rows = _covering(mask.y, mask.height, frame.height)
        pixels[rows, columns] = 0
    return _like(frame, pixels)


def _nearest(start: float, length: float, size: int) -> slice:
    """Return the pixels nearest to a span of shares."""
    first = min(round(start * size), size - 1)
    return slice(first, max(round((start + length) * size), first + 1))


def _covering(start: float, length: float, size: int) -> slice:
    """Return every pixel that a span of shares touches."""
    first = min(math.floor(start * size), size - 1)
    return slice(first, max(math.ceil((start + length) * size), first + 1))


def _like(frame: Frame, pixels: NDArray[np.uint8]) -> Frame:
    return Frame(pixels, frame.captured_ns, frame.index, frame.source)
