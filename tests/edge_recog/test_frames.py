from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest

from edge_recog.errors import FrameError
from edge_recog.frames import Frame


def test_a_frame_has_the_size_of_its_pixels() -> None:
    frame = Frame.from_rgb(np.zeros((2, 5, 3), np.uint8))

    assert (frame.height, frame.width) == (2, 5)


def test_from_rgb_does_not_copy() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)

    assert np.shares_memory(Frame.from_rgb(pixels).pixels, pixels)


def test_pixels_are_read_only() -> None:
    frame = Frame.from_rgb(np.zeros((2, 2, 3), np.uint8))

    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 1


def test_the_callers_array_stays_writable() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    Frame.from_rgb(pixels)
    pixels[0, 0] = 1

    assert pixels.flags.writeable


@pytest.mark.parametrize("step", [1, -1], ids=["in memory order", "upside down"])
def test_from_bgr_swaps_red_and_blue(step: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 3), dtype=np.uint8)[::step]

    np.testing.assert_array_equal(Frame.from_bgr(pixels).pixels, pixels[..., ::-1])


@pytest.mark.parametrize("make", [Frame.from_rgb, Frame.from_bgr], ids=["RGB", "BGR"])
@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        ([[[0, 0, 0]]], "needs a NumPy array of pixels, not list"),
        (None, "not NoneType"),
        (np.zeros((2, 2, 3), np.float32), "needs uint8 pixels from 0 to 255, not float32"),
        (np.zeros((2, 2, 3), np.int8), "not int8"),
        (np.zeros((2, 2), np.uint8), r"shape \(height, width, 3\), not \(2, 2\)"),
        (np.zeros((2, 2, 1), np.uint8), r"not \(2, 2, 1\)"),
        (np.zeros((2, 2, 4), np.uint8), r"not \(2, 2, 4\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"not \(1, 2, 2, 3\)"),
        (np.zeros((0, 2, 3), np.uint8), r"not \(0, 2, 3\)"),
        (np.zeros((2, 0, 3), np.uint8), r"not \(2, 0, 3\)"),
    ],
    ids=[
        "list",
        "None",
        "float32",
        "int8",
        "grey",
        "one channel",
        "alpha",
        "batch",
        "no rows",
        "no columns",
    ],
)
def test_what_is_no_rgb_picture_is_refused(make: Any, pixels: Any, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        make(pixels)


def test_a_frame_is_stamped_with_the_monotonic_clock() -> None:
    before = time.monotonic_ns()
    frame = Frame.from_rgb(np.zeros((1, 1, 3), np.uint8))

    assert before <= frame.captured_ns <= time.monotonic_ns()


@pytest.mark.parametrize("make", [Frame.from_rgb, Frame.from_bgr], ids=["RGB", "BGR"])
def test_a_frame_keeps_what_is_said_of_it(make: Any) -> None:
    frame = make(np.zeros((1, 1, 3), np.uint8), captured_ns=7, index=3, source="kitchen")

    assert (frame.captured_ns, frame.index, frame.source) == (7, 3, "kitchen")


def test_a_frame_cannot_be_changed() -> None:
    frame = Frame.from_rgb(np.zeros((1, 1, 3), np.uint8))

    with pytest.raises(AttributeError):
        frame.index = 1  # type: ignore[misc]


def test_opencv_takes_the_pixels_of_a_mirrored_view() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    frame = Frame.from_rgb(pixels[:, ::-1])

    resized = cv2.resize(frame.pixels, (3, 3), interpolation=cv2.INTER_NEAREST)

    np.testing.assert_array_equal(
        resized, cv2.resize(np.ascontiguousarray(pixels[:, ::-1]), (3, 3), interpolation=0)
    )
