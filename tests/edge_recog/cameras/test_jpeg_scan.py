from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.images import decode_image
from edge_recog.cameras.jpeg import is_fit
from edge_recog.cameras.jpeg_scan import is_made_up, lasts_to_its_end

_NOISE = np.random.default_rng(1).integers(0, 256, (70, 91, 3), dtype=np.uint8)
_GREY = np.full((64, 64, 3), 128, np.uint8)
_WAYS = {
    "baseline": (),
    "restarts": (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "optimised": (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
}
if hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR"):  # Not in OpenCV 4.6, which Debian 12 has.
    _WAYS |= {
        "4:1:1": (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
        "4:4:4": (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    }


def encoded(pixels: np.ndarray, *flags: int) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, flags)[1])


_WHOLE = encoded(_NOISE)
_SCAN = _WHOLE.index(b"\xff\xda") + 14


@pytest.mark.parametrize("flags", _WAYS.values(), ids=_WAYS)
@pytest.mark.parametrize(
    "pixels", [_NOISE, _NOISE[:, :, 0], _GREY, _NOISE[:8, :8]], ids=["noise", "luma", "grey", "one"]
)
def test_a_whole_picture_is_not_made_up(pixels: np.ndarray, flags: tuple[int, ...]) -> None:
    data = encoded(pixels, *flags)

    assert lasts_to_its_end(data)
    assert not is_made_up(data, decode_image(data, where=""))


@given(st.integers(_SCAN, _SCAN + (len(_WHOLE) - _SCAN) * 9 // 10))
def test_a_picture_that_breaks_off_and_is_ended_all_the_same_is_made_up(length: int) -> None:
    # A byte of stuffing must not be parted from its 0xFF, which would make a marker of it.
    data = _WHOLE[:length].rstrip(b"\xff") + b"\xff\xd9"

    assert is_fit(data)
    assert not lasts_to_its_end(data)
    assert is_made_up(data, decode_image(data, where=""))


@pytest.mark.parametrize("way", [way for way in ("restarts", "optimised", "4:1:1") if way in _WAYS])
def test_so_is_one_that_is_coded_otherwise(way: str) -> None:
    whole = encoded(_NOISE, *_WAYS[way])
    data = whole[: len(whole) * 2 // 3].rstrip(b"\xff") + b"\xff\xd9"

    assert is_made_up(data, decode_image(data, where=""))


@given(st.integers(2, len(_WHOLE) - 2), st.binary(min_size=1, max_size=40))
def test_any_bytes_are_judged(at: int, junk: bytes) -> None:
    for data in (_WHOLE[:at] + junk + _WHOLE[at + len(junk) :], _WHOLE[:at] + junk + _WHOLE[at:]):
        if is_fit(data):
            assert lasts_to_its_end(data) in {True, False}
