"""Small pictures, inside the page."""

from __future__ import annotations

import base64
from pathlib import Path

from edge_recog.cameras.images import read_image, shrink
from edge_recog.errors import SourceError

LONGEST = 160
"""Pixels of the longer side."""
_QUALITY = 72
_MOST_BYTES = 64_000_000
"""A larger file is not looked at: a result file may name anything."""


def thumbnail(folder: str, picture: str) -> str | None:
    """Return a picture as `data:` address of a JPEG; None if it is not there or is none.

    Args:
        folder: Where the labelled pictures were.
        picture: Its path below; one that leads out of the folder is not followed.
    """
    import cv2

    try:
        root = Path(folder).resolve(strict=True)
        path = (root / picture).resolve(strict=True)
        if not path.is_relative_to(root) or path.stat().st_size > _MOST_BYTES:
            return None
        pixels = shrink(read_image(path), LONGEST)
    except (OSError, ValueError, RuntimeError, SourceError):
        return None
    done, jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}" if done else None
