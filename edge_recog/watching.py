"""Looks at every frame before anything is said of it: is the camera well, and does anything move.

Both work on a few thousand sampled pixels. They are not averaged, so a sensor's noise stays, and
two frames of a live camera are never the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog.frames import Frame

FaultKind = Literal["black", "overexposed", "frozen", "repeated"]
"""What is wrong with a frame. `repeated`: it looks like one that was judged before, so that it says
nothing new; `frozen`: there have been no others for a while."""

_CHECK_EDGE: Final = 32
_MOTION_EDGE: Final = 64
"""Samples along an edge, about: small things move, but a camera fails as a whole."""
_FREEZE_FRAMES: Final = 3
"""Of how many frames a frozen picture is told at least, however slowly they come."""
_KNOWN_PICTURES: Final = 48
"""How many are remembered: more than an encoder makes of one still picture between key frames."""
_FLICKER: Final = 2.0
"""Mean difference in brightness that encoding a still picture again stays below (measured: 1.5 for
MPEG-4 at OpenCV's default quality)."""
_THAW_NS: Final = 1_000_000_000
"""How long a picture that was frozen has to go on changing, where it changes by less than that."""


class Fault(msgspec.Struct, frozen=True):
    """Why a frame must not be answered."""

    kind: FaultKind
    reason: str
    """A sentence with figures, for people."""


class WatchRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a frame is no picture. Brightness is the mean of the three channels, 0-255."""

    black_mean: float | None = 16.0
    """At most this bright on average, and even, is black; None to take black for a picture.

    16 is black in video of limited range that was read as full range.
    """
    white_mean: float | None = 247.0
    """At least this bright on average, and even, is overexposed; None to take it for a picture."""
    even_deviation: float = 8.0
    """Standard deviation up to which brightness is even: a lamp in the dark is above it."""
    freeze_s: float | None = 2.0
    """A picture that stands still for so long is frozen. None for a digital source whose picture
    may stand still, which then is never `repeated` either. Above the time between key frames for a
    camera that sends nothing else while its scene is still."""
    freeze_noise: float = 0.05
    """Mean difference in brightness, 0-255, up to which two pictures are the same. Below the noise
    of any sensor."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is out of its range.
        """
        for name in ("black_mean", "white_mean", "even_deviation", "freeze_noise"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 255:
                raise ValueError(f"{name} is {value}; it must be from 0 to 255")
        black, white = self.black_mean, self.white_mean
        if black is not None and white is not None and black >= white:
            raise ValueError(
                f"black_mean is {black}; it must be below white_mean, which is {white}"
            )
        if self.freeze_s is not None and not 0 < self.freeze_s <= 86_400:
            raise ValueError(
                f"freeze_s is {self.freeze_s}; it must be above 0 and at most 86400, or left out"
            )


class FrameCheck:
    """Judges the frames of one source, one after the other."""

    def __init__(self, rules: WatchRules | None = None) -> None:
        """Begin without a past.

        Args:
            rules: The defaults if None.
        """
        self.rules = rules or WatchRules()
        self._freeze = _Freeze(self.rules)

    def judge(self, frame: Frame) -> Fault | None:
        """Return what is wrong with a frame; None if nothing is.

        Args:
            frame: Newer than the last one.
        """
        grey = _brightness(frame, _CHECK_EDGE)
        standing = self._standing_still(grey, frame.captured_ns)
        return self._light(grey) or standing

    def _light(self, grey: NDArray[np.int16]) -> Fault | None:
        black, white = self.rules.black_mean, self.rules.white_mean
        mean = int(grey.sum()) / grey.size / 3
        is_black = black is not None and mean <= black
        is_white = white is not None and mean >= white
        if not (is_black or is_white):
            return None
        deviation = float(grey.std()) / 3
        if deviation > self.rules.even_deviation:
            return None
        figures = f"mean brightness {mean:.1f} of 255, deviation {deviation:.1f}"
        if is_black:
            return Fault(
                "black",
                f"the picture is black ({figures}): look whether the lens is covered, the light "
                "off, or the camera's exposure stuck",
            )
        return Fault(
            "overexposed",
            f"the picture is overexposed ({figures}): look whether the camera faces a lamp or the "
            "sun, or its exposure is stuck",
        )

    def _standing_still(self, grey: NDArray[np.int16], at_ns: int) -> Fault | None:
        if self.rules.freeze_s is None:
            return None
        is_new = self._freeze.look(grey, at_ns)
        if self._freeze.is_frozen:
            still_s = (at_ns - self._freeze.since_ns) / 1e9
            return Fault(
                "frozen",
                f"the picture has stood still for {still_s:.1f} s ({self._freeze.frames} frames "
                "without a new one among them): the camera or its driver hangs",
            )
        if is_new:
            return None
        return Fault(
            "repeated",
            "the frame shows a picture that was there before, without so much as a sensor's noise",
        )


class _Freeze:
    """Tells a still picture from a still scene, in which a sensor's noise makes every frame new.

    A frame is new if it looks like none of the pictures remembered. The last one alone would not
    do: where a still picture is encoded again and again it flickers with every key frame, and a
    driver may hand out the same few buffers in turn.
    """

    def __init__(self, rules: WatchRules) -> None:
        self._freeze_ns = 0 if rules.freeze_s is None else round(rules.freeze_s * 1e9)
        self._noise = rules.freeze_noise
        self._shape: tuple[int, ...] = ()
        self._known = np.empty((0, 0), np.int16)
        self._known_rows = np.empty((0, 0), np.int64)
        """Sums of each picture's rows."""
        self._count = 0
        """Of new pictures; the ones remembered are the last of them."""
        self._changing_since_ns: int | None = None
        self.is_frozen = False
        self.since_ns = 0
        """When the last new picture came."""
        self.frames = 0
        """Since then, with it."""

    def look(self, grey: NDArray[np.int16], at_ns: int) -> bool:
        """Take the next frame in; tell whether it is new."""
        if grey.shape != self._shape:
            self._shape = grey.shape
            self._known = np.empty((_KNOWN_PICTURES, *grey.shape), np.int16)
            self._known_rows = np.empty((_KNOWN_PICTURES, len(grey)), np.int64)
            self._count = 0
        rows = grey.sum(axis=1)
        nearest = self._nearest(grey, rows)
        is_new = nearest > self._noise
        if is_new:
            self._known[self._count % _KNOWN_PICTURES] = grey
            self._known_rows[self._count % _KNOWN_PICTURES] = rows
            self._count += 1
            if self._has_thawed(nearest, at_ns):
                self.is_frozen = False
                self.since_ns, self.frames = at_ns, 0
        else:
            self._changing_since_ns = None
        self.frames += 1
        if at_ns - self.since_ns >= self._freeze_ns and self.frames >= _FREEZE_FRAMES:
            self.is_frozen = True
        return is_new

    def _has_thawed(self, change: float, at_ns: int) -> bool:
        """Tell whether a new picture means that the camera is alive, and not a key frame."""
        if not self.is_frozen or change > _FLICKER:
            return True
        if self._changing_since_ns is None:
            self._changing_since_ns = at_ns
        return at_ns - self._changing_since_ns >= _THAW_NS

    def _nearest(self, grey: NDArray[np.int16], rows: NDArray[np.int64]) -> float:
        """Return the mean difference from the most similar picture; infinite if it is too much."""
        most = max(self._noise, _FLICKER if self.is_frozen else 0.0) * 3 * grey.size
        # Rows' sums differ by no more than their pixels do: few pictures need a closer look.
        apart = np.abs(self._known_rows[: self._count] - rows).sum(axis=1)
        if not self._count or apart.min() > most:
            return math.inf
        known = self._known[np.flatnonzero(apart <= most)]
        return float(np.abs(known - grey).sum(axis=(1, 2), dtype=np.int64).min()) / grey.size / 3


class MotionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When something moves."""

    changed_share: float = 0.005
    """Share of the picture that has to change, 0-1; 0 takes every frame for moved."""
    least_change: float = 12.0
    """Change in brightness, of 255, from which a pixel has changed: above the sensor's noise."""
    refresh_s: float = 5.0
    """After so long a frame counts as moved, whatever it shows. At most half of the time that a
    watchdog waits for an answer."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is out of its range.
        """
        if not 0 <= self.changed_share < 1:
            raise ValueError(f"changed_share is {self.changed_share}; it must be from 0 to below 1")
        if not 0 <= self.least_change < 255:
            raise ValueError(f"least_change is {self.least_change}; it must be from 0 to below 255")
        if not 0 <= self.refresh_s <= 3600:
            raise ValueError(f"refresh_s is {self.refresh_s}; it must be from 0 to 3600")


class MotionGate:
    """Tells which frames are worth a look, by what has changed since the last one that was."""

    def __init__(self, rules: MotionRules | None = None) -> None:
        """Begin without a past.

        Args:
            rules: The defaults if None.
        """
        self.rules = rules or MotionRules()
        self._seen: NDArray[np.int16] | None = None
        self._seen_ns = 0

    def moved(self, frame: Frame) -> bool:
        """Tell whether anything has moved, or a look is due; the first frame has moved.

        Args:
            frame: Newer than the last one.
        """
        grey = _brightness(frame, _MOTION_EDGE)
        is_due = frame.captured_ns - self._seen_ns >= self.rules.refresh_s * 1e9
        if not (is_due or self._has_changed(grey)):
            return False
        self._seen, self._seen_ns = grey, frame.captured_ns
        return True

    def reset(self) -> None:
        """Forget the past: the next frame has moved."""
        self._seen = None

    def _has_changed(self, grey: NDArray[np.int16]) -> bool:
        if self._seen is None or self._seen.shape != grey.shape:
            return True
        changed = np.abs(grey - self._seen) > 3 * self.rules.least_change
        return bool(np.count_nonzero(changed) >= self.rules.changed_share * changed.size)


def _brightness(frame: Frame, edge: int) -> NDArray[np.int16]:
    """Return the sum of the channels, 0-765: three times the brightness, and no division.

    Args:
        frame: Evenly spread pixels of it are looked at.
        edge: How many along an edge, at most.
    """
    rows, columns = math.ceil(frame.height / edge), math.ceil(frame.width / edge)
    pixels = frame.pixels[rows // 2 :: rows, columns // 2 :: columns]
    # By channels: gathering whole pixels first takes three times as long.
    red_green: NDArray[np.int16] = np.add(pixels[..., 0], pixels[..., 1], dtype=np.int16)
    return red_green + pixels[..., 2]
