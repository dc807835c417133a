"""What an image file's bytes say before they are decoded: kind, colours, and whether it is whole.

Decoders are kind: OpenCV returns what there is of a truncated JPEG and fills the rest with grey,
and trains nobody with it gladly. So JPEG must have its end marker (EOI) and PNG its IEND; WebP
and BMP must be as long as they say. Damage in the middle of a whole JPEG is not found here.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey + alpha", 6: "RGB + alpha"}
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
"""A marker in entropy-coded data: not a stuffed zero, not a restart (ITU-T T.81, B.1.1)."""
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_EOI, _SOS, _APP1, _APP14 = 0xD9, 0xDA, 0xE1, 0xEE
_EXIF_ORIENTATION = 0x0112


class FileKind(NamedTuple):
    """What an image file is."""

    format: str
    """`JPEG`, `PNG`, …; `unknown` where the first bytes tell nothing."""
    mode: str
    """`grey`, `RGB`, `CMYK`, `RGB + alpha`, with `16-bit` before it; empty if not looked at."""
    orientation: int
    """Of EXIF, 1-8; 1 is upright, or not said. Looked at in JPEG only."""
    whole: bool
    """False if the file ends before its picture does."""


def file_kind(data: bytes) -> FileKind:
    """Return what an image file says of itself; never raises for what is in it."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        (size,) = struct.unpack("<I", data[4:8])
        return FileKind("WebP", "", 1, len(data) >= size + 8)
    if data[:2] == b"BM" and len(data) >= 14:
        (size,) = struct.unpack("<I", data[2:6])
        return FileKind("BMP", "", 1, len(data) >= size)
    if data[:4] in {b"II*\0", b"MM\0*"}:
        return FileKind("TIFF", "", 1, whole=True)
    if re.match(rb"P[2356]\s", data[:3]):
        return FileKind("PNM", "grey" if data[:2] in {b"P2", b"P5"} else "RGB", 1, whole=True)
    return FileKind("unknown", "", 1, whole=True)


def _jpeg(data: bytes) -> FileKind:
    mode, orientation, whole = "", 1, False
    for marker, segment in _jpeg_segments(data):
        if marker == _EOI:
            whole = True
        elif marker in _JPEG_FRAMES and len(segment) >= 6:
            depth, channels = segment[0], segment[5]
            mode = {1: "grey", 3: "RGB", 4: "CMYK"}.get(channels, f"{channels} channels")
            mode = mode if depth == 8 else f"{depth}-bit {mode}"
        elif marker == _APP1 and segment[:6] == b"Exif\0\0":
            orientation = _orientation(segment[6:])
        elif marker == _APP14 and segment[:5] == b"Adobe" and segment[11:12] == b"\x02":
            mode = "CMYK"
    return FileKind("JPEG", mode, orientation, whole)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment, up to the end of the picture."""
    at = 2
    while match := _JPEG_MARKER.match(data, at):
        marker = data[match.end() - 1]
        at = match.end()
        if marker in _JPEG_ALONE:
            continue
        if marker == _EOI:
            yield marker, b""
            return
        if at + 2 > len(data):
            return
        (length,) = struct.unpack(">H", data[at : at + 2])
        if length < 2 or at + length > len(data):
            return
        yield marker, data[at + 2 : at + length]
        at += length
        if marker == _SOS:
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                return
            at = found.start()


def _orientation(tiff: bytes) -> int:
    """Return the orientation in the first directory of EXIF data (a TIFF file); 1 if none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    (start,) = struct.unpack(f"{order}I", tiff[4:8])
    if start + 2 > len(tiff):
        return 1
    (count,) = struct.unpack(f"{order}H", tiff[start : start + 2])
    for index in range(count):
        field = tiff[start + 2 + 12 * index : start + 14 + 12 * index]
        if len(field) < 12:
            return 1
        tag, _, _, value = struct.unpack(f"{order}HHIH", field[:10])
        if tag == _EXIF_ORIENTATION:
            return value if 1 <= value <= 8 else 1
    return 1


def _png(data: bytes) -> FileKind:
    mode, whole, at = "", False, len(_PNG)
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + min(length, 13)]
        if name == b"IHDR" and len(content) >= 10:
            depth, colours = content[8], content[9]
            mode = _PNG_COLOURS.get(colours, "")
            mode = f"16-bit {mode}" if depth == 16 else mode
        at += 12 + length
        if name == b"IEND":
            whole = at <= len(data)
            break
    return FileKind("PNG", mode, 1, whole)
