"""OpenCV's VideoCapture, which may be closed while it is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.cameras.guard import Guard
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_LOG_LEVEL_ERROR = 2
"""`cv::utils::logging::LOG_LEVEL_ERROR`."""


class Capture:
    """Frames of a video file, a stream or a device. One reader; any thread may close it."""

    def __init__(self, where: str | int, backend: int, parameters: Sequence[int] = ()) -> None:
        """Open it; see `is_open` for whether that worked.

        Args:
            where: A path, address or number.
            backend: One of `cv2.CAP_…`.
            parameters: Pairs of a `cv2.CAP_PROP_…` and its value, set while opening.
        """
        # Read by OpenCV when it first opens anything. Our messages say what FFmpeg would print.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")
        import cv2

        # Debian 12's own OpenCV, 4.6, has these at its top.
        log: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
        level = log.getLogLevel()
        log.setLogLevel(min(level, _LOG_LEVEL_ERROR))
        try:
            self._capture = cv2.VideoCapture(where, backend, list(parameters))
        finally:
            log.setLogLevel(level)
        self._guard = Guard(self._capture.release)

    @property
    def is_open(self) -> bool:
        """Whether it could be opened and is not closed."""
        return bool(self._use(self._capture.isOpened, nothing=False))

    def get(self, what: int) -> float:
        """Return one of `cv2.CAP_PROP_…`; 0 if it is not known, or after `close`."""
        return float(self._use(lambda: self._capture.get(what), nothing=0.0))

    def set(self, what: int, value: float) -> bool:
        """Set one of `cv2.CAP_PROP_…`; return whether OpenCV says that it could."""
        return bool(self._use(lambda: self._capture.set(what, value), nothing=False))

    def grab(self) -> bool:
        """Take the next frame; return False at the end, after a time-out, or if it is closed."""
        return bool(self._use(self._capture.grab, nothing=False))

    def retrieve(self) -> NDArray[np.uint8] | None:
        """Return the frame that was taken, (height, width, 3) BGR; None if it is damaged."""
        good, picture = self._use(self._capture.retrieve, nothing=(False, None))
        if not good or picture is None or picture.dtype != np.uint8 or picture.size == 0:
            return None
        return _with_three_channels(picture)

    def close(self) -> None:
        """Release it, now or when the read that is under way returns. Safe to call twice."""
        self._guard.close()

    def _use(self, act: Callable[[], Any], nothing: Any) -> Any:
        import cv2

        with self._guard:
            if self._guard.closed:
                return nothing
            try:
                return act()
            except cv2.error as error:
                raise SourceError(f"OpenCV cannot decode it: {error.err}") from error


def _with_three_channels(picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return grey and BGRA as BGR; None if it is neither."""
    import cv2

    channels = 1 if picture.ndim == 2 else picture.shape[2]
    convert = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}
    if channels == 3:
        return picture
    if channels not in convert:
        return None
    return np.asarray(cv2.cvtColor(picture, convert[channels]), np.uint8)
