"""Whether a JPEG is all there, before anything decodes it.

Decoders make pictures of half a file, grey below, and allocate whatever a header promises.
"""

from __future__ import annotations

import re
from typing import Final

MAX_PIXELS: Final = 24_000_000
"""More than the largest sensors of Raspberry Pi cameras; decoded, these take 72 MB."""

# Markers as in ITU-T T.81, table B.1.
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of a frame, with its size."""
_SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xFE})
"""Markers with a length."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""In the data of a scan 0xFF is followed by 0 or by a restart marker; all else ends it."""


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG, in pixels; None if it is cut off or damaged.

    Looks at the structure and not at the Huffman codes: a picture whose colours were changed in
    transit passes. What follows the picture is of no account.
    """
    if data[:2] != bytes((0xFF, _START)):
        return None
    size: tuple[int, int] | None = None
    has_scan = False
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker not in _SEGMENTS:
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            return None
        if marker in _FRAMES:
            if length < 8 or size is not None:
                return None
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            size = (width, height)
        at += 2 + length
        if marker == _SCAN:
            has_scan = True
            found = _MARKER.search(data, at)
            if found is None:
                return None
            at = found.start()
    ended = data[at : at + 2] == bytes((0xFF, _END))
    return size if ended and has_scan and size is not None and 0 not in size else None


def is_fit(data: bytes) -> bool:
    """Tell whether a JPEG is all there and not too large to be decoded."""
    size = jpeg_size(data)
    return size is not None and size[0] * size[1] <= MAX_PIXELS
