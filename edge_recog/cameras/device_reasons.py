"""Why a V4L2 device cannot be opened, and what to do."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.cameras.v4l2_modes import Capability, read_capability
from edge_recog.processes import read_holders

if TYPE_CHECKING:
    from collections.abc import Callable

PI_DRIVERS = frozenset({"unicam", "rp1-cfe", "bcm2835-isp", "pispbe"})
"""Receivers and processors of a Raspberry Pi's own cameras. They capture, but only in libcamera's
hands: what OpenCV got from them would be raw or nothing."""


def open_device(path: str) -> int:
    """Return a descriptor of a device, opened to ask it something.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def why_unusable(path: str) -> str | None:
    """Return why frames cannot come from a device; None if nothing speaks against it.

    Args:
        path: Of the device.
    """
    try:
        fd = open_device(path)
    except OSError as error:
        return _why_not_opened(path, error)
    try:
        capability = read_capability(fd)
    except OSError as error:
        return why_failed(path, error)
    finally:
        os.close(fd)
    return why_no_camera(capability)


def why_no_camera(capability: Capability) -> str | None:
    """Return why a device that can be opened is no camera; None if it is one.

    Args:
        capability: What it says of itself.
    """
    if capability.driver in PI_DRIVERS:
        return (
            f"{capability.driver} is a part of the Raspberry Pi's own camera system, "
            "whose pictures come from picamera2:0"
        )
    if capability.captures:
        return None
    return (
        f"not a capture device: {capability.card} is {capability.kind}; "
        "`edge-recog cameras` lists those that are"
    )


def why_failed(path: str, error: OSError) -> str:
    """Return why the kernel refused something of an open device.

    Args:
        path: Of the device.
        error: What it said.
    """
    if error.errno == errno.ENOTTY:
        return "not a camera: it does not speak V4L2"
    if error.errno == errno.EBUSY:
        return _busy(path)
    if error.errno == errno.ENODEV:
        return "the device is gone: unplugged?"
    return f"{error.strerror or error}"


def why_silent(path: str) -> str:
    """Return why a device that is a camera gives no frame.

    Args:
        path: Of the device.
    """
    real = str(Path(path).resolve())
    if holders_of(lambda target: target == real):
        return _busy(path)
    return "it gives no frame in any format that OpenCV reads"


def _why_not_opened(path: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        there = sorted(map(str, Path("/dev").glob("video[0-9]*")))
        return "no such device; there " + (f"is {', '.join(there)}" if there else "is no camera")
    if error.errno in {errno.ENODEV, errno.ENXIO}:
        return "no such device: its driver is not loaded, or it was unplugged"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return why_not_permitted()
    if error.errno == errno.EBUSY:
        return _busy(path)
    if error.errno == errno.EISDIR:
        return "a folder, not a camera"
    return f"it cannot be opened: {error.strerror or error}"


def _busy(path: str) -> str:
    real = str(Path(path).resolve())
    holders = holders_of(lambda target: target == real)
    if holders:
        return f"busy: {', '.join(holders)} has it open; stop that first"
    return "busy: another process has it open, of another user, so it cannot be seen which"


def holders_of(wanted: Callable[[str], bool]) -> list[str]:
    """Return the other processes that have a file open, as far as this user may see.

    Args:
        wanted: Tells of a path whether it is about that.

    Returns:
        Such as `motion (process 812)`.
    """
    return list(dict.fromkeys(map(str, read_holders(wanted).found)))


def why_not_permitted() -> str:
    """Return what to do if this user may not open cameras."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return (
        f"no permission: {user} is not in the group video; sudo usermod -aG video {user}, "
        "then log out and in again"
    )
