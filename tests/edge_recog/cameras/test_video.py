from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_recog.cameras import open_source, pacing
from edge_recog.cameras.capture import Capture
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


def test_a_video_may_be_played_again_and_again(clip: Path) -> None:
    with open_source(f"file:{clip}?loop=1") as source:
        frames = list(itertools.islice(source, 10))

    assert source.length is None
    assert [frame.index for frame in frames] == list(range(10))
    for first, again in zip(frames, frames[4:], strict=False):
        np.testing.assert_array_equal(first.pixels, again.pixels)


def test_a_video_that_is_gone_when_it_begins_anew_is_an_error(clip: Path) -> None:
    with open_source(f"file:{clip}?loop=1") as source:
        frames = iter(source)
        next(frames)
        clip.unlink()
        with pytest.raises(SourceError, match=r"clip\.avi: not a video"):
            list(itertools.islice(frames, 10))


class Clock:
    """Time that passes only while it is waited for, and while frames are used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 1_000
        self.waited_ms: list[int] = []
        monkeypatch.setattr(pacing.time, "monotonic_ns", lambda: self.now_ns)
        make = pacing.Pace.__init__

        def make_with_clock(pace: Any, rate: float, closed: threading.Event) -> None:
            monkeypatch.setattr(closed, "wait", self.wait)
            make(pace, rate, closed, lambda: self.now_ns)

        monkeypatch.setattr(pacing.Pace, "__init__", make_with_clock)

    def wait(self, timeout: float) -> bool:
        self.waited_ms.append(round(timeout * 1000))
        self.now_ns += round(timeout * 1e9)
        return False


@pytest.mark.parametrize(
    ("options", "period_ms"),
    [("realtime=1", 200), ("rate=10", 100), ("realtime=1&rate=10", 100)],
)
def test_like_a_camera_a_video_has_a_pace(
    clip: Path, monkeypatch: pytest.MonkeyPatch, options: str, period_ms: int
) -> None:
    clock = Clock(monkeypatch)
    with open_source(f"file:{clip}?{options}") as source:
        taken = [frame.captured_ns for frame in source]

    assert clock.waited_ms == [period_ms] * 3
    assert np.diff(taken).tolist() == [period_ms * 1_000_000] * 3


def test_like_a_camera_a_video_does_not_wait_for_who_is_slow(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    seen = []
    with open_source(f"file:{clip}?realtime=1") as source:
        for frame in source:
            seen.append(frame.index)
            clock.now_ns += 450_000_000

    # After 450 ms the frame of 200 ms is late, and that of 400 ms is not.
    assert seen == [0, 2]
    assert source.skipped["late"] == 2


def test_closing_ends_the_wait_for_a_frame(clip: Path) -> None:
    source = open_source(f"file:{clip}?rate=0.1")
    frames = iter(source)
    next(frames)
    timer = threading.Timer(0, source.close)
    timer.start()

    assert list(frames) == []
    timer.join()


def test_a_video_that_does_not_tell_its_rate_is_refused(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = Capture.get

    def get_no_rate(self: Capture, what: int) -> float:
        return float("nan") if what == cv2.CAP_PROP_FPS else get(self, what)

    monkeypatch.setattr(Capture, "get", get_no_rate)

    with pytest.raises(SourceError, match="does not tell its frame rate; add &rate=15"):
        open_source(f"file:{clip}?realtime=1")
    open_source(f"file:{clip}?rate=15").close()


def test_frames_are_scaled_if_that_is_asked_for(clip: Path) -> None:
    with open_source(f"file:{clip}?width=32") as source:
        frame = next(iter(source))

    assert (frame.width, frame.height) == (32, 24)


def test_a_file_is_never_taken_for_an_address(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip.rename(tmp_path / "concat:clip.avi")

    with open_source("file:concat:clip.avi") as source:
        assert len(list(source)) == 4


def test_the_recorded_camera_is_played_at_its_own_pace(shared_data: Path) -> None:
    path = shared_data / "camera_clip" / "clothing_640x480_15fps.mp4"
    with open_source(f"file:{path}?realtime=1") as source:
        frames = list(itertools.islice(source, 4))

    first, last = frames[0], frames[-1]
    assert last.captured_ns - first.captured_ns >= (last.index - 1) * 1e9 / 15
