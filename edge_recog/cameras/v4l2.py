"""USB and other cameras of the kernel (V4L2), read by OpenCV."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from edge_recog.cameras.capture import Capture
from edge_recog.cameras.clocks import to_monotonic
from edge_recog.cameras.device_reasons import why_silent, why_unusable
from edge_recog.cameras.guard import Guard, Interrupt
from edge_recog.cameras.options import LiveOptions, read_options
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.errors import SourceError, UsageError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_log = logging.getLogger(__name__)

_FourCc = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Z0-9 ]{4}$", description="a format of 4 letters: MJPG, YUYV, NV12"),
]


class V4l2Options(LiveOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a camera of the kernel; `edge-recog cameras` lists what it offers."""

    format: _FourCc | None = None
    """As it comes over the cable: `MJPG` for large pictures over USB 2; OpenCV's choice if None."""


class V4l2Source(ClosingSource):
    """Frames of `v4l2:/dev/video0?width=640&height=480&rate=15&format=MJPG`."""

    def __init__(self, device: str, options: Mapping[str, str]) -> None:
        """Open the device.

        Args:
            device: Its path, or its number.
            options: See `V4l2Options`.

        Raises:
            SourceError: It cannot be opened; the message says why.
            UsageError: It is no device, or an option is unknown or not in range.
        """
        import cv2

        name = f"v4l2:{device}"
        if not re.fullmatch(r"\d{1,3}|/.+", device):
            raise UsageError(f"{name}: write it like v4l2:/dev/video0 or v4l2:0")
        self._path = device if device.startswith("/") else f"/dev/video{device}"
        super().__init__(name)
        self._options = read_options(name, options, V4l2Options)
        reason = why_unusable(self._path)
        if reason is not None:
            raise SourceError(f"{name}: {reason}")
        # OpenCV takes for a device only what is called /dev/videoN: follow links such as by-id.
        real = str(Path(self._path).resolve())
        before = _descriptors_of(real)
        self._capture = Capture(real, cv2.CAP_V4L2)
        self._interrupt = Interrupt()
        self._guard = Guard(self._release)
        try:
            if not self._capture.is_open:
                raise SourceError(f"{name}: {why_silent(self._path)}")
            self._fd = max(_descriptors_of(real) - before, default=-1)
            if self._fd < 0:
                raise SourceError(f"{name}: opened, but /proc/self/fd does not show it")
            self._ask()
        except SourceError:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        import cv2

        index = 0
        good_at = time.monotonic()
        # The first grab starts the camera; until then there is nothing to wait for.
        while not self._closed.is_set() and (index == 0 or self._wait(good_at)):
            if not self._capture.grab():
                break
            now_ns = time.monotonic_ns()
            boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            # The time stamp of the buffer, as the driver wrote it.
            stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            bgr = self._capture.retrieve()
            if bgr is None:
                self.skipped["damaged"] += not self._closed.is_set()
            else:
                taken_ns = to_monotonic(stamp_ns, monotonic_ns=now_ns, boottime_ns=boot_ns)
                yield Frame.from_bgr(bgr, captured_ns=taken_ns, index=index, source=self.name)
                good_at = time.monotonic()
            index += 1
        if not self._closed.is_set():
            # Gone, taken by another, or of a kind that OpenCV cannot read.
            reason = why_unusable(self._path)
            if index:
                reason = f"the camera is lost: {reason or 'it is there, and its stream broke off'}"
            raise SourceError(f"{self.name}: {reason or why_silent(self._path)}")

    def close(self) -> None:
        """See `FrameSource.close`. Interrupts a wait for a frame at once."""
        super().close()
        self._interrupt.set()
        self._guard.close()

    def _release(self) -> None:
        self._capture.close()
        self._interrupt.close()

    def _wait(self, good_at: float) -> bool:
        """Wait for a frame, which OpenCV would do for 10 s without an end in sight.

        Args:
            good_at: `time.monotonic()` of the last good frame.

        Raises:
            SourceError: None comes.
        """
        with self._guard:
            if self._guard.closed:
                return False
            left_s = good_at + self._options.read_timeout_s - time.monotonic()
            woken = self._interrupt.wait(self._fd, timeout_s=left_s)
        if woken == "timed out" and not self._closed.is_set():
            damaged = self.skipped["damaged"]
            raise SourceError(
                f"{self.name}: no frame within {self._options.read_timeout_s:g} s"
                + (f"; {damaged} so far were damaged" if damaged else "")
            )
        return woken == "ready"

    def _ask(self) -> None:
        """Ask the camera, and warn if it chooses something else, as drivers do without a word."""
        import cv2

        chosen, capture = self._options, self._capture
        wanted: dict[int, int] = {}
        if chosen.format is not None:
            wanted[cv2.CAP_PROP_FOURCC] = cv2.VideoWriter.fourcc(*chosen.format)
        if chosen.width is not None:
            wanted[cv2.CAP_PROP_FRAME_WIDTH] = chosen.width
        if chosen.height is not None:
            wanted[cv2.CAP_PROP_FRAME_HEIGHT] = chosen.height
        if chosen.rate is not None:
            wanted[cv2.CAP_PROP_FPS] = round(chosen.rate)
        sides = {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT}
        # OpenCV asks for a size when it has both sides. The format first: sizes depend on it.
        missing = sides - wanted.keys() if sides & wanted.keys() else set()
        asked = wanted | {side: round(capture.get(side)) for side in missing}
        order = [cv2.CAP_PROP_FOURCC, *sorted(sides), cv2.CAP_PROP_FPS]
        for what in sorted(asked, key=order.index):
            capture.set(what, asked[what])
        for what, value in wanted.items():
            got = round(capture.get(what))
            if got != value:
                _log.warning(
                    "%s: asked for %s, the camera gives %s; see `edge-recog cameras`",
                    self.name,
                    _said(value),
                    _said(got),
                )


def _said(value: int) -> str:
    """Return a number, or the letters that are meant by it."""
    letters = value.to_bytes(4, "little", signed=value < 0)
    return letters.decode() if all(32 <= byte < 127 for byte in letters) else str(value)


def _descriptors_of(path: str) -> set[int]:
    """Return the descriptors by which this process has a device open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            if str(link.readlink()) == path:
                found.add(int(link.name))
        except FileNotFoundError:
            continue  # Closed meanwhile: the one by which the folder was listed, for instance.
    return found
