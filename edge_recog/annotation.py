"""Drawing what the model said onto the picture it said it of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog.frames import Frame
    from edge_recog.predictions import Classification

_WHITE = (255, 255, 255)
_BAR = (64, 160, 96)
_SHADE = 0.45


def annotate(frame: Frame, result: Classification, *, lines: int = 3) -> NDArray[np.uint8]:
    """Return the frame's pixels with the best predictions written at the bottom.

    Args:
        frame: The picture.
        result: Its classification.
        lines: How many predictions at most.

    Returns:
        (height, width, 3) uint8 RGB, as large as the frame.
    """
    import cv2

    pixels = frame.pixels.copy()
    predictions = result.predictions[:lines]
    height, width = pixels.shape[:2]
    row = max(12, min(height // 8, width // 16, 40))
    top = max(0, height - row * len(predictions) - row // 2)
    pixels[top:] = (pixels[top:] * _SHADE).astype(np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, row / 36
    for line, prediction in enumerate(predictions):
        y = top + row // 4 + row * line
        cv2.rectangle(pixels, (0, y), (int(width * prediction.score), y + row - 3), _BAR, -1)
        # OpenCV's fonts have ASCII only.
        label = prediction.label.encode("ascii", "replace").decode()
        text = f"{prediction.score:4.0%}  {label}"
        place = (row // 3, y + row * 2 // 3)
        cv2.putText(pixels, text, place, font, scale, _WHITE, max(1, row // 20), cv2.LINE_AA)
    return pixels


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Return RGB pixels as a JPEG file."""
    import cv2

    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded)
