"""What may be set of a Raspberry Pi's camera: streams, crop, and libcamera's controls."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from edge_recog.cameras.options import LiveOptions, SizeText, read_options, size_of
from edge_recog.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_RegionText = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(?:[01](?:\.\d{1,6})?,){3}[01](?:\.\d{1,6})?$",
        description="left,top,width,height as parts of 1, such as 0.25,0.25,0.5,0.5",
    ),
]

_AWB_MODES: Final = {
    "auto": 0,
    "incandescent": 1,
    "tungsten": 2,
    "fluorescent": 3,
    "indoor": 4,
    "daylight": 5,
    "cloudy": 6,
}
"""AwbModeEnum of libcamera's control_ids_core.yaml."""


class Picamera2Options(LiveOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a Raspberry Pi's camera, beside libcamera's controls."""

    main: SizeText | None = None
    """Size of the stream; that of `width` and `height` if None, else 640x480."""
    lores: SizeText | None = None
    """A second, smaller picture that the camera's processor makes. If there is one, frames are made
    of it, and `main` only says what it is scaled from."""
    format: Literal["RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "NV12"] | None = None
    """Of the stream that frames are made of. RGB888, and for `lores` YUV420, if None."""
    hflip: bool = False
    """Mirror."""
    vflip: bool = False
    """Upside down; with `hflip` turned by 180 degrees."""
    roi: _RegionText | None = None
    """Part of the sensor to look at: digital zoom."""
    exposure_us: Annotated[int, msgspec.Meta(ge=1, le=700_000_000)] | None = None
    """Fixed, microseconds; automatic if None."""
    gain: Annotated[float, msgspec.Meta(ge=1, le=64)] | None = None
    """Analogue, fixed; automatic if None."""
    awb: (
        Literal["auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy"]
        | None
    ) = None
    """White balance."""

    @property
    def main_size(self) -> tuple[int, int]:
        """Width and height of the main stream."""
        if self.main is not None:
            return size_of(self.main)
        return self.width or 640, self.height or 480


@dataclass(frozen=True)
class CameraSettings:
    """All that was asked for."""

    options: Picamera2Options
    controls: Mapping[str, str]
    """libcamera's own, by name, not checked yet: only the camera knows which it has."""


def read_settings(where: str, options: Mapping[str, str]) -> CameraSettings:
    """Return options and controls; what begins with a capital is a control of libcamera.

    Args:
        where: The source, for messages.
        options: Name → value, both as text.

    Raises:
        UsageError: An option is unknown or not in range, or two contradict each other.
    """
    controls = {name: value for name, value in options.items() if name[:1].isupper()}
    plain = {name: value for name, value in options.items() if name not in controls}
    chosen = read_options(where, plain, Picamera2Options)
    if chosen.main is not None and (chosen.width, chosen.height) != (None, None):
        raise UsageError(f"{where}: main says the size already; leave out width and height")
    if chosen.lores is not None:
        width, height = size_of(chosen.lores)
        if width > chosen.main_size[0] or height > chosen.main_size[1]:
            raise UsageError(f"{where}: lores={chosen.lores} must not be larger than main")
    return CameraSettings(chosen, controls)


def camera_controls(
    where: str, settings: CameraSettings, known: Mapping[str, tuple[Any, Any, Any]]
) -> dict[str, Any]:
    """Return libcamera's controls and the values that they are set to.

    Args:
        where: The source, for messages.
        settings: What was asked for.
        known: Name → least, most and default value, as the camera says.

    Raises:
        SourceError: This camera lacks a control that is needed.
        UsageError: A control is unknown, or its value is not in range.
    """
    chosen = settings.options
    wanted: dict[str, Any] = {}
    if chosen.rate is not None:
        duration_us = round(1e6 / chosen.rate)
        wanted["FrameDurationLimits"] = (duration_us, duration_us)
    if chosen.exposure_us is not None:
        wanted["ExposureTime"] = chosen.exposure_us
    if chosen.gain is not None:
        wanted["AnalogueGain"] = chosen.gain
    if chosen.awb is not None:
        wanted["AwbMode"] = _AWB_MODES[chosen.awb]
    if chosen.roi is not None:
        if "ScalerCrop" not in known:
            raise SourceError(f"{where}: this camera cannot crop, so there is no roi")
        wanted["ScalerCrop"] = _crop(where, chosen.roi, known["ScalerCrop"][1])
    for name in wanted:
        if name not in known:
            raise SourceError(f"{where}: this camera has no {name}; leave out what sets it")
    for name, text in settings.controls.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known))}"
            raise UsageError(f"{where}: this camera has no control {name}; {hint}")
        if name in wanted:
            raise UsageError(f"{where}: {name} is set twice, by its own name and by an option")
        wanted[name] = _control(where, name, text, known[name])
    return wanted


def _crop(where: str, roi: str, whole: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the part of the sensor, in its pixels; even, as colour filters are."""
    left, top, width, height = map(float, roi.split(","))
    if not width or not height or left + width > 1 or top + height > 1:
        raise UsageError(f"{where}: roi={roi} must lie within 0,0,1,1 and not be empty")
    x, y, columns, rows = whole
    return (
        x + 2 * int(left * columns / 2),
        y + 2 * int(top * rows / 2),
        max(2, 2 * int(width * columns / 2)),
        max(2, 2 * int(height * rows / 2)),
    )


def _control(where: str, name: str, text: str, known: tuple[Any, Any, Any]) -> Any:
    """Return the value of a control, of the kind that its range is of."""
    least, most, default = known
    kind = next((type(value) for value in (least, most, default) if value is not None), None)
    value: Any
    if kind is bool:
        value = {"1": True, "0": False, "true": True, "false": False}.get(text.lower())
        if value is None:
            raise UsageError(f"{where}: {name}={text} must be 1 or 0")
        return value
    if kind not in {int, float} or not re.fullmatch(r"-?\d{1,12}(?:\.\d{1,9})?", text):
        said = "a number" if kind in {int, float} else "set otherwise: it is no single number"
        raise UsageError(f"{where}: {name}={text} must be {said}")
    value = float(text)
    if kind is int:
        if not value.is_integer():
            raise UsageError(f"{where}: {name}={text} must be a whole number")
        value = int(value)
    if (least is not None and value < least) or (most is not None and value > most):
        raise UsageError(f"{where}: {name}={text} must be from {least} to {most}")
    return value
