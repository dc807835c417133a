"""On stand-ins for picamera2 and libcamera that behave as their manual says."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_recog.cameras import open_source
from edge_recog.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_BYTES = {"RGB888": 3, "BGR888": 3, "XRGB8888": 4, "XBGR8888": 4}


class Job:
    """What asking for a frame without waiting returns."""

    def __init__(self, done: Callable[[Job], None]) -> None:
        self._future: concurrent.futures.Future[Request] = concurrent.futures.Future()
        self._done = done

    def get_result(self, timeout: float | None = None) -> Request:
        return self._future.result(timeout)

    def finish(self, request: Request) -> None:
        self._future.set_result(request)
        self._done(self)


class Request:
    """A frame in one of the camera's few buffers."""

    def __init__(
        self, camera: Picamera2, data: NDArray[np.uint8], metadata: dict[str, Any]
    ) -> None:
        self._camera, self._data, self._metadata = camera, data, metadata
        self._held = True
        camera.held += 1

    def make_buffer(self, name: str) -> NDArray[np.uint8]:
        assert self._held
        assert name in {"main", "lores"}
        self._camera.read.append(name)
        return self._data.copy()

    def get_metadata(self) -> dict[str, Any]:
        assert self._held
        return dict(self._metadata)

    def release(self) -> None:
        assert self._held
        self._held = False
        self._camera.held -= 1


class Picamera2:
    """A camera; see The Picamera2 Library (raspberrypi.com), chapters 4 to 6 and appendix C."""

    cameras: tuple[dict[str, Any], ...] = ({"Model": "imx708", "Id": "/base/imx708", "Num": 0},)
    opened: list[Picamera2]
    fails: Exception | None = None
    stride_padding = 0

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return list(cls.cameras)

    def __init__(self, number: int) -> None:
        try:
            if self.fails is not None:
                raise self.fails
        except RuntimeError:
            raise RuntimeError("Camera __init__ sequence did not complete.")  # noqa: B904 - as it does
        self.number = number
        self.held = 0
        self.read: list[str] = []
        self.configuration: dict[str, Any] = {}
        self.calls: list[str] = []
        self.waiting: list[Job] = []
        self.asked = threading.Semaphore(0)
        self.camera_controls: dict[str, tuple[Any, Any, Any]] = {
            "AnalogueGain": (1.0, 16.0, 1.0),
            "AwbMode": (0, 7, 0),
            "AwbEnable": (False, True, None),
            "Brightness": (-1.0, 1.0, 0.0),
            "AeMeteringMode": (0, 3, 0),
            "ExposureTime": (1, 66_666, 20_000),
            "FrameDurationLimits": (33_333, 120_000, None),
            "ScalerCrop": ((0, 0, 64, 64), (0, 2, 4608, 2592), (0, 2, 4608, 2592)),
        }
        Picamera2.opened.append(self)

    def __enter__(self) -> Picamera2:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sensor_modes(self) -> list[dict[str, Any]]:
        return [
            {"format": "SRGGB10_CSI2P", "size": (1536, 864), "fps": 120.13, "bit_depth": 10},
            {"format": "SRGGB10_CSI2P", "size": (4608, 2592), "fps": 14.35, "bit_depth": 10},
            {"format": "MJPEG"},
        ]

    def create_video_configuration(
        self,
        main: dict[str, Any],
        lores: dict[str, Any] | None,
        raw: None,
        transform: Any,
        colour_space: str,
        buffer_count: int,
        controls: dict[str, Any],
    ) -> dict[str, Any]:
        assert raw is None
        assert colour_space == "Smpte170m"
        streams = {"main": dict(main), "lores": None if lores is None else dict(lores)}
        return {
            **streams,
            "transform": transform,
            "buffer_count": buffer_count,
            "controls": controls,
        }

    def configure(self, configuration: dict[str, Any]) -> None:
        self.calls.append("configure")
        for name in ("main", "lores"):
            found = configuration[name]
            if found is not None:
                found["stride"] = found["size"][0] * _BYTES.get(found["format"], 1)
                found["stride"] += self.stride_padding
        self.configuration = configuration

    def camera_configuration(self) -> dict[str, Any]:
        return self.configuration

    def stream_configuration(self, name: str = "main") -> dict[str, Any]:
        found: dict[str, Any] = self.configuration[name]
        return found

    def start(self) -> None:
        self.calls.append("start")

    def capture_request(self, signal_function: Callable[[Job], None]) -> Job:
        job = Job(signal_function)
        self.waiting.append(job)
        self.asked.release()
        return job

    def deliver(self, shade: int = 128, *, stamp_ns: int | None = None, name: str = "main") -> None:
        """Finish the frame that was asked for: one shade of grey, but for a green row below."""
        assert self.asked.acquire(timeout=10)
        stream = self.configuration[name]
        height, stride = stream["size"][1], stream["stride"]
        if stream["format"] in _BYTES:
            data = np.full((height, stride), shade, np.uint8)
            data[-1] = 0
            data[-1, 1 :: _BYTES[stream["format"]]] = 255
        else:
            data = np.full((height * 3 // 2, stride), 128, np.uint8)
            data[:height] = shade
        metadata = {} if stamp_ns is None else {"SensorTimestamp": stamp_ns}
        self.waiting.pop(0).finish(Request(self, data.ravel(), metadata))

    def cancel_all_and_flush(self) -> None:
        self.calls.append("cancel")
        self.waiting.clear()

    def close(self) -> None:
        assert not self.waiting, "stopping would wait behind the frame for ever"
        assert not self.held
        self.calls.append("close")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Picamera2]]:
    """Put the stand-ins where the libraries would be."""
    library = ModuleType("picamera2")
    kind = type("Picamera2", (Picamera2,), {})
    library.Picamera2 = kind  # type: ignore[attr-defined]
    libcamera = ModuleType("libcamera")
    libcamera.Transform = lambda hflip, vflip: SimpleNamespace(  # type: ignore[attr-defined]
        hflip=hflip, vflip=vflip
    )
    libcamera.ColorSpace = SimpleNamespace(  # type: ignore[attr-defined]
        Smpte170m=lambda: "Smpte170m"
    )
    monkeypatch.setitem(sys.modules, "picamera2", library)
    monkeypatch.setitem(sys.modules, "libcamera", libcamera)
    monkeypatch.setattr(Picamera2, "opened", [], raising=False)
    yield kind
    for camera in Picamera2.opened:
        assert camera.calls[-1:] == ["close"]


def take(text: str, *shades: int, **delivery: Any) -> list[Any]:
    """Open a source, deliver frames to it, and return them."""
    with open_source(text) as source:
        camera = Picamera2.opened[-1]
        frames, found = iter(source), []
        for shade in shades:
            thread = threading.Thread(target=camera.deliver, args=(shade,), kwargs=delivery)
            thread.start()
            found.append(next(frames))
            thread.join()
            assert camera.held == 0
    return found


@pytest.mark.parametrize("padding", [0, 32], ids=["tight", "padded"])
@pytest.mark.parametrize("kind", ["RGB888", "XBGR8888", "BGR888", "YUV420", "NV12"])
def test_frames_are_rgb_in_every_format(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch, kind: str, padding: int
) -> None:
    monkeypatch.setattr(library, "stride_padding", padding)
    (frame,) = take(f"picamera2:0?main=64x48&format={kind}", 126)

    assert (frame.width, frame.height) == (64, 48)
    if kind in _BYTES:
        assert frame.pixels[0, 0].tolist() == [126, 126, 126]
        assert frame.pixels[-1, 0].tolist() == [0, 255, 0]
    else:
        # Luma of video goes from 16 to 235.
        assert frame.pixels[0, 0].tolist() == [128, 128, 128]


def test_frames_are_numbered_and_of_the_time_that_the_sensor_says(
    library: type[Picamera2],
) -> None:
    stamp_ns = time.monotonic_ns() - 5_000_000
    first, second = take("picamera2:0?main=64x48", 10, 20, stamp_ns=stamp_ns)

    assert (first.index, second.index) == (0, 1)
    assert (int(first.pixels[0, 0, 0]), int(second.pixels[0, 0, 0])) == (10, 20)
    assert first.captured_ns == second.captured_ns == stamp_ns
    assert first.source == "picamera2:0"


def test_without_a_time_stamp_it_is_the_time_of_the_read(library: type[Picamera2]) -> None:
    before = time.monotonic_ns()
    (frame,) = take("picamera2:0", 10)

    assert before <= frame.captured_ns <= time.monotonic_ns()


def test_with_a_second_stream_frames_are_made_of_it(library: type[Picamera2]) -> None:
    (frame,) = take("picamera2:0?main=1280x720&lores=320x240", 100, name="lores")
    camera = library.opened[0]

    assert (frame.width, frame.height) == (320, 240)
    assert camera.read == ["lores"]
    assert camera.configuration["main"]["size"] == (1280, 720)
    assert camera.configuration["lores"]["format"] == "YUV420"


def test_the_camera_may_change_size_and_format(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = Picamera2.configure

    def adjust(self: Picamera2, configuration: dict[str, Any]) -> None:
        configuration["main"] |= {"size": (48, 32), "format": "NV12"}
        configure(self, configuration)

    monkeypatch.setattr(library, "configure", adjust)
    (frame,) = take("picamera2:0?main=50x31", 126)

    assert (frame.width, frame.height) == (48, 32)


def test_a_camera_that_does_not_mirror_as_asked_is_an_error(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = Picamera2.configure

    def adjust(self: Picamera2, configuration: dict[str, Any]) -> None:
        configure(self, {**configuration, "transform": SimpleNamespace(hflip=False, vflip=False)})

    monkeypatch.setattr(library, "configure", adjust)

    with pytest.raises(
        SourceError, match="picamera2:0: this camera cannot mirror; leave out hflip"
    ):
        open_source("picamera2:0?hflip=1")


def configured(text: str) -> dict[str, Any]:
    with open_source(text):
        return Picamera2.opened[-1].configuration


def test_options_reach_the_camera(library: type[Picamera2]) -> None:
    found = configured(
        "picamera2:?width=800&height=600&hflip=1&vflip=1&rate=20&exposure_us=5000&gain=2.5"
        "&awb=daylight&roi=0.25,0.5,0.5,0.25&Brightness=-0.2&AeMeteringMode=1&AwbEnable=0"
    )

    assert found["main"]["size"] == (800, 600)
    assert found["transform"] == SimpleNamespace(hflip=True, vflip=True)
    assert found["controls"] == {
        "FrameDurationLimits": (50_000, 50_000),
        "ExposureTime": 5000,
        "AnalogueGain": 2.5,
        "AwbMode": 5,
        "ScalerCrop": (1152, 1298, 2304, 648),
        "Brightness": -0.2,
        "AeMeteringMode": 1,
        "AwbEnable": False,
    }


def test_without_options_it_is_a_small_picture_and_all_is_automatic(
    library: type[Picamera2],
) -> None:
    found = configured("picamera2:0")

    assert found["main"] == {"size": (640, 480), "format": "RGB888", "stride": 1920}
    assert found["lores"] is None
    assert found["controls"] == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("format=RGB", "format=RGB must be one of "),
        ("mian=640x480", "no option 'mian'; did you mean 'main'"),
        ("main=640x480&width=320", "main says the size already; leave out width and height"),
        ("main=320x240&lores=640x480", "lores=640x480 must not be larger than main"),
        ("awb=sunny", "awb=sunny must be one of "),
        ("gain=0.5", "gain=0.5 must be a number from 1 to 64"),
        ("exposure_us=0", "must be a whole number from 1 to 700000000"),
        ("roi=0,0,1", "roi=0,0,1 must be left,top,width,height as parts of 1"),
        ("roi=0.5,0,0.6,1", "must lie within 0,0,1,1 and not be empty"),
        ("roi=0,0,0,1", "must lie within 0,0,1,1 and not be empty"),
        ("Brigthness=1", "no control Brigthness; did you mean Brightness?"),
        ("Zzz=1", "no control Zzz; it has AeMeteringMode, AnalogueGain"),
        ("Brightness=2", "Brightness=2 must be from -1.0 to 1.0"),
        ("Brightness=nan", "Brightness=nan must be a number"),
        ("AeMeteringMode=0.5", "AeMeteringMode=0.5 must be a whole number"),
        ("AwbEnable=2", "AwbEnable=2 must be 1 or 0"),
        ("ScalerCrop=1", "ScalerCrop=1 must be set otherwise"),
        ("gain=2&AnalogueGain=3", "AnalogueGain is set twice"),
    ],
)
def test_what_cannot_be_set_is_refused(
    library: type[Picamera2], options: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(f"picamera2:0?{options}")
    assert str(caught.value).startswith("picamera2:0: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("control", "option", "message"),
    [
        ("ScalerCrop", "roi=0,0,1,1", "this camera cannot crop"),
        ("ExposureTime", "exposure_us=100", "this camera has no ExposureTime"),
    ],
)
def test_a_camera_that_lacks_what_is_asked_for_says_so(
    library: type[Picamera2],
    monkeypatch: pytest.MonkeyPatch,
    control: str,
    option: str,
    message: str,
) -> None:
    make = Picamera2.__init__

    def make_without(self: Picamera2, number: int) -> None:
        make(self, number)
        del self.camera_controls[control]

    monkeypatch.setattr(library, "__init__", make_without)

    with pytest.raises(SourceError, match=message):
        open_source(f"picamera2:0?{option}")


def test_a_camera_that_stalls_is_given_up(library: type[Picamera2]) -> None:
    source = open_source("picamera2:0?open_timeout_s=0.2&read_timeout_s=0.2")
    with source, pytest.raises(SourceError, match=r"picamera2:0: no frame within 0\.2 s"):
        next(iter(source))

    # Stopping would wait behind the frame that never comes.
    assert library.opened[0].calls == ["configure", "start", "cancel", "close"]


def test_a_frame_that_comes_after_closing_is_given_back(library: type[Picamera2]) -> None:
    source = open_source("picamera2:0?open_timeout_s=0.1&read_timeout_s=0.1")
    with pytest.raises(SourceError, match="no frame within"):
        next(iter(source))
    camera = library.opened[0]
    camera.deliver()
    assert camera.held == 1
    source.close()

    assert camera.held == 0
    assert camera.calls == ["configure", "start", "close"]


def test_closing_from_another_thread_ends_a_wait_at_once(library: type[Picamera2]) -> None:
    source = open_source("picamera2:0?open_timeout_s=600")
    said: list[list[Any]] = []
    thread = threading.Thread(target=lambda: said.append(list(source)))
    thread.start()
    assert library.opened[0].asked.acquire(timeout=10)
    source.close()
    source.close()
    thread.join(10)

    assert said == [[]]
    assert list(source) == []


def test_a_request_is_released_even_if_it_cannot_be_read(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Request, name: str) -> NDArray[np.uint8]:
        raise RuntimeError("Failed to map buffer")

    monkeypatch.setattr(Request, "make_buffer", fail)

    with pytest.raises(SourceError, match="picamera2:0: the camera failed: Failed to map buffer"):
        take("picamera2:0", 1)
    assert library.opened[0].held == 0


def test_options_that_the_camera_does_not_take_are_an_error(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Picamera2, configuration: dict[str, Any]) -> None:
        raise RuntimeError("lores stream must be YUV")

    monkeypatch.setattr(library, "configure", fail)

    with pytest.raises(SourceError, match="does not take these options: lores stream must be YUV"):
        open_source("picamera2:0")


@pytest.mark.parametrize(
    ("cameras", "number", "message"),
    [
        ((), 0, "no camera number 0; there is none: check the ribbon cable"),
        (({"Model": "imx708"},), 1, r"no camera number 1; there is 0 \(imx708\)"),
    ],
)
def test_a_camera_that_is_not_there_is_named_with_those_that_are(
    library: type[Picamera2],
    monkeypatch: pytest.MonkeyPatch,
    cameras: Any,
    number: int,
    message: str,
) -> None:
    monkeypatch.setattr(library, "cameras", cameras)

    with pytest.raises(SourceError, match=f"picamera2:{number}: {message}"):
        open_source(f"picamera2:{number}")


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ("Failed to acquire camera: Device or resource busy", "busy: .* has it open; stop that"),
        ("open: Permission denied", "no permission: .* sudo usermod -aG video"),
        ("something else", "it cannot be opened: Camera __init__ sequence did not complete"),
    ],
)
def test_why_it_cannot_be_opened_is_said(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch, cause: str, message: str
) -> None:
    monkeypatch.setattr(library, "fails", RuntimeError(cause))

    with pytest.raises(SourceError, match=f"picamera2:0: {message}"):
        open_source("picamera2:0")


@pytest.mark.parametrize("name", ["picamera2", "libcamera"])
def test_a_missing_library_tells_how_it_is_installed(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(SourceError, match=r"apt install python3-picamera2.*--system-site-packages"):
        open_source("picamera2:0")


def test_a_library_that_does_not_load_is_an_error(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    def fail(name: str) -> ModuleType:
        raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")

    monkeypatch.setattr(importlib, "import_module", fail)
    from edge_recog.cameras.picamera2_source import Picamera2Source

    with pytest.raises(SourceError, match=r"picamera2 cannot be loaded: numpy\.dtype size"):
        Picamera2Source("0", {})


@pytest.mark.parametrize("number", ["one", "-1", "0x0"])
def test_a_camera_has_a_number(number: str) -> None:
    with pytest.raises(UsageError, match="write it like picamera2:0"):
        open_source(f"picamera2:{number}")
