"""The recipe's list of augmentations; pure data, importable without TensorFlow.

    augment = [
        { kind = "flip" },
        { kind = "rotation", degrees = 15 },
        { kind = "zoom", factor = [0.8, 1.2] },
        { kind = "motion-blur", length = [2, 9], p = 0.2 },
        { kind = "mixup", alpha = 0.2 },
    ]

They are applied in the order given, each to a picture with its own probability `p`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_recog_converter.learning.sections import Section

Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Degrees = Annotated[float, msgspec.Meta(ge=0.0, le=180.0)]
Zooming = Annotated[float, msgspec.Meta(ge=0.2, le=5.0)]
Length = Annotated[float, msgspec.Meta(ge=1.0, le=29.0)]
Radius = Annotated[float, msgspec.Meta(ge=0.5, le=14.0)]
Quality = Annotated[int, msgspec.Meta(ge=1, le=100)]
Gain = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
Levels = Annotated[float, msgspec.Meta(ge=0.0, le=64.0)]
Kelvin = Annotated[float, msgspec.Meta(ge=2000.0, le=20_000.0)]
Alpha = Annotated[float, msgspec.Meta(ge=0.05, le=10.0)]


def _require_ascending(**ranges: tuple[float, float]) -> None:
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"{name} is [{low:g}, {high:g}]; the lower end comes first")


class Flip(Section, frozen=True, kw_only=True, tag="flip"):
    """Mirror, each axis with the probability `p`."""

    horizontal: bool = True
    """Swap left and right; not for classes that differ by them, such as text."""
    vertical: bool = False
    """Swap top and bottom."""
    p: Probability = 0.5


class Rotation(Section, frozen=True, kw_only=True, tag="rotation"):
    """Turn about the centre; what comes in from outside is the picture mirrored."""

    degrees: Degrees = 10.0
    """At most, to either side."""
    p: Probability = 1.0


class Zoom(Section, frozen=True, kw_only=True, tag="zoom"):
    """Enlarge or shrink about the centre, keeping the aspect; beyond it the picture mirrored."""

    factor: tuple[Zooming, Zooming] = (0.9, 1.1)
    """Range of how many times as large things become."""
    p: Probability = 1.0

    def __post_init__(self) -> None:
        """Check the order of the range."""
        _require_ascending(factor=self.factor)


class Translation(Section, frozen=True, kw_only=True, tag="translation"):
    """Shift; what comes in from outside is the picture mirrored."""

    height: Share = 0.1
    """At most, up or down, as a share of the picture's height."""
    width: Share = 0.1
    """At most, left or right, as a share of the picture's width."""
    p: Probability = 1.0


class Contrast(Section, frozen=True, kw_only=True, tag="contrast"):
    """Scale the distance of pixels to the picture's mean, by `1 - factor` to `1 + factor`."""

    factor: Share = 0.2
    p: Probability = 1.0


class Brightness(Section, frozen=True, kw_only=True, tag="brightness"):
    """Scale all pixels, by `1 - factor` to `1 + factor`: exposure."""

    factor: Share = 0.2
    p: Probability = 1.0


class WhiteBalance(Section, frozen=True, kw_only=True, tag="white-balance"):
    """A light of another colour than the camera is balanced for; for pictures in colour."""

    kelvin: tuple[Kelvin, Kelvin] = (4000.0, 9500.0)
    """Range of the light's colour temperature; the camera is balanced for 6500 K. Below it pictures
    become orange, above it blue."""
    tint: Annotated[float, msgspec.Meta(ge=0.0, le=0.5)] = 0.05
    """Largest change of green, as a share of it, to either side (fluorescent and LED light)."""
    p: Probability = 0.5

    def __post_init__(self) -> None:
        """Check the order of the range."""
        _require_ascending(kelvin=self.kelvin)


class MotionBlur(Section, frozen=True, kw_only=True, tag="motion-blur"):
    """The camera or the object moves in a straight line while the shutter is open."""

    length: tuple[Length, Length] = (2.0, 7.0)
    """Range of the way, in pixels of the network's input; 1 is none."""
    p: Probability = 0.2

    def __post_init__(self) -> None:
        """Check the order of the range."""
        _require_ascending(length=self.length)


class Defocus(Section, frozen=True, kw_only=True, tag="defocus"):
    """The object is out of the lens's focus: each point becomes a disk."""

    radius: tuple[Radius, Radius] = (0.5, 2.5)
    """Range of the disk's radius, in pixels of the network's input; 0.5 is sharp."""
    p: Probability = 0.2

    def __post_init__(self) -> None:
        """Check the order of the range."""
        _require_ascending(radius=self.radius)


class LowLight(Section, frozen=True, kw_only=True, tag="low-light"):
    """Less light, and the sensor's noise in what there is."""

    gain: tuple[Gain, Gain] = (0.3, 1.0)
    """Range of the factor that pixels are darkened by."""
    shot: Levels = 8.0
    """Standard deviation of shot noise at white, in grey levels of 255; falls with the square root
    of the light."""
    read: Levels = 3.0
    """Standard deviation of read noise, in grey levels of 255, the same everywhere."""
    p: Probability = 0.3

    def __post_init__(self) -> None:
        """Check the order of the range."""
        _require_ascending(gain=self.gain)


class Jpeg(Section, frozen=True, kw_only=True, tag="jpeg"):
    """Compression as JPEG, with its blocks and its halved colour resolution."""

    quality: tuple[Quality, Quality] = (30, 90)
    """Range of libjpeg's quality."""
    p: Probability = 0.3

    def __post_init__(self) -> None:
        """Check the order of the range."""
        _require_ascending(quality=self.quality)


class RandAugment(Section, frozen=True, kw_only=True, tag="rand-augment"):
    """Operations drawn from a list of 14 for each picture (Cubuk et al., arXiv:1909.13719)."""

    operations: Annotated[int, msgspec.Meta(ge=1, le=4)] = 2
    """How many, one after the other (N)."""
    magnitude: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)] = 5.0
    """How strong all of them are (M)."""
    p: Probability = 1.0


class Erasing(Section, frozen=True, kw_only=True, tag="random-erasing"):
    """Hide a rectangle behind one random colour (Zhong et al., arXiv:1708.04896)."""

    area: tuple[Share, Share] = (0.02, 0.2)
    """Range of the rectangle's share of the picture."""
    p: Probability = 0.25

    def __post_init__(self) -> None:
        """Check the order of the range."""
        _require_ascending(area=self.area)


class MixUp(Section, frozen=True, kw_only=True, tag="mixup"):
    """Blend a picture and its target with another's (Zhang et al., arXiv:1710.09412)."""

    alpha: Alpha = 0.2
    """The share is drawn from Beta(alpha, alpha): towards 0 one picture dominates."""
    p: Probability = 1.0


class CutMix(Section, frozen=True, kw_only=True, tag="cutmix"):
    """Put a rectangle of another picture in, and its target (Yun et al., arXiv:1905.04899)."""

    alpha: Alpha = 1.0
    """The rectangle's share is drawn from Beta(alpha, alpha)."""
    p: Probability = 0.5


Augmentation = (
    Flip
    | Rotation
    | Zoom
    | Translation
    | Contrast
    | Brightness
    | WhiteBalance
    | MotionBlur
    | Defocus
    | LowLight
    | Jpeg
    | RandAugment
    | Erasing
    | MixUp
    | CutMix
)
