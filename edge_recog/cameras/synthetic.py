"""A camera that needs no hardware: a moving test picture, the same for the same seed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from edge_recog.cameras.options import Options, Rate, read_options
from edge_recog.cameras.pacing import Pace
from edge_recog.cameras.protocol import ClosingSource
from edge_recog.colour_card import colour_card
from edge_recog.errors import UsageError
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_Number = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]


class SyntheticOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a moving test picture."""

    count: _Number | None = None
    """Frames until it ends; endless if None."""
    seed: _Number = 0
    """Another seed, another picture."""
    rate: Rate | None = None
    """Frames a second, and late ones are skipped; as fast as they are taken if None."""


class SyntheticSource(ClosingSource):
    """Frames of `synthetic:WIDTHxHEIGHT?count=N&seed=S&rate=R`."""

    def __init__(self, size: str, options: Mapping[str, str]) -> None:
        """Draw the picture that will move.

        Args:
            size: Such as `640x480`, which it is if empty.
            options: See `SyntheticOptions`.

        Raises:
            UsageError: The size is none, or an option is unknown or not in range.
        """
        name = f"synthetic:{size}"
        match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", size or "640x480")
        if match is None:
            raise UsageError(f"{name}: write it like synthetic:640x480?count=100&seed=1")
        chosen = read_options(name, options, SyntheticOptions)
        super().__init__(name, length=chosen.count)
        width, height = map(int, match.groups())
        self._card = colour_card(height, width, chosen.seed)
        self._pace = None if chosen.rate is None else Pace(chosen.rate, self._closed)
        self.is_patient = self._pace is None

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while not self._closed.is_set() and (self.length is None or index < self.length):
            if self._pace is not None and self._pace.is_late(index):
                self.skipped["late"] += 1
            else:
                moved = np.roll(self._card, index * 4, axis=1)
                if self._pace is not None and not self._pace.wait(index):
                    return
                yield Frame.from_rgb(moved, index=index, source=self.name)
            index += 1
