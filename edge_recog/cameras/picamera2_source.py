"""A Raspberry Pi's own camera, by picamera2. The only module that imports it."""

from __future__ import annotations

import gc
import importlib
import re
import threading
import time
from typing import TYPE_CHECKING, Any

from edge_recog.cameras.clocks import to_monotonic
from edge_recog.cameras.device_reasons import holders_of, why_not_permitted
from edge_recog.cameras.guard import Guard
from edge_recog.cameras.options import size_of
from edge_recog.cameras.picamera2_options import camera_controls, read_settings
from edge_recog.cameras.pixel_formats import Layout, to_rgb
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.errors import EdgeRecogError, SourceError, UsageError, located
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

_DEVICE = re.compile(r"/dev/(?:video|media)\d+$")
_BUFFERS = 4
"""Pictures in flight: one exposed, one processed, one with us, one to spare."""
_FINISH_S = 0.5
"""How long a frame that was asked for is waited for when the camera is closed."""


class Picamera2Source(ClosingSource):
    """Frames of `picamera2:0?main=1280x720&lores=320x240`; options as `Picamera2Options`."""

    def __init__(self, number: str, options: Mapping[str, str]) -> None:
        """Open, configure and start the camera.

        Args:
            number: Of the camera, as `rpicam-hello --list-cameras` counts; the first if empty.
            options: See `Picamera2Options`; names that begin with a capital are libcamera's
                controls, such as `Brightness=0.1`.

        Raises:
            SourceError: It cannot be opened; the message says why.
            UsageError: An option is unknown or not in range.
        """
        name = f"picamera2:{number or 0}"
        if not re.fullmatch(r"\d{0,3}", number):
            raise UsageError(f"{name}: write it like picamera2:0")
        super().__init__(name)
        self._settings = read_settings(name, options)
        self._stream = "main" if self._settings.options.lores is None else "lores"
        self._wake = threading.Event()
        """Set when the frame that was asked for is there, and by `close`."""
        self._job: Any = None
        """The frame that was asked for and is not there yet."""
        self._camera = _opened(name, int(number or 0))
        self._guard = Guard(self._release)
        try:
            self._layout = self._configured()
            self._camera.start()
        except EdgeRecogError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise SourceError(f"{name}: the camera does not take these options: {error}") from error

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        timeout_s = max(
            self._settings.options.open_timeout_s, self._settings.options.read_timeout_s
        )
        while not self._closed.is_set():
            with self._guard:
                taken = None if self._guard.closed else self._taken(timeout_s)
            if taken is None:
                return
            pixels, captured_ns = taken
            yield Frame.from_rgb(pixels, captured_ns=captured_ns, index=index, source=self.name)
            timeout_s = self._settings.options.read_timeout_s
            index += 1

    def close(self) -> None:
        """See `FrameSource.close`. Interrupts a wait for a frame at once."""
        super().close()
        self._wake.set()
        self._guard.close()

    def _taken(self, timeout_s: float) -> tuple[NDArray[np.uint8], int] | None:
        """Return the next picture and when it was taken; None if it is closed meanwhile.

        Raises:
            SourceError: None comes.
        """
        self._wake.clear()
        if self._closed.is_set():
            return None
        try:
            self._job = self._camera.capture_request(signal_function=lambda _: self._wake.set())
            if not self._wake.wait(timeout_s):
                raise SourceError(
                    f"{self.name}: no frame within {timeout_s:g} s; check the ribbon cable with "
                    "the power off"
                )
            if self._closed.is_set():
                return None
            job, self._job = self._job, None
            request = job.get_result()
            try:
                data = request.make_buffer(self._stream)
                stamp_ns = request.get_metadata().get("SensorTimestamp", 0)
                now_ns = time.monotonic_ns()
                boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            finally:
                # At once: the camera stops when all of its few buffers are away.
                request.release()
        except SourceError:
            raise
        except Exception as error:
            raise SourceError(f"{self.name}: the camera failed: {error}") from error
        try:
            pixels = to_rgb(data, self._layout)
        except SourceError as error:
            raise located(error, self.name) from error
        return pixels, to_monotonic(stamp_ns, monotonic_ns=now_ns, boottime_ns=boot_ns)

    def _configured(self) -> Layout:
        """Configure the camera; return what it made of that.

        Raises:
            SourceError: It lacks something.
            UsageError: It lacks a control, or its value is not in range.
        """
        libcamera = importlib.import_module("libcamera")
        chosen = self._settings.options
        main: dict[str, Any] = {"size": chosen.main_size, "format": chosen.format or "RGB888"}
        lores: dict[str, Any] | None = None
        if chosen.lores is not None:
            # Before the Pi 5 lores is always YUV; main, which nobody reads, is as small as can be.
            lores = {"size": size_of(chosen.lores), "format": chosen.format or "YUV420"}
            main["format"] = "YUV420"
        known = self._camera.camera_controls
        configuration = self._camera.create_video_configuration(
            main=main,
            lores=lores,
            raw=None,
            transform=libcamera.Transform(hflip=chosen.hflip, vflip=chosen.vflip),
            # What `to_rgb` undoes, for every size.
            colour_space=libcamera.ColorSpace.Smpte170m(),
            buffer_count=_BUFFERS,
            controls=camera_controls(self.name, self._settings, known),
        )
        self._camera.configure(configuration)
        # A camera that cannot mirror is configured all the same, without a word.
        transform = self._camera.camera_configuration()["transform"]
        if (bool(transform.hflip), bool(transform.vflip)) != (chosen.hflip, chosen.vflip):
            raise SourceError(f"{self.name}: this camera cannot mirror; leave out hflip and vflip")
        got = self._camera.stream_configuration(self._stream)
        width, height = got["size"]
        return Layout(str(got["format"]), width, height, got["stride"])

    def _release(self) -> None:
        """Stop the camera, and give back a frame that comes too late for anyone."""
        job, self._job = self._job, None
        if job is not None:
            try:
                job.get_result(timeout=_FINISH_S).release()
            except TimeoutError:
                # Or stopping would wait behind it for ever.
                self._camera.cancel_all_and_flush()
        self._camera.close()
        # Its objects refer to each other in circles, and the buffers, of which a Raspberry Pi has
        # few, live as long as they do.
        self._camera = None
        gc.collect()


def _opened(name: str, number: int) -> Any:
    """Return a camera.

    Raises:
        SourceError: It cannot be opened.
    """
    library = load_picamera2(name)
    cameras = library.Picamera2.global_camera_info()
    if number >= len(cameras):
        there = ", ".join(f"{n} ({info.get('Model', '?')})" for n, info in enumerate(cameras))
        hint = "there is none: check the ribbon cable with the power off, then rpicam-hello"
        if cameras:
            hint = f"there is {there}"
        raise SourceError(f"{name}: no camera number {number}; {hint}")
    try:
        return library.Picamera2(number)
    except Exception as error:
        # All that libcamera raises is a RuntimeError, and the reason is in the one behind it.
        said = f"{error} {error.__context__ or ''}".lower()
        if "busy" in said or "acquire" in said:
            holders = ", ".join(holders_of(lambda path: _DEVICE.match(path) is not None))
            holder = holders or "another part of this program, or another user's,"
            reason = f"busy: {holder} has it open; stop that first"
        elif "permission" in said:
            reason = why_not_permitted()
        else:
            reason = f"it cannot be opened: {error}"
        raise SourceError(f"{name}: {reason}") from error


def load_picamera2(name: str) -> Any:
    """Return picamera2.

    Raises:
        SourceError: It is not installed, or does not fit this Python.
    """
    try:
        library = importlib.import_module("picamera2")
        importlib.import_module("libcamera")
    except ModuleNotFoundError as error:
        raise SourceError(
            f"{name}: {error.name} is not installed for this Python: "
            "sudo apt install python3-picamera2, then make the environment with "
            "python3 -m venv --system-site-packages"
        ) from error
    except Exception as error:
        raise SourceError(
            f"{name}: picamera2 cannot be loaded: {error}; use the system's Python, "
            "/usr/bin/python3 -m venv --system-site-packages, and its NumPy"
        ) from error
    return library
