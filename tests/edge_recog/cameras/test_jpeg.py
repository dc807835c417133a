from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.jpeg import MAX_PIXELS, is_fit, jpeg_size

_PICTURE = np.random.default_rng(1).integers(0, 256, (40, 72, 3), dtype=np.uint8)


def encoded(**options: int) -> bytes:
    flags = [part for name, value in options.items() for part in (getattr(cv2, name), value)]
    return bytes(cv2.imencode(".jpg", _PICTURE, flags)[1])


_WHOLE = encoded()


@pytest.mark.parametrize(
    "data",
    [
        _WHOLE,
        encoded(IMWRITE_JPEG_PROGRESSIVE=1),
        encoded(IMWRITE_JPEG_RST_INTERVAL=2),
        encoded(IMWRITE_JPEG_OPTIMIZE=1),
        _WHOLE + b"\r\n\0\0",
        _WHOLE[:2] + b"\xff\xfe\0\x08camera" + _WHOLE[2:],
        _WHOLE[:2] + b"\xff\xff\xff" + _WHOLE[3:],
    ],
    ids=["baseline", "progressive", "restarts", "optimised", "padded", "comment", "fill bytes"],
)
def test_a_whole_picture_tells_its_size(data: bytes) -> None:
    assert jpeg_size(data) == (72, 40)
    assert is_fit(data)


@given(st.integers(0, len(_WHOLE) - 1))
def test_a_picture_that_is_cut_off_is_not_whole(length: int) -> None:
    assert jpeg_size(_WHOLE[:length]) is None


_SCAN = _WHOLE.index(b"\xff\xda") + 20


@given(st.integers(_SCAN, len(_WHOLE) - 10), st.sampled_from([0x01, 0x07, 0x9F, 0xBF, 0xF2]))
def test_a_marker_that_does_not_belong_there_is_damage(at: int, marker: int) -> None:
    damaged = bytearray(_WHOLE)
    damaged[at : at + 2] = bytes((0xFF, marker))

    assert jpeg_size(bytes(damaged)) is None


@given(st.binary(max_size=200), st.integers(0, len(_WHOLE)))
def test_any_bytes_are_judged(junk: bytes, at: int) -> None:
    for data in (junk, b"\xff\xd8" + junk, _WHOLE[:at] + junk + _WHOLE[at:]):
        size = jpeg_size(data)
        assert size is None or min(size) > 0


def resized(width: int, height: int) -> bytes:
    at = _WHOLE.index(b"\xff\xc0") + 5
    return _WHOLE[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + _WHOLE[at + 4 :]


@pytest.mark.parametrize(
    ("width", "height", "fit"),
    [(6000, 4000, True), (6000, 4001, False), (65535, 65535, False), (0, 100, False)],
)
def test_what_promises_too_many_pixels_is_not_decoded(width: int, height: int, fit: bool) -> None:
    assert MAX_PIXELS == 24_000_000
    assert is_fit(resized(width, height)) == fit


def test_without_a_frame_or_a_scan_it_is_no_picture() -> None:
    frame = _WHOLE.index(b"\xff\xc0")
    length: Any = int.from_bytes(_WHOLE[frame + 2 : frame + 4], "big")
    without_frame = _WHOLE[:frame] + _WHOLE[frame + 2 + length :]

    assert jpeg_size(without_frame) is None
    assert jpeg_size(_WHOLE[: _WHOLE.index(b"\xff\xda")] + b"\xff\xd9") is None
    assert jpeg_size(b"\xff\xd8\xff\xd9") is None
