"""Video files as sources of frames, at the speed at which they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.cameras.protocol import ClosingSource, refuse_options
from edge_recog.errors import SourceError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"}
)


class VideoSource(ClosingSource):
    """The frames of a video file."""

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        """Open the file.

        Raises:
            SourceError: There is no such file, or no video in it.
            UsageError: There are options.
        """
        import cv2

        refuse_options(path, options)
        self.name = path
        if not Path(path).is_file():
            raise SourceError(f"{path}: no such file")
        self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise SourceError(f"{path}: not a video that OpenCV can decode, or damaged")
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length: int | None = count if count > 0 else None
        self._open = True

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            good, bgr = self._capture.read()
            if not good:
                break
            yield Frame.from_bgr(np.asarray(bgr, np.uint8), index=index, source=self.name)
            index += 1
        if index == 0 and self._open:
            raise SourceError(f"{self.name}: no frame can be decoded from this video")

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._open = False
        self._capture.release()
