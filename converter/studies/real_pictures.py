"""Real pictures at hand, for networks whose own pictures are not: to calibrate on and to judge by.

Three collections: `clothing` and `signs`, photographs of one thing each, and `scenes`, many parts
of a few photographs. What is calibrated on, chosen by and judged by are different pictures, and of
`scenes` different photographs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.photographs import load_photographs, random_crops

from edge_recog.cameras.images import read_image
from edge_recog.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog.preprocessing import Preprocessing

_FOLDERS: Final = {"clothing": "clothing_small", "signs": "sign_digits"}
_SCENES: Final = ("coral", "mobilenet_v1_025")
"""Folders with photographs beside models."""
_SUFFIXES: Final = frozenset({".bmp", ".jpg", ".png"})
_CALIBRATION: Final = 0.05
"""Share of each collection."""
_SELECTION: Final = 0.1
CROPS: Final = 100
"""Of a photograph of `scenes`."""


@dataclass(frozen=True, slots=True, eq=False)
class RealPictures:
    """Pictures as a network is fed, before they are normalised."""

    pixels: NDArray[np.uint8]
    """(pictures, height, width, channels)."""
    collections: NDArray[np.str_]
    """(pictures,): which each is of."""

    def of(self, *names: str) -> RealPictures:
        """Return those of some collections."""
        chosen = np.isin(self.collections, names)
        return RealPictures(self.pixels[chosen], self.collections[chosen])

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True, slots=True)
class Shared:
    """Three sets without a picture in common."""

    calibration: RealPictures
    selection: RealPictures
    judged: RealPictures


def load_shared(data: Path, preprocessing: Preprocessing, *, seed: int) -> Shared:
    """Return the pictures of all collections.

    Args:
        data: Folder of `clothing_small`, `sign_digits`, `coral` and `mobilenet_v1_025`.
        preprocessing: Which part of each is taken, and its size.
        seed: Of who goes where, and of the parts of photographs.

    Raises:
        DatasetError: A folder has no pictures.
    """
    sets: tuple[list[tuple[str, NDArray[np.uint8]]], ...] = ([], [], [])
    sources: dict[str, Sequence[Path | Frame]] = {
        name: _paths(data / folder) for name, folder in _FOLDERS.items()
    }
    sources["scenes"] = [
        *load_photographs(),
        *(path for folder in _SCENES for path in _paths(data / folder)),
    ]
    for name, found in sources.items():
        for into, numbers in zip(sets, divided(len(found), seed=seed), strict=True):
            for number in numbers:
                for frame in _frames(found[number], name, seed=seed + number):
                    into.append((name, preprocessing.pixels(frame)))
    return Shared(*map(_gathered, sets))


def divided(count: int, *, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Return which of `count` are calibrated on, chosen by and judged by; each is in one of them.

    Raises:
        DatasetError: There are too few.
    """
    first = math.ceil(_CALIBRATION * count)
    second = first + math.ceil(_SELECTION * count)
    if second >= count:
        raise DatasetError(f"{count} pictures are too few to calibrate on some and judge by others")
    order = np.random.default_rng(seed).permutation(count).tolist()
    return order[:first], order[first:second], order[second:]


def _paths(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    if not paths:
        raise DatasetError(f"{folder}: no pictures in it; name the folder of the project's data")
    return paths


def _frames(source: Path | Frame, collection: str, *, seed: int) -> Iterator[Frame]:
    frame = source if isinstance(source, Frame) else Frame.from_rgb(read_image(source))
    if collection == "scenes":
        yield from random_crops(frame, CROPS, seed=seed)
    else:
        yield frame


def _gathered(named: Iterable[tuple[str, NDArray[np.uint8]]]) -> RealPictures:
    names, pixels = zip(*named, strict=True)
    return RealPictures(np.stack(pixels), np.array(names))
