from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.pixel_formats import FORMATS, Layout, to_rgb
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_PADDING = 0xAA


def padded(rows: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Return rows of bytes with others behind each, up to the stride."""
    table = np.full((len(rows), stride), _PADDING, np.uint8)
    table[:, : rows.shape[1]] = rows
    return table.ravel()


def in_memory(rgb: NDArray[np.uint8], kind: str, stride: int) -> NDArray[np.uint8]:
    """Lay out a picture as libcamera does; colours of YUV are of pairs of rows and columns."""
    height, width = rgb.shape[:2]
    orders = {
        "RGB888": [2, 1, 0],
        "BGR888": [0, 1, 2],
        "XRGB8888": [2, 1, 0],
        "XBGR8888": [0, 1, 2],
    }
    if kind in orders:
        picture = rgb[..., orders[kind]]
        if kind.startswith("X"):
            picture = np.dstack([picture, np.full((height, width), 255, np.uint8)])
        return padded(picture.reshape(height, -1), stride)
    planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).ravel()
    luma = planes[: height * width].reshape(height, width)
    u, v = planes[height * width :].reshape(2, height // 2, width // 2)
    if kind in {"NV12", "NV21"}:
        pair = np.dstack([u, v] if kind == "NV12" else [v, u]).reshape(height // 2, width)
        return np.concatenate([padded(luma, stride), padded(pair, stride)])
    first, second = (u, v) if kind == "YUV420" else (v, u)
    return np.concatenate(
        [padded(luma, stride), padded(first, stride // 2), padded(second, stride // 2)]
    )


@pytest.mark.parametrize("padding", [0, 32], ids=["tight", "padded"])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_becomes_the_same_rgb(kind: str, padding: int) -> None:
    rgb = np.zeros((8, 12, 3), np.uint8)
    rgb[:4, :6], rgb[:4, 6:], rgb[4:, :6], rgb[4:, 6:] = (
        (200, 30, 30),
        (30, 200, 30),
        (30, 30, 200),
        (90, 90, 90),
    )
    row_bytes = 12 * (4 if kind.startswith("X") else 3 if kind.endswith("888") else 1)
    stride = row_bytes + padding
    tail = np.full(100, _PADDING, np.uint8)
    data = np.concatenate([in_memory(rgb, kind, stride), tail])

    found = to_rgb(data, Layout(kind, 12, 8, stride))

    assert found.shape == (8, 12, 3)
    np.testing.assert_allclose(found.astype(int), rgb, atol=4 if "8888" not in kind else 0)


def test_the_result_does_not_share_memory_with_the_buffer() -> None:
    data = np.zeros(8 * 12 * 3, np.uint8)
    for kind in ("BGR888", "RGB888"):
        assert not np.shares_memory(to_rgb(data, Layout(kind, 12, 8, 36)), data)


@pytest.mark.parametrize(
    ("layout", "size", "message"),
    [
        (Layout("MJPEG", 12, 8, 12), 999, "the format MJPEG cannot be read: take RGB888"),
        (Layout("RGB888", 12, 8, 36), 8 * 36 - 1, "needs 288 bytes, and 36 a row; there are 287"),
        (Layout("RGB888", 12, 8, 35), 999, "in rows of 35 bytes needs"),
        (Layout("NV12", 12, 8, 12), 143, "needs 144 bytes"),
        (Layout("NV12", 12, 7, 12), 999, "12x7 NV12 has odd sides"),
        (Layout("YUV420", 11, 8, 11), 999, "11x8 YUV420 has odd sides"),
    ],
)
def test_what_does_not_fit_is_refused(layout: Layout, size: int, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        to_rgb(np.zeros(size, np.uint8), layout)


@given(
    st.sampled_from([*FORMATS, "R8"]),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 100),
    st.integers(0, 3000),
)
def test_any_layout_is_read_or_refused(
    kind: str, width: int, height: int, stride: int, size: int
) -> None:
    try:
        found = to_rgb(np.zeros(size, np.uint8), Layout(kind, width, height, stride))
    except SourceError:
        return
    assert found.shape == (height, width, 3)


def test_a_wrong_stride_would_be_seen(noise: Callable[..., NDArray[np.uint8]]) -> None:
    rgb = noise(8, 12)
    data = in_memory(rgb, "RGB888", 48)

    assert not np.array_equal(to_rgb(data, Layout("RGB888", 12, 8, 36)), rgb)
    np.testing.assert_array_equal(to_rgb(data, Layout("RGB888", 12, 8, 48)), rgb)
