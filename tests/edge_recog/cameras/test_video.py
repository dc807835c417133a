from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_recog.cameras import open_source
from edge_recog.cameras.video import VideoSource
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Return a video of four frames, each of one colour."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
    for colour in COLOURS:
        writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    return path


def test_a_video_is_a_source_of_rgb_frames(clip: Path) -> None:
    with open_source(clip) as source:
        assert (source.name, source.length) == (str(clip), 4)
        frames = list(source)

    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert (frame.height, frame.width) == (48, 64)
        assert frame.source == str(clip)
        np.testing.assert_allclose(frame.pixels[24, 32], colour, atol=12)


def test_the_recorded_camera_is_read_to_its_end(shared_data: Path) -> None:
    path = shared_data / "camera_clip" / "clothing_640x480_15fps.mp4"
    with open_source(path) as source:
        assert source.length == 400
        sizes = [(frame.width, frame.height) for frame in source]

    assert sizes == [(640, 480)] * 400


def test_a_closed_video_yields_no_more(clip: Path) -> None:
    source = VideoSource(str(clip), {})
    frames = iter(source)
    next(frames)
    source.close()
    source.close()

    assert list(frames) == []


def test_a_video_closed_before_its_first_frame_is_no_broken_one(clip: Path) -> None:
    source = VideoSource(str(clip), {})
    source.close()

    assert list(source) == []


@pytest.mark.parametrize("content", [b"", b"no video at all"], ids=["empty", "text"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"broken\.mp4: not a video that OpenCV can decode"):
        open_source(path)


def test_a_video_without_a_frame_is_refused(clip: Path) -> None:
    data = clip.read_bytes()
    # Frames are chunks called 00dc in the list called movi.
    clip.write_bytes(data.replace(b"00dc", b"JUNK"))

    with pytest.raises(SourceError, match=r"clip\.avi: "), open_source(clip) as source:
        list(source)


def test_a_video_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.mp4: no such file"):
        VideoSource(str(tmp_path / "none.mp4"), {})
