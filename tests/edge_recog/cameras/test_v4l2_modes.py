from __future__ import annotations

import errno
import struct
from typing import Any

import pytest

from edge_recog.cameras.v4l2_modes import (
    ENUM_FMT,
    ENUM_FRAMEINTERVALS,
    ENUM_FRAMESIZES,
    QUERYCAP,
    Capability,
    Mode,
    read_capability,
    read_modes,
)

_CAMERA = 0x1


class FakeDevice:
    """A kernel that answers about one device; structures as in linux/videodev2.h."""

    def __init__(
        self,
        *,
        caps: int = _CAMERA,
        whole: int | None = None,
        formats: tuple[bytes, ...] = (b"MJPG", b"YUYV"),
        sizes: Any = ((640, 480), (1280, 720)),
        rates: Any = ((1, 30), (1, 15)),
        buffer_type: int = 1,
    ) -> None:
        self.caps = caps
        self.whole = 0x8000_0000 | caps if whole is None else whole
        self.formats, self.sizes, self.rates = formats, sizes, rates
        self.buffer_type = buffer_type
        self.asked: list[int] = []

    def __call__(self, fd: int, request: int, argument: bytearray, /) -> int:
        assert fd == 7
        self.asked.append(request)
        assert len(argument) == (request >> 16) & 0x3FFF
        if request == QUERYCAP:
            head = struct.pack("<16s32s32s", b"uvcvideo", b"HD Webcam: HD\x07", b"usb-1.2")
            argument[:92] = head + struct.pack("<III", 0x60100, self.whole, self.caps)
            return 0
        index = struct.unpack_from("<I", argument)[0]
        if request == ENUM_FMT:
            assert struct.unpack_from("<I", argument, 4)[0] == self.buffer_type
            self._end(index, self.formats)
            struct.pack_into("<4s", argument, 44, self.formats[index])
        elif request == ENUM_FRAMESIZES:
            assert bytes(argument[4:8]) in self.formats
            self._end(index, self.sizes)
            size = self.sizes[index]
            struct.pack_into(f"<I{len(size)}I", argument, 8, 1 if len(size) == 2 else 3, *size)
        elif request == ENUM_FRAMEINTERVALS:
            assert bytes(argument[4:8]) in self.formats
            assert struct.unpack_from("<II", argument, 8) in {(640, 480), (1280, 720), (1920, 1080)}
            self._end(index, self.rates)
            rate = self.rates[index]
            struct.pack_into(f"<I{len(rate)}I", argument, 16, 1 if len(rate) == 2 else 2, *rate)
        else:
            raise AssertionError(hex(request))
        return 0

    @staticmethod
    def _end(index: int, items: Any) -> None:
        if index >= len(items):
            raise OSError(errno.EINVAL, "Invalid argument")


def test_the_requests_are_those_of_the_kernel() -> None:
    """Numbers printed by a C program that includes linux/videodev2.h."""
    assert [QUERYCAP, ENUM_FMT, ENUM_FRAMESIZES, ENUM_FRAMEINTERVALS] == [
        0x80685600,
        0xC0405602,
        0xC02C564A,
        0xC034564B,
    ]


def test_a_device_says_what_it_is() -> None:
    found = read_capability(7, FakeDevice())

    # What cannot be shown is not.
    assert found == Capability("uvcvideo", "HD Webcam: HD?", "usb-1.2", _CAMERA)
    assert found.captures
    assert found.kind == "a camera"


@pytest.mark.parametrize(
    ("caps", "captures", "kind"),
    [
        (0x1, True, "a camera"),
        (0x1000, True, "a camera"),
        (0x0420_0001, True, "a camera"),
        (0x8000, False, "a codec or scaler"),
        (0x4000, False, "a codec or scaler"),
        (0x8001, False, "a codec or scaler"),
        (0x0080_0000, False, "for metadata only"),
        (0x2, False, "no capture device"),
    ],
)
def test_only_cameras_capture(caps: int, captures: bool, kind: str) -> None:
    found = read_capability(7, FakeDevice(caps=caps))

    assert (found.captures, found.kind) == (captures, kind)


def test_an_old_driver_speaks_of_the_whole_device_only() -> None:
    assert read_capability(7, FakeDevice(caps=0, whole=0x0500_0001)).captures


def modes(device: FakeDevice) -> tuple[Mode, ...]:
    return read_modes(7, read_capability(7, device), device)


def test_formats_sizes_and_rates_are_listed() -> None:
    assert modes(FakeDevice()) == tuple(
        Mode(name, width, height, None, (30.0, 15.0))
        for name in ("MJPG", "YUYV")
        for width, height in ((640, 480), (1280, 720))
    )


def test_a_range_of_sizes_is_told_by_its_ends() -> None:
    device = FakeDevice(formats=(b"YUYV",), sizes=((32, 1920, 2, 16, 1080, 2),) * 300)

    assert modes(device) == (Mode("YUYV", 1920, 1080, (32, 16), (30.0, 15.0)),)


def test_a_range_of_rates_is_told_by_its_ends() -> None:
    device = FakeDevice(formats=(b"YUYV",), rates=((1, 60, 2, 1, 1, 1),) * 300)

    assert {mode.rates for mode in modes(device)} == {(60.0, 0.5)}


def test_rates_that_are_none_are_left_out() -> None:
    device = FakeDevice(rates=((0, 30), (1, 0), (1, 25)))

    assert {mode.rates for mode in modes(device)} == {(25.0,)}


def test_cameras_of_several_planes_are_asked_as_such() -> None:
    assert len(modes(FakeDevice(caps=0x1000, buffer_type=9))) == 4


def test_a_list_without_end_is_cut_off() -> None:
    device = FakeDevice(formats=(b"MJPG",) * 100_000, sizes=((640, 480),), rates=())

    assert len(modes(device)) == 256


def test_a_driver_without_lists_has_no_modes() -> None:
    class Silent(FakeDevice):
        def __call__(self, fd: int, request: int, argument: bytearray, /) -> int:
            if request != QUERYCAP:
                raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
            return super().__call__(fd, request, argument)

    assert modes(Silent()) == ()


def test_another_error_is_passed_on() -> None:
    class Gone(FakeDevice):
        def __call__(self, fd: int, request: int, argument: bytearray, /) -> int:
            if request == ENUM_FRAMESIZES:
                raise OSError(errno.ENODEV, "No such device")
            return super().__call__(fd, request, argument)

    with pytest.raises(OSError, match="No such device"):
        modes(Gone())
