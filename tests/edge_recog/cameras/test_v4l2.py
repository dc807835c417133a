from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_recog.cameras import device_reasons, open_source, v4l2
from edge_recog.cameras.device_reasons import (
    holders_of,
    why_failed,
    why_no_camera,
    why_silent,
    why_unusable,
)
from edge_recog.cameras.v4l2_modes import Capability
from edge_recog.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FakeCapture:
    """OpenCV's side of a camera. A byte in the pipe is a frame that can be taken."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.frames: list[Any] = []
        """What comes next: pixels, None for a damaged one; at the end the camera is gone."""
        self.properties: dict[int, float] = {
            cv2.CAP_PROP_FRAME_WIDTH: 640,
            cv2.CAP_PROP_FRAME_HEIGHT: 480,
            cv2.CAP_PROP_FPS: 30,
        }
        self.is_fixed = False
        """Whether it does not do what it is asked."""
        self.asked: list[tuple[int, float]] = []
        self.is_open = True
        self.closed = 0

    def put(self, *frames: Any) -> None:
        self.frames += frames
        os.write(self.writer, b"x" * len(frames))

    def set(self, what: int, value: float) -> bool:
        self.asked.append((what, value))
        if not self.is_fixed:
            self.properties[what] = value
        return True

    def get(self, what: int) -> float:
        return self.properties.get(what, 0.0)

    def grab(self) -> bool:
        os.read(self.reader, 1)
        return bool(self.frames)

    def retrieve(self) -> Any:
        return self.frames.pop(0)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCapture]:
    """Stand in for OpenCV, and for a device that can be used."""
    fake = FakeCapture()
    descriptors = iter([set[int](), {fake.reader}] * 3)
    monkeypatch.setattr(v4l2, "Capture", lambda *_: fake)
    monkeypatch.setattr(v4l2, "_descriptors_of", lambda _: next(descriptors))
    monkeypatch.setattr(v4l2, "why_unusable", lambda _: None)
    yield fake
    os.close(fake.reader)
    os.close(fake.writer)


def picture(value: int = 0) -> Any:
    return np.full((48, 64, 3), (value, 0, 0), np.uint8)


def test_frames_are_rgb_and_of_the_time_that_the_driver_says(capture: FakeCapture) -> None:
    before = time.monotonic_ns()
    capture.properties[cv2.CAP_PROP_POS_MSEC] = before / 1e6
    with open_source("v4l2:/dev/video9") as source:
        capture.put(picture(200), picture(100))
        frames = iter(source)
        first, second = next(frames), next(frames)

    assert first.pixels[0, 0].tolist() == [0, 0, 200]
    assert (first.index, second.index) == (0, 1)
    assert abs(first.captured_ns - before) < 1_000
    assert (source.name, first.source) == ("v4l2:/dev/video9", "v4l2:/dev/video9")
    assert capture.closed == 1


def test_without_a_time_stamp_it_is_the_time_of_the_read(capture: FakeCapture) -> None:
    with open_source("v4l2:9") as source:
        before = time.monotonic_ns()
        capture.put(picture())
        frame = next(iter(source))

    assert before <= frame.captured_ns <= time.monotonic_ns()


def test_a_damaged_frame_is_skipped_and_counted(capture: FakeCapture) -> None:
    with open_source("v4l2:9") as source:
        capture.put(None, picture())
        frame = next(iter(source))

    assert frame.index == 1
    assert source.skipped["damaged"] == 1


def test_a_camera_that_stalls_is_given_up(capture: FakeCapture) -> None:
    with open_source("v4l2:9?read_timeout_s=0.2") as source:
        capture.put(picture())
        frames = iter(source)
        next(frames)
        with pytest.raises(SourceError, match=r"v4l2:9: no frame within 0\.2 s"):
            next(frames)


def test_a_camera_that_is_unplugged_is_an_error(
    capture: FakeCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_source("v4l2:9") as source:
        capture.put(picture())
        frames = iter(source)
        next(frames)
        monkeypatch.undo()
        # The device is readable, and has no frame.
        os.write(capture.writer, b"x")
        with pytest.raises(SourceError, match="v4l2:9: the camera is lost: no such device"):
            next(frames)


def test_a_stream_that_breaks_off_is_an_error(capture: FakeCapture) -> None:
    with open_source("v4l2:9") as source:
        capture.put(picture())
        frames = iter(source)
        next(frames)
        os.write(capture.writer, b"x")
        with pytest.raises(SourceError, match="the camera is lost: it is there, and its stream"):
            next(frames)


def test_a_camera_without_a_first_frame_is_an_error(capture: FakeCapture) -> None:
    with open_source("v4l2:9") as source:
        os.write(capture.writer, b"x")
        with pytest.raises(SourceError, match="v4l2:9: it gives no frame in any format"):
            next(iter(source))


def test_closing_from_another_thread_ends_a_wait_at_once(capture: FakeCapture) -> None:
    source = open_source("v4l2:9?read_timeout_s=600")
    first = threading.Event()

    def read() -> None:
        for _ in source:
            first.set()

    capture.put(picture())
    thread = threading.Thread(target=read)
    thread.start()
    assert first.wait(10)
    source.close()
    source.close()
    thread.join(10)

    assert not thread.is_alive()
    assert capture.closed == 1
    assert list(source) == []


def test_size_rate_and_format_are_asked_for_the_format_first(capture: FakeCapture) -> None:
    open_source("v4l2:9?rate=15&width=1280&height=720&format=MJPG").close()

    assert capture.asked == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 15),
    ]


def test_a_width_alone_leaves_the_height(capture: FakeCapture) -> None:
    open_source("v4l2:9?width=320").close()

    assert capture.asked == [
        (cv2.CAP_PROP_FRAME_WIDTH, 320),
        (cv2.CAP_PROP_FRAME_HEIGHT, 480),
    ]


def test_a_camera_that_chooses_something_else_is_told_of(
    capture: FakeCapture, caplog: pytest.LogCaptureFixture
) -> None:
    capture.is_fixed = True
    capture.properties[cv2.CAP_PROP_FOURCC] = cv2.VideoWriter.fourcc(*"YUYV")
    with caplog.at_level(logging.WARNING, "edge_recog"):
        open_source("v4l2:9?width=1280&rate=30&format=MJPG").close()

    assert [record.message for record in caplog.records] == [
        "v4l2:9: asked for MJPG, the camera gives YUYV; see `edge-recog cameras`",
        "v4l2:9: asked for 1280, the camera gives 640; see `edge-recog cameras`",
    ]


def test_a_device_that_opencv_cannot_open_is_an_error(capture: FakeCapture) -> None:
    capture.is_open = False

    with pytest.raises(SourceError, match="v4l2:9: it gives no frame in any format"):
        open_source("v4l2:9")
    assert capture.closed == 1


@pytest.mark.parametrize("device", ["", "video0", "-1", "0x1", "usb"])
def test_a_device_is_a_path_or_a_number(device: str) -> None:
    with pytest.raises(UsageError, match="write it like v4l2:/dev/video0 or v4l2:0"):
        open_source(f"v4l2:{device}")


def test_an_option_that_it_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="no option 'formt'; did you mean 'format'"):
        open_source("v4l2:/dev/video0?formt=MJPG")
    with pytest.raises(UsageError, match="format=mjpeg must be a format of 4 letters"):
        open_source("v4l2:/dev/video0?format=mjpeg")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/dev/video987", "no such device; there "),
        ("/dev/null", "not a camera: it does not speak V4L2"),
        (__file__, "not a camera: it does not speak V4L2"),
        ("/dev", "a folder, not a camera"),
    ],
)
def test_what_is_no_camera_is_refused_with_its_reason(
    path: str, message: str, emulated: bool
) -> None:
    if emulated and "V4L2" in message:
        pytest.skip("emulated: qemu does not hand on what V4L2 is asked")
    with pytest.raises(SourceError) as caught:
        open_source(f"v4l2:{path}")
    assert str(caught.value).startswith(f"v4l2:{path}: {message}")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "is not in the group video; sudo usermod -aG video "),
        (errno.ENXIO, "no such device: its driver is not loaded, or it was unplugged"),
        (errno.EBUSY, "busy: another process has it open"),
        (errno.EIO, "it cannot be opened: Input/output error"),
    ],
)
def test_why_the_kernel_does_not_open_it_is_said(
    monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def refuse(path: str) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(device_reasons, "open_device", refuse)
    said = why_unusable("/dev/video987")

    assert said is not None
    assert message in said


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EBUSY, "busy: "),
        (errno.ENODEV, "the device is gone: unplugged?"),
        (errno.ENOTTY, "not a camera"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_why_the_kernel_refused_something_is_said(number: int, message: str) -> None:
    assert why_failed("/dev/video987", OSError(number, os.strerror(number))).startswith(message)


def test_who_has_it_open_is_named(tmp_path: Path) -> None:
    held = tmp_path / "video0"
    held.touch()
    hold = f"import sys; file = open({str(held)!r}); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        said = why_silent(str(held))
        assert said.startswith("busy: ")
        assert said.endswith(f"(process {process.pid}) has it open; stop that first")
        process.communicate()

    assert why_silent(str(held)) == "it gives no frame in any format that OpenCV reads"


def test_this_process_is_nobody_else(tmp_path: Path) -> None:
    held = tmp_path / "video0"
    with held.open("w"):
        assert holders_of(lambda path: path == str(held)) == []


@pytest.mark.parametrize(
    ("driver", "flags", "message"),
    [
        ("uvcvideo", 0x1, None),
        ("bcm2835-codec", 0x8000, "not a capture device: Card is a codec or scaler"),
        ("uvcvideo", 0x0080_0000, "not a capture device: Card is for metadata only"),
        ("unicam", 0x1, "part of the Raspberry Pi's own camera system"),
        ("bcm2835-isp", 0x1, "whose pictures come from picamera2:0"),
    ],
)
def test_a_device_may_be_no_camera(driver: str, flags: int, message: str | None) -> None:
    said = why_no_camera(Capability(driver, "Card", "bus", flags))

    assert said is None if message is None else message in str(said)
