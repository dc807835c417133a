from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from edge_recog.cameras import open_source
from edge_recog.errors import UsageError


def test_the_size_and_number_of_frames_are_those_asked_for() -> None:
    with open_source("synthetic:64x48?count=3") as source:
        frames = list(source)

    assert [(frame.width, frame.height, frame.index) for frame in frames] == [
        (64, 48, 0),
        (64, 48, 1),
        (64, 48, 2),
    ]
    assert source.length == 3
    assert frames[0].source == "synthetic:64x48"


def test_without_a_size_it_is_that_of_a_small_camera() -> None:
    with open_source("synthetic:") as source:
        frame = next(iter(source))

    assert (frame.width, frame.height) == (640, 480)


def test_the_same_seed_gives_the_same_frames() -> None:
    with open_source("synthetic:64x48?count=2&seed=5") as one:
        first = list(one)
    with open_source("synthetic:64x48?count=2&seed=5") as other:
        second = list(other)

    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left.pixels, right.pixels)


def test_another_seed_gives_other_frames() -> None:
    frames = [next(iter(open_source(f"synthetic:64x48?seed={seed}"))).pixels for seed in (1, 2)]

    assert not np.array_equal(*frames)


def test_the_picture_moves() -> None:
    with open_source("synthetic:64x48?count=2") as source:
        first, second = source

    np.testing.assert_array_equal(np.roll(first.pixels, 4, axis=1), second.pixels)


def test_without_a_count_it_goes_on_until_closed() -> None:
    source = open_source("synthetic:8x8")
    frames = iter(source)

    assert source.length is None
    assert [frame.index for frame in itertools.islice(frames, 20)] == list(range(20))
    source.close()
    assert list(frames) == []


@pytest.mark.parametrize(
    "text",
    [
        "synthetic:640",
        "synthetic:0x10",
        "synthetic:10x0",
        "synthetic:00x10",
        "synthetic:axb",
        "synthetic:99999x10",
    ],
)
def test_what_it_cannot_show_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"write it like synthetic:640x480\?count=100&seed=1"):
        open_source(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("count=many", "count=many must be a whole number from 0 to 999999999"),
        ("count=", "count= must be a whole number"),
        ("count=-1", "count=-1 must be a whole number"),
        ("rate=0", "rate=0 must be a number from 0.1 to 1000"),
        ("fps=5", "no option 'fps'; there are count, seed, rate"),
    ],
)
def test_options_that_are_none_are_refused(options: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(f"synthetic:64x48?{options}")


def test_with_a_rate_it_takes_its_time() -> None:
    with open_source("synthetic:8x8?count=4&rate=200") as source:
        frames = list(source)

    # A busy machine may be late for some.
    assert len(frames) + source.skipped["late"] == 4
    taken = [frame.captured_ns for frame in frames]
    assert taken[-1] - taken[0] >= (frames[-1].index - 1) * 5_000_000


def test_closing_ends_the_wait_for_a_frame() -> None:
    source = open_source("synthetic:8x8?rate=0.1")
    frames = iter(source)
    next(frames)
    timer = threading.Timer(0, source.close)
    timer.start()

    assert list(frames) == []
    timer.join()
