"""What IDX and NPZ files have in common: arrays of pictures and of class numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_converter.datasets.entries import Entry, Found, plain_name
from edge_recog_converter.datasets.labelled import ArrayPicture
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from edge_recog_converter.datasets.labelled import Split

MOST_BYTES = 8 << 30
"""Of one array, unpacked: more does not belong into memory."""
MOST_CLASSES = 10_000
MOST_SIDE = 8192
"""Pixels."""


@dataclass(frozen=True, slots=True)
class Part:
    """Pictures and labels of one split."""

    name: str
    """File and array, for ids; ids stay the same as long as the file does."""
    pictures: NDArray[np.uint8]
    """(n, height, width) or (n, height, width, 1 or 3)."""
    labels: NDArray[Any]
    """(n,) or (n, 1) class numbers, or (n, classes) of 0 and 1."""
    split: Split | None


def found_in(parts: Sequence[Part], names: Sequence[str] | None, *, where: str) -> Found:
    """Return the pictures of arrays.

    Args:
        parts: At least one.
        names: Of the classes, in the order of their numbers; the numbers themselves if None.
        where: The file or folder, for messages.

    Raises:
        DatasetError: Arrays are no pictures or no class numbers, or do not fit each other.
    """
    entries: list[Entry] = []
    numbers = [_numbers(part) for part in parts]
    count = 1 + max((number for part in numbers for row in part for number in row), default=-1)
    if names is not None and len(names) < count:
        raise DatasetError(
            f"{where}: {len(names)} class names, but there is a class number {count - 1}; name "
            "them all"
        )
    plain = [plain_name(name, where=where) for name in names or map(str, range(count))]
    if len(set(plain)) < len(plain):
        raise DatasetError(f"{where}: two classes have the same name; rename one")
    for part, rows in zip(parts, numbers, strict=True):
        pictures = _pictures(part)
        for index, row in enumerate(rows):
            content = ArrayPicture(f"{part.name}[{index}]", pictures[index])
            labels = tuple(plain[number] for number in row)
            entries.append(Entry(content, f"{part.name}/{index:06}", labels, part.split))
    return Found(tuple(entries), classes=tuple(plain))


def _pictures(part: Part) -> NDArray[np.uint8]:
    shape = part.pictures.shape
    grey = len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)
    if part.pictures.dtype != np.uint8 or not (grey or (len(shape) == 4 and shape[3] == 3)):
        raise DatasetError(
            f"{part.name}: {part.pictures.dtype} of shape {list(shape)}; pictures must be uint8 of "
            "shape (n, height, width), or with 1 or 3 channels at the end"
        )
    if not all(1 <= side <= MOST_SIDE for side in shape[1:3]):
        raise DatasetError(f"{part.name}: sides of {shape[1]}x{shape[2]}, not 1 to {MOST_SIDE}")
    return part.pictures.reshape(shape[:3]) if grey else part.pictures


def _numbers(part: Part) -> list[tuple[int, ...]]:
    labels = part.labels
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels.reshape(-1)
    whole = labels.dtype.kind in "biu"
    if not whole or labels.ndim not in {1, 2}:
        raise DatasetError(
            f"{part.name}: its labels are {labels.dtype} of shape {list(labels.shape)}; give whole "
            "numbers, (n,) for one class each, or 0 and 1, (n, classes) for several"
        )
    if len(labels) != len(part.pictures):
        raise DatasetError(f"{part.name}: {len(part.pictures)} pictures, but {len(labels)} labels")
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    limit = 1 if labels.ndim == 2 else MOST_CLASSES - 1
    if low < 0 or high > limit or (labels.ndim == 2 and labels.shape[1] > MOST_CLASSES):
        raise DatasetError(f"{part.name}: labels from {low} to {high}; they must be 0 to {limit}")
    if labels.ndim == 1:
        return [(number,) for number in labels.tolist()]
    return [tuple(np.flatnonzero(row).tolist()) for row in labels]
