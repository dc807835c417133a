"""The cameras that are here, and what they offer."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_recog.cameras.device_reasons import (
    open_device,
    why_failed,
    why_no_camera,
    why_unusable,
)
from edge_recog.cameras.picamera2_source import load_picamera2
from edge_recog.cameras.v4l2_modes import Mode, read_capability, read_modes
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class FoundCamera:
    """One camera."""

    source: str
    """What to open: `v4l2:/dev/video0`."""
    name: str
    """For people; empty if it is not known."""
    driver: str
    """Of the kernel, or `libcamera`; empty if it is not known."""
    problem: str | None
    """Why it cannot be used; None if nothing speaks against it."""
    modes: tuple[Mode, ...]
    """Of a Raspberry Pi's camera those of the sensor: it scales to any size."""


@dataclass(frozen=True)
class Listing:
    """All cameras of this machine."""

    cameras: tuple[FoundCamera, ...]
    notes: tuple[str, ...]
    """What could not be looked for, and what to do about it."""


def list_cameras(devices: Path = Path("/dev")) -> Listing:
    """Return the cameras that are here.

    Args:
        devices: Where the device files are.
    """
    own, notes = _own_cameras()
    return Listing((*own, *_kernel_cameras(devices)), tuple(notes))


def _kernel_cameras(devices: Path) -> Iterator[FoundCamera]:
    numbered = [(found[1], path) for path in devices.iterdir() if (found := _number(path))]
    for _, path in sorted(numbered, key=lambda pair: int(pair[0])):
        camera = _kernel_camera(str(path))
        if camera is not None:
            yield camera


def _number(path: Path) -> re.Match[str] | None:
    return re.fullmatch(r"video(\d+)", path.name)


def _kernel_camera(path: str) -> FoundCamera | None:
    """Return a camera; None if it is none, such as a codec."""
    source = f"v4l2:{path}"
    try:
        fd = open_device(path)
    except OSError:
        return FoundCamera(source, "", "", why_unusable(path), ())
    try:
        capability = read_capability(fd)
        if why_no_camera(capability) is not None:
            return None
        modes = read_modes(fd, capability)
        return FoundCamera(source, capability.card, capability.driver, None, modes)
    except OSError as error:
        return FoundCamera(source, "", "", why_failed(path, error), ())
    finally:
        os.close(fd)


def _own_cameras() -> tuple[list[FoundCamera], list[str]]:
    """Return the cameras that libcamera knows, and what to say if it cannot be asked."""
    try:
        library = load_picamera2("picamera2")
        found = library.Picamera2.global_camera_info()
    except SourceError as error:
        return [], [str(error).removeprefix("picamera2: ")]
    except RuntimeError as error:
        return [], [f"picamera2: libcamera cannot list its cameras: {error}"]
    return [_own_camera(library, number, info) for number, info in enumerate(found)], []


def _own_camera(library: Any, number: int, info: dict[str, Any]) -> FoundCamera:
    source, name = f"picamera2:{number}", str(info.get("Model", ""))
    try:
        with library.Picamera2(number) as camera:
            modes = _sensor_modes(camera)
    except RuntimeError as error:
        # Most of all: in use. Its modes can only be had by opening it.
        return FoundCamera(source, name, "libcamera", f"it cannot be opened: {error}", ())
    return FoundCamera(source, name, "libcamera", None, modes)


def _sensor_modes(camera: Any) -> tuple[Mode, ...]:
    """Return the modes of a sensor, as far as libcamera says their sizes."""
    try:
        found = camera.sensor_modes
    except AttributeError:
        # Of a camera that gives no raw pictures; picamera2 does not look whether it does.
        return ()
    modes = []
    for mode in found:
        # libcamera does not say it of every format.
        if "size" in mode:
            width, height = mode["size"]
            rates = (float(mode["fps"]),) if "fps" in mode else ()
            modes.append(Mode(str(mode["format"]), width, height, None, rates))
    return tuple(modes)
