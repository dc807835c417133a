"""Video files as sources of frames: as fast as they are read, or at their own pace."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.cameras.capture import Capture
from edge_recog.cameras.options import Options, Rate, Side, read_options
from edge_recog.cameras.pacing import Pace
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.cameras.scaling import scaled
from edge_recog.errors import SourceError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"}
)
_HIGHEST_RATE = 1000.0
"""Files that claim more frames a second do not know their rate."""


class VideoOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a video file."""

    loop: bool = False
    """Begin anew at the end, without end."""
    realtime: bool = False
    """Yield frames at the file's pace, and skip those that are late."""
    rate: Rate | None = None
    """Frames a second to play at, instead of the file's own; implies `realtime`."""
    width: Side | None = None
    """Scale to this; in proportion with one of width and height."""
    height: Side | None = None
    """See `width`."""


class VideoSource(ClosingSource):
    """The frames of a video file."""

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        """Open the file.

        Args:
            path: Of the file.
            options: See `VideoOptions`.

        Raises:
            SourceError: There is no such file, no video in it, or it does not tell its rate.
            UsageError: An option is unknown or not in range.
        """
        import cv2

        self._options = read_options(path, options, VideoOptions)
        super().__init__(path)
        if not Path(path).is_file():
            raise SourceError(f"{path}: no such file")
        self._capture = self._opened()
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length = count if count > 0 and not self._options.loop else None
        self._pace = self._paced(self._capture.get(cv2.CAP_PROP_FPS))
        self.is_patient = self._pace is None

    def __iter__(self) -> Iterator[Frame]:
        index = first = 0  # `first` of this time through the file.
        while not self._closed.is_set():
            if self._capture.grab():
                frame = self._frame(index)
                index += 1
                if frame is not None:
                    yield frame
            elif index == first and not self._closed.is_set():
                raise SourceError(f"{self.name}: no frame can be decoded from this video")
            elif not self._options.loop or self._closed.is_set():
                return
            else:
                first = index
                self._rewind()

    def close(self) -> None:
        """See `FrameSource.close`."""
        super().close()
        self._capture.close()

    def _frame(self, index: int) -> Frame | None:
        """Return the frame that was taken, when it is due; None if it is skipped or all is over."""
        if self._pace is not None and self._pace.is_late(index):
            self.skipped["late"] += 1
            return None
        bgr = self._capture.retrieve()
        if bgr is None:
            self.skipped["damaged"] += not self._closed.is_set()
            return None
        bgr = scaled(bgr, self._options.width, self._options.height)
        frame = Frame.from_bgr(bgr, index=index, source=self.name)
        if self._pace is None:
            return frame
        if not self._pace.wait(index):
            return None
        return Frame(frame.pixels, time.monotonic_ns(), index, self.name)

    def _opened(self) -> Capture:
        import cv2

        # An absolute path is never an address, whatever the file is called.
        capture = Capture(str(Path(self.name).resolve()), cv2.CAP_ANY)
        if not capture.is_open:
            raise SourceError(f"{self.name}: not a video that OpenCV can decode, or damaged")
        return capture

    def _rewind(self) -> None:
        # Opening anew works for every format; seeking does not.
        self._capture.close()
        self._capture = self._opened()
        if self._closed.is_set():
            self._capture.close()

    def _paced(self, rate: float) -> Pace | None:
        if self._options.rate is not None:
            return Pace(self._options.rate, self._closed)
        if not self._options.realtime:
            return None
        if not math.isfinite(rate) or not 0 < rate <= _HIGHEST_RATE:
            self._capture.close()
            raise SourceError(f"{self.name}: it does not tell its frame rate; add &rate=15")
        return Pace(rate, self._closed)
