from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.frames import Frame
from edge_recog.masks import Region, cropped, masked

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WHOLE = Region(x=0.0, y=0.0, width=1.0, height=1.0)


def white(height: int, width: int) -> Frame:
    pixels = np.full((height, width, 3), 255, np.uint8)
    return Frame.from_rgb(pixels, captured_ns=7, index=3, source="kitchen")


@st.composite
def regions(draw: st.DrawFn) -> Region:
    x, y = draw(st.floats(0, 0.999)), draw(st.floats(0, 0.999))
    width, height = draw(st.floats(1e-6, 1)), draw(st.floats(1e-6, 1))
    return Region(x=x, y=y, width=min(width, 1 - x), height=min(height, 1 - y))


def test_a_crop_is_the_part_of_the_picture(noise: Callable[..., NDArray[np.uint8]]) -> None:
    pixels = noise(10, 20)
    part = cropped(Frame.from_rgb(pixels), Region(x=0.25, y=0.2, width=0.5, height=0.6))

    np.testing.assert_array_equal(part.pixels, pixels[2:8, 5:15])


def test_a_crop_does_not_copy() -> None:
    frame = white(8, 8)

    assert np.shares_memory(cropped(frame, WHOLE).pixels, frame.pixels)


def test_a_mask_is_black_and_nothing_else_is() -> None:
    shown = masked(white(10, 20), [Region(x=0.5, y=0.0, width=0.5, height=0.5)])

    assert not shown.pixels[:5, 10:].any()
    assert shown.pixels.sum() == 255 * 3 * 150


def test_every_pixel_that_a_mask_touches_is_black() -> None:
    shown = masked(white(10, 10), [Region(x=0.11, y=0.19, width=0.1, height=0.02)])

    assert np.argwhere(shown.pixels[..., 0] == 0).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_several_masks_are_all_put_on() -> None:
    left = Region(x=0.0, y=0.0, width=0.5, height=1.0)
    right = Region(x=0.5, y=0.0, width=0.5, height=1.0)

    assert not masked(white(4, 4), [left, right]).pixels.any()


def test_masking_leaves_the_frame_itself_alone() -> None:
    frame = white(4, 4)
    masked(frame, [WHOLE])

    assert frame.pixels.all()


def test_without_masks_there_is_no_copy() -> None:
    frame = white(4, 4)

    assert masked(frame, ()) is frame


@pytest.mark.parametrize(
    "change",
    [lambda frame: cropped(frame, WHOLE), lambda frame: masked(frame, [WHOLE])],
    ids=["crop", "mask"],
)
def test_index_time_and_source_stay(change: Callable[[Frame], Frame]) -> None:
    frame = change(white(4, 4))

    assert (frame.captured_ns, frame.index, frame.source) == (7, 3, "kitchen")


@settings(derandomize=True, deadline=None)
@given(regions(), st.integers(1, 40), st.integers(1, 40))
def test_every_region_has_pixels_in_every_picture(region: Region, height: int, width: int) -> None:
    frame = white(height, width)
    part = cropped(frame, region)
    black = np.argwhere(masked(frame, [region]).pixels[..., 0] == 0)

    assert 1 <= part.height <= height
    assert 1 <= part.width <= width
    assert abs(part.width - region.width * width) <= 1
    assert abs(part.height - region.height * height) <= 1
    # Privacy is on the safe side: no pixel that the region touches is left.
    assert black[:, 0].min() <= region.y * height
    assert black[:, 0].max() + 1 >= min((region.y + region.height) * height, height)
    assert black[:, 1].min() <= region.x * width
    assert black[:, 1].max() + 1 >= min((region.x + region.width) * width, width)


def test_shares_that_were_computed_may_be_off_by_a_rounding() -> None:
    assert Region(x=0.1 + 0.2, y=0.0, width=0.7, height=1.0).width == 0.7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x": -0.1}, "x is -0.1"),
        ({"y": math.nan}, "y is nan"),
        ({"width": 0.0}, "width is 0.0"),
        ({"height": 1.1}, "height is 1.1"),
        ({"x": 0.6, "width": 0.5}, r"width is 0.5; .* x \+ width at most 1"),
        ({"y": 1.0, "height": 0.5}, "height is 0.5"),
    ],
    ids=["left of it", "no number", "no area", "too high", "beyond", "below it"],
)
def test_what_is_not_within_the_picture_is_refused(values: dict[str, Any], message: str) -> None:
    document = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0} | values

    with pytest.raises(ValueError, match=message):
        Region(**document)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Region)
