"""The pictures that are answered while time is taken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture


def load_frames(frames: Mapping[str, Any]) -> list[Picture]:
    """Return the pictures of a plan's `frames`, in its JSON form.

    Raises:
        OSError: A picture cannot be read.
    """
    if frames["type"] == "pictures":
        return [Path(path).read_bytes() for path in frames["paths"]]
    return list(_cards(frames["height"], frames["width"], frames["count"]))


def _cards(height: int, width: int, count: int) -> list[NDArray[np.uint8]]:
    """Return a noisy colour ramp that wanders to the side, each (height, width, 3) uint8 RGB."""
    rows = np.linspace(0, 223, height, dtype=np.float32)[:, None]
    columns = np.linspace(0, 223, width, dtype=np.float32)[None, :]
    ramp = np.empty((height, width, 3), np.uint8)
    ramp[..., 0], ramp[..., 1], ramp[..., 2] = rows, columns, (rows + columns) / 2
    ramp += np.random.default_rng(1).integers(0, 32, ramp.shape, np.uint8)
    return [np.roll(ramp, index * width // count, axis=1) for index in range(count)]
