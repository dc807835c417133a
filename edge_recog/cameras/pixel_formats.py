"""Pictures as libcamera lays them out in memory, and as RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Layout:
    """How a picture lies in memory."""

    format: str
    """By the name that libcamera, after DRM, gives it: one of `FORMATS`."""
    width: int
    height: int
    """In pixels."""
    stride: int
    """Bytes from one row to the next, of the first plane; at least those of a row."""


_CHANNELS: Final[Mapping[str, tuple[int, str]]] = {
    # DRM names the bytes of a little-endian word, so in memory they are the other way round.
    "RGB888": (3, "COLOR_BGR2RGB"),
    "BGR888": (3, ""),
    "XRGB8888": (4, "COLOR_BGRA2RGB"),
    "XBGR8888": (4, "COLOR_RGBA2RGB"),
}
"""Format → bytes a pixel, and OpenCV's conversion."""
_PLANAR: Final[Mapping[str, str]] = {
    "YUV420": "COLOR_YUV2RGB_I420",
    "YVU420": "COLOR_YUV2RGB_YV12",
    "NV12": "COLOR_YUV2RGB_NV12",
    "NV21": "COLOR_YUV2RGB_NV21",
}
"""Format → OpenCV's conversion: ITU-R BT.601, luma from 16 to 235."""

FORMATS: Final = (*_CHANNELS, *_PLANAR)


def to_rgb(data: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    """Return a picture as (height, width, 3) RGB, in memory of its own.

    Args:
        data: The bytes of the picture, in one dimension; more than it needs are left out.
        layout: How they lie.

    Raises:
        SourceError: The format is not known, or there are too few bytes.
    """
    import cv2

    if layout.format in _PLANAR:
        if layout.stride % 2 or layout.height % 2:
            raise SourceError(
                f"a picture of {layout.width}x{layout.height} {layout.format} has odd sides"
            )
        # Below the rows of luma lie half as many of colour. Padding is converted along, and cut
        # off then: OpenCV knows of no stride.
        table = _table(data, layout, layout.height * 3 // 2, layout.width)
        rgb = cv2.cvtColor(table, getattr(cv2, _PLANAR[layout.format]))
        return np.ascontiguousarray(rgb[:, : layout.width], np.uint8)
    if layout.format not in _CHANNELS:
        raise SourceError(f"the format {layout.format} cannot be read: take {', '.join(FORMATS)}")
    channels, conversion = _CHANNELS[layout.format]
    table = _table(data, layout, layout.height, layout.width * channels)
    picture = table[:, : layout.width * channels].reshape(layout.height, layout.width, channels)
    if not conversion:
        return np.array(picture, np.uint8)
    return np.asarray(cv2.cvtColor(picture, getattr(cv2, conversion)), np.uint8)


def _table(data: NDArray[np.uint8], layout: Layout, rows: int, row_bytes: int) -> NDArray[np.uint8]:
    """Return the bytes in rows, padding included.

    Raises:
        SourceError: There are too few, or the rows are too short.
    """
    needed = rows * layout.stride
    if layout.stride < row_bytes or data.size < needed:
        raise SourceError(
            f"a picture of {layout.width}x{layout.height} {layout.format} in rows of "
            f"{layout.stride} bytes needs {needed} bytes, and {row_bytes} a row; "
            f"there are {data.size}"
        )
    return data[:needed].reshape(rows, layout.stride)
