"""One picture on its way through the classifier."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.errors import FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """An RGB picture and where and when it was taken.

    Make one with `from_rgb` or `from_bgr`, so that the channel order is said, never guessed.
    """

    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB, 0-255. Read-only."""
    captured_ns: int
    """`time.monotonic_ns()` when the sensor delivered it, or when it was read from a file."""
    index: int = 0
    """Running number within its source, from 0."""
    source: str = ""
    """Where it comes from, for people: a path, a camera's name."""

    def __post_init__(self) -> None:
        """Check the pixels and make them read-only.

        Raises:
            FrameError: Not a uint8 array of shape (height ≥ 1, width ≥ 1, 3).
        """
        view = _checked(self.pixels)
        view.flags.writeable = False
        object.__setattr__(self, "pixels", view)

    @classmethod
    def from_rgb(
        cls,
        pixels: NDArray[np.uint8],
        *,
        captured_ns: int | None = None,
        index: int = 0,
        source: str = "",
    ) -> Frame:
        """Wrap RGB pixels without copying them; the caller must not change them afterwards.

        Args:
            pixels: (height, width, 3) uint8.
            captured_ns: See `Frame.captured_ns`; now if None.
            index: See `Frame.index`.
            source: See `Frame.source`.
        """
        return cls(
            pixels, time.monotonic_ns() if captured_ns is None else captured_ns, index, source
        )

    @classmethod
    def from_bgr(
        cls,
        pixels: NDArray[np.uint8],
        *,
        captured_ns: int | None = None,
        index: int = 0,
        source: str = "",
    ) -> Frame:
        """Convert BGR pixels, as OpenCV reads them; arguments as in `from_rgb`."""
        import cv2

        rgb = cv2.cvtColor(_checked(pixels), cv2.COLOR_BGR2RGB)
        return cls.from_rgb(
            np.asarray(rgb, np.uint8), captured_ns=captured_ns, index=index, source=source
        )

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])


def _checked(pixels: Any) -> NDArray[np.uint8]:
    if not isinstance(pixels, np.ndarray):
        raise FrameError(f"a frame needs a NumPy array of pixels, not {type(pixels).__name__}")
    if pixels.dtype != np.uint8:
        raise FrameError(f"a frame needs uint8 pixels from 0 to 255, not {pixels.dtype}")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise FrameError(
            f"a frame needs pixels of shape (height, width, 3), not {tuple(pixels.shape)}"
        )
    return pixels.view()
