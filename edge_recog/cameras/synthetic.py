"""A camera that needs no hardware: a moving test picture, the same for the same seed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.cameras.protocol import ClosingSource
from edge_recog.colour_card import colour_card
from edge_recog.errors import UsageError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class SyntheticSource(ClosingSource):
    """Frames of `synthetic:WIDTHxHEIGHT?count=N&seed=S`; endless without a count."""

    def __init__(self, size: str, options: Mapping[str, str]) -> None:
        """Draw the picture that will move.

        Raises:
            UsageError: The size, count or seed is not a number in range.
        """
        match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", size or "640x480")
        unknown = sorted(set(options) - {"count", "seed"})
        numbers = all(re.fullmatch(r"\d{1,9}", value) for value in options.values())
        sides = [int(side) for side in match.groups()] if match else [0]
        if unknown or not numbers or 0 in sides:
            raise UsageError(f"synthetic:{size}: write it like synthetic:640x480?count=100&seed=1")
        self.name = f"synthetic:{size}"
        self.length: int | None = int(options["count"]) if "count" in options else None
        width, height = sides
        self._card = colour_card(height, width, int(options.get("seed", "0")))
        self._open = True

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while self._open and (self.length is None or index < self.length):
            moved = np.roll(self._card, index * 4, axis=1)
            yield Frame.from_rgb(moved, index=index, source=self.name)
            index += 1

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._open = False
