"""What a V4L2 device is and can do, asked of the kernel.

Numbers and structures are those of linux/videodev2.h; they are the same for 32 and 64 bits.
"""

from __future__ import annotations

import errno
import fcntl
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_ITEMS = 256
"""Of each list; no driver has as many, and one that never ends must not hang us."""

_CAPTURE, _CAPTURE_MPLANE, _META_CAPTURE = 0x1, 0x1000, 0x0080_0000
_M2M, _M2M_MPLANE = 0x8000, 0x4000
_DEVICE_CAPS = 0x8000_0000
"""V4L2_CAP_…"""

_CAPABILITY = struct.Struct("16s32s32sII3I4x")
_FORMAT = struct.Struct("III32sII12x")
_SIZE = struct.Struct("III6I8x")
_INTERVAL = struct.Struct("IIIII6I8x")


def _request(number: int, size: int, *, writes: bool) -> int:
    """Return an ioctl's number: `_IOR` or `_IOWR` of asm-generic/ioctl.h, of the group V."""
    return ((3 if writes else 2) << 30) | (size << 16) | (ord("V") << 8) | number


QUERYCAP: Final = _request(0, 104, writes=False)
ENUM_FMT: Final = _request(2, 64, writes=True)
ENUM_FRAMESIZES: Final = _request(74, 44, writes=True)
ENUM_FRAMEINTERVALS: Final = _request(75, 52, writes=True)

_DISCRETE = 1
"""V4L2_FRMSIZE_TYPE_DISCRETE and V4L2_FRMIVAL_TYPE_DISCRETE."""


class Ioctl(Protocol):
    """`fcntl.ioctl`, or what stands in for it."""

    def __call__(self, fd: int, request: int, argument: bytearray, /) -> object:
        """Fill in the argument.

        Raises:
            OSError: As the kernel says.
        """
        ...


@dataclass(frozen=True)
class Capability:
    """What a device says it is."""

    driver: str
    card: str
    """For people: `HD Pro Webcam C920`."""
    bus: str
    flags: int
    """V4L2_CAP_… of this very node."""

    @property
    def captures(self) -> bool:
        """Whether pictures come from it: neither a codec, nor a node for metadata."""
        memory_to_memory = bool(self.flags & (_M2M | _M2M_MPLANE))
        return bool(self.flags & (_CAPTURE | _CAPTURE_MPLANE)) and not memory_to_memory

    @property
    def buffer_type(self) -> int:
        """V4L2_BUF_TYPE_VIDEO_CAPTURE, or that with _MPLANE."""
        return 1 if self.flags & _CAPTURE else 9

    @property
    def kind(self) -> str:
        """What it is, in words."""
        if self.captures:
            return "a camera"
        if self.flags & (_M2M | _M2M_MPLANE):
            return "a codec or scaler"
        return "for metadata only" if self.flags & _META_CAPTURE else "no capture device"


@dataclass(frozen=True)
class Mode:
    """A picture format in one size, or in a range of sizes."""

    format: str
    """FourCC, such as `MJPG` or `YUYV`."""
    width: int
    height: int
    """In pixels; the largest of a range."""
    least: tuple[int, int] | None
    """Smallest width and height, if all between are to be had; None for one size only."""
    rates: tuple[float, ...]
    """Frames a second, the highest first; of a range its ends. Empty if it does not say."""


def read_capability(fd: int, ioctl: Ioctl = fcntl.ioctl) -> Capability:
    """Return what a device is.

    Args:
        fd: Of the device.
        ioctl: Stands in for the kernel in tests.

    Raises:
        OSError: ENOTTY if it is no V4L2 device at all.
    """
    data = bytearray(104)
    ioctl(fd, QUERYCAP, data)
    driver, card, bus, _, whole, own, *_ = _CAPABILITY.unpack(data)
    # `capabilities` is of the whole device, `device_caps` of this node.
    flags = own if whole & _DEVICE_CAPS else whole
    return Capability(_text(driver), _text(card), _text(bus), flags)


def read_modes(fd: int, capability: Capability, ioctl: Ioctl = fcntl.ioctl) -> tuple[Mode, ...]:
    """Return the formats, sizes and rates that a device offers.

    Args:
        fd: Of the device.
        capability: Of the device.
        ioctl: Stands in for the kernel in tests.

    Raises:
        OSError: As the kernel says.
    """
    modes = []
    for head in _items(fd, ioctl, ENUM_FMT, _FORMAT, 0, capability.buffer_type):
        code = head[4]
        name = _text(code.to_bytes(4, "little"))
        for size in _items(fd, ioctl, ENUM_FRAMESIZES, _SIZE, 0, code):
            kind, sides = size[2], size[3:]
            # Stepwise: least and most width and step, then the same of height.
            width, height = sides[:2] if kind == _DISCRETE else (sides[1], sides[4])
            least = None if kind == _DISCRETE else (sides[0], sides[3])
            rates = _rates(fd, ioctl, code, width, height)
            modes.append(Mode(name, width, height, least, rates))
    return tuple(modes)


def _rates(fd: int, ioctl: Ioctl, code: int, width: int, height: int) -> tuple[float, ...]:
    rates = set()
    for item in _items(fd, ioctl, ENUM_FRAMEINTERVALS, _INTERVAL, 0, code, width, height):
        fractions = item[5:7] if item[4] == _DISCRETE else item[5:9]
        for above, below in zip(fractions[::2], fractions[1::2], strict=True):
            if above and below:
                rates.add(round(below / above, 3))
    return tuple(sorted(rates, reverse=True))


def _items(
    fd: int, ioctl: Ioctl, request: int, layout: struct.Struct, *given: int
) -> Iterator[tuple[int, ...]]:
    """Yield the entries of a list, until the kernel says that there are no more.

    Args:
        fd: Of the device.
        ioctl: Asks the kernel.
        request: Which list.
        layout: Of an entry; its index comes first.
        given: The first fields of an entry, the index included, which is counted up.
    """
    head = struct.Struct(f"{len(given)}I")
    for index in range(_MOST_ITEMS):
        data = bytearray(layout.size)
        head.pack_into(data, 0, index, *given[1:])
        try:
            ioctl(fd, request, data)
        except OSError as error:
            # ENOTTY: a driver that does not know this list.
            if error.errno in {errno.EINVAL, errno.ENOTTY, errno.ENODATA}:
                return
            raise
        entry = layout.unpack(data)
        yield entry
        if request == ENUM_FRAMESIZES and entry[2] != _DISCRETE:
            return
        if request == ENUM_FRAMEINTERVALS and entry[4] != _DISCRETE:
            return


def _text(data: bytes) -> str:
    """Return text of the kernel: up to its first zero, and only what can be shown."""
    text = data.split(b"\0")[0].decode("ascii", "replace").strip()
    return "".join(character if character.isprintable() else "?" for character in text)
