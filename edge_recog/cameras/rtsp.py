"""Network cameras that speak RTSP, read by OpenCV through FFmpeg."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge_recog.cameras.addresses import read_address
from edge_recog.cameras.backlog import Backlog
from edge_recog.cameras.capture import Capture
from edge_recog.cameras.options import LiveOptions, read_options
from edge_recog.cameras.pacing import Limit
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.cameras.rtsp_reasons import why_closed
from edge_recog.cameras.scaling import scaled
from edge_recog.errors import SourceError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class RtspSource(ClosingSource):
    """Frames of `rtsp://USER:PASSWORD@HOST:PORT/PATH#OPTION=VALUE`; options as `LiveOptions`.

    FFmpeg cannot be interrupted: after `close` a read that waits lasts up to `read_timeout_s`.
    """

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        """Connect to the camera.

        Args:
            address: With user and password, if the camera wants any.
            options: See `LiveOptions`.

        Raises:
            SourceError: There is no stream; the message says why.
            UsageError: It is no address, or an option is unknown or not in range.
        """
        import cv2

        where = read_address(address)
        super().__init__(where.name)
        self._options = read_options(where.name, options, LiveOptions)
        open_ms = round(self._options.open_timeout_s * 1000)
        read_ms = round(self._options.read_timeout_s * 1000)
        parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, open_ms]
        parameters += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms]
        self._opening_s = time.monotonic()
        self._capture = Capture(address, cv2.CAP_FFMPEG, parameters)
        if not self._capture.is_open:
            raise SourceError(
                f"{self.name}: {why_closed(where, timeout_s=self._options.open_timeout_s)}"
            )

    def __iter__(self) -> Iterator[Frame]:
        import cv2

        backlog = Backlog(since_s=self._opening_s, rate=self._capture.get(cv2.CAP_PROP_FPS))
        limit = Limit(self._options.rate)
        index = 0
        good_at = asked_s = time.monotonic()
        while self._capture.grab():
            captured_ns = time.monotonic_ns()
            if backlog.is_old(asked_s, captured_ns / 1e9):
                self.skipped["late"] += 1
            elif not limit.passes(captured_ns):
                self.skipped["limited"] += 1
            elif (bgr := self._capture.retrieve()) is None:
                if self._closed.is_set():
                    return
                self.skipped["damaged"] += 1
                if time.monotonic() - good_at > self._options.read_timeout_s:
                    break
            else:
                bgr = scaled(bgr, self._options.width, self._options.height)
                yield Frame.from_bgr(bgr, captured_ns=captured_ns, index=index, source=self.name)
                good_at = time.monotonic()
            index += 1
            asked_s = time.monotonic()
        if not self._closed.is_set():
            raise SourceError(
                f"{self.name}: the camera ended the stream, or sent nothing for "
                f"{self._options.read_timeout_s:g} s"
            )

    def close(self) -> None:
        """See `FrameSource.close`."""
        super().close()
        self._capture.close()
