from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.cameras import listing
from edge_recog.cameras.listing import FoundCamera, Listing, list_cameras
from edge_recog.cameras.v4l2_modes import Capability, Mode
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_MODE = Mode("MJPG", 1280, 720, None, (30.0,))


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of device files; what each is, is said by what is in it."""
    kinds = {
        "camera": Capability("uvcvideo", "Webcam", "usb-1", 0x1),
        "metadata": Capability("uvcvideo", "Webcam", "usb-1", 0x0080_0000),
        "codec": Capability("bcm2835-codec", "Codec", "platform", 0x8000),
        "csi": Capability("unicam", "unicam", "platform", 0x1),
    }
    for number, kind in ((10, "camera"), (2, "camera"), (3, "metadata"), (4, "codec"), (5, "csi")):
        (tmp_path / f"video{number}").write_text(kind)
    (tmp_path / "video").touch()
    (tmp_path / "video1x").touch()
    (tmp_path / "null").touch()

    def capability(fd: int) -> Capability:
        return kinds[os.read(fd, 100).decode()]

    monkeypatch.setattr(listing, "read_capability", capability)
    monkeypatch.setattr(listing, "read_modes", lambda fd, capability: (_MODE,))
    monkeypatch.setattr(listing, "load_picamera2", missing_picamera2)
    return tmp_path


def missing_picamera2(name: str) -> Any:
    raise SourceError(f"{name}: picamera2 is not installed")


def test_cameras_are_listed_in_order_and_codecs_are_not(devices: Path) -> None:
    assert list_cameras(devices) == Listing(
        tuple(
            FoundCamera(f"v4l2:{devices}/video{number}", "Webcam", "uvcvideo", None, (_MODE,))
            for number in (2, 10)
        ),
        ("picamera2 is not installed",),
    )


def test_a_device_that_cannot_be_opened_is_listed_with_its_reason(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (devices / "video10").unlink()
    (devices / "video2").unlink()
    (devices / "video7").mkdir()

    assert list_cameras(devices).cameras == (
        FoundCamera(f"v4l2:{devices}/video7", "", "", "a folder, not a camera", ()),
    )


def test_a_device_that_refuses_an_answer_is_listed_with_its_reason(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(listing, "read_modes", refuse)
    problems = {camera.problem for camera in list_cameras(devices).cameras}

    assert problems == {"the device is gone: unplugged?"}


class Pi:
    """libcamera's side of a Raspberry Pi."""

    cameras = ({"Model": "imx708"}, {"Model": "ov5647"})
    broken: str | None = None

    @classmethod
    def global_camera_info(cls) -> Any:
        if cls.broken is not None:
            raise RuntimeError(cls.broken)
        return list(cls.cameras)

    def __init__(self, number: int) -> None:
        if number == 1:
            raise RuntimeError("Camera __init__ sequence did not complete.")

    def __enter__(self) -> Pi:
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def sensor_modes(self) -> Any:
        return [{"format": "SRGGB10", "size": (1536, 864), "fps": 120.13}, {"format": "MJPEG"}]


@pytest.fixture
def pi(devices: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(listing, "load_picamera2", lambda name: SimpleNamespace(Picamera2=Pi))
    for path in devices.glob("video*"):
        path.unlink()
    return devices


def test_a_raspberry_pis_cameras_are_listed_with_the_modes_of_their_sensors(pi: Path) -> None:
    mode = Mode("SRGGB10", 1536, 864, None, (120.13,))
    problem = "it cannot be opened: Camera __init__ sequence did not complete."

    assert list_cameras(pi) == Listing(
        (
            FoundCamera("picamera2:0", "imx708", "libcamera", None, (mode,)),
            FoundCamera("picamera2:1", "ov5647", "libcamera", problem, ()),
        ),
        (),
    )


def test_a_camera_whose_modes_are_not_known_is_listed_without(
    pi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Pi) -> Any:
        raise AttributeError("'NoneType' object has no attribute 'at'")

    monkeypatch.setattr(Pi, "sensor_modes", property(fail))
    first = list_cameras(pi).cameras[0]

    assert (first.problem, first.modes) == (None, ())


def test_a_libcamera_that_fails_is_noted(pi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pi, "broken", "Failed to start camera manager")

    assert list_cameras(pi) == Listing(
        (), ("picamera2: libcamera cannot list its cameras: Failed to start camera manager",)
    )


def test_this_machine_can_be_looked_at() -> None:
    assert isinstance(list_cameras(), Listing)
