"""Looks at frames of real picamera2, and tells what it saw in JSON.

usage: run_picamera2.py frames NUMBER SOURCE… | refused SOURCE… | busy SOURCE | isolated SOURCE
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from edge_recog.cameras import open_source
from edge_recog.cameras.isolated import IsolatedSource
from edge_recog.errors import EdgeRecogError

if TYPE_CHECKING:
    from edge_recog.cameras.protocol import FrameSource

_COLUMNS = 8
"""Where colours are read: in the middle of as many columns, halfway down."""


def look(source: FrameSource, number: int) -> dict[str, Any]:
    """Return what so many frames of a source were like."""
    frames = []
    with source:
        for frame in source:
            height, width, _ = frame.pixels.shape
            row, at = (
                frame.pixels[height // 2],
                [width * (2 * column + 1) // (2 * _COLUMNS) for column in range(_COLUMNS)],
            )
            frames.append((frame.index, frame.captured_ns, row[at].tolist()))
            if len(frames) == number:
                break
    gc.collect()
    return {
        "size": [width, height],
        "indices": [index for index, _, _ in frames],
        "captured_ns": [captured_ns for _, captured_ns, _ in frames],
        "first": frames[0][2],
        "last": frames[-1][2],
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - only their number counts.
    }


def refusal(source: str) -> str:
    """Return why a source cannot be opened."""
    try:
        open_source(source).close()
    except EdgeRecogError as error:
        return f"{type(error).__name__}: {error}"
    return "it can be opened"


def main() -> None:
    what, *arguments = sys.argv[1:]
    told: Any
    if what == "frames":
        number, *sources = arguments
        told = [look(open_source(source), int(number)) for source in sources]
    elif what == "refused":
        told = [refusal(source) for source in arguments]
    elif what == "busy":
        [source] = arguments
        with open_source(source):
            told = refusal(source)
    else:
        [source] = arguments
        told = look(IsolatedSource(source), 3)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
