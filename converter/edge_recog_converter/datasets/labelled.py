"""What a labelled set of pictures is; nothing here is decoded."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Task = Literal["single-label", "multi-label"]
_READERS = 4
_AHEAD = 256


class Content(Protocol):
    """An image file, wherever it is; a `Path` is one. `str()` of it says where, for messages."""

    def read_bytes(self) -> bytes:
        """Return the whole file.

        Raises:
            OSError: It cannot be read.
        """


@dataclass(frozen=True, slots=True)
class ArrayPicture:
    """One picture of an array, which reads as the PGM or PPM file that it would be.

    So it has a digest that depends on its pixels alone, and passes through the same decoder as
    every other picture.
    """

    name: str
    """File, array and number, for messages."""
    pixels: NDArray[np.uint8] = field(compare=False, repr=False)
    """(height, width) grey or (height, width, 3) RGB."""

    def __str__(self) -> str:
        return self.name

    def read_bytes(self) -> bytes:
        """See `Content`."""
        height, width = self.pixels.shape[:2]
        kind = "P5" if self.pixels.ndim == 2 else "P6"
        return f"{kind}\n{width} {height}\n255\n".encode() + self.pixels.tobytes()


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and what is said of it."""

    content: Content
    """A `Path`, or an `ArrayPicture`."""
    id: str
    """Its path below the data folder, with forward slashes; of an array, `FILE/ARRAY/NUMBER`."""
    labels: tuple[int, ...]
    """Indices into `Dataset.labels`, ascending; exactly one unless the task is multi-label."""
    group: str = ""
    """Pictures of one group belong together, such as those of one person; empty for none."""

    @property
    def label(self) -> int:
        """The one label.

        Raises:
            DatasetError: There are none or several.
        """
        if len(self.labels) != 1:
            raise DatasetError(
                f"{self.id}: {len(self.labels)} labels, where exactly one is wanted; this step "
                "does not work with multi-label data"
            )
        return self.labels[0]

    @property
    def path(self) -> Path | None:
        """Where its file is; None if it comes from an array."""
        return self.content if isinstance(self.content, Path) else None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled set of pictures, split for good."""

    root: Path
    labels: tuple[str, ...]
    """The order of the model's output: sorted, or as an array's class numbers have it."""
    splits: Mapping[Split, tuple[Picture, ...]]
    """Each sorted by id; none is empty."""
    task: Task = "single-label"
    """`multi-label` if at least one picture has no label or several."""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Those of all splits, one split after the other."""
        return tuple(picture for split in SPLITS for picture in self.splits[split])


def targets_of(pictures: Sequence[Picture], classes: int) -> NDArray[np.float32]:
    """Return (pictures, classes): 1 for each label that a picture has, else 0."""
    targets = np.zeros((len(pictures), classes), np.float32)
    for row, picture in enumerate(pictures):
        targets[row, list(picture.labels)] = 1.0
    return targets


def picture_digests(
    pictures: Iterable[tuple[str, Content]], *, on_picture: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """Return id → SHA-256, in hexadecimal, of each picture's file; unreadable ones are left out.

    Args:
        pictures: Ids and contents.
        on_picture: Called after each.
    """

    def digest(content: Content) -> str | None:
        try:
            return hashlib.sha256(content.read_bytes()).hexdigest()
        except OSError:
            return None

    found: dict[str, str] = {}
    listed = list(pictures)
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(listed), _AHEAD):
            chunk = listed[start : start + _AHEAD]
            digests = pool.map(digest, (content for _, content in chunk))
            for (name, _), one in zip(chunk, digests, strict=True):
                on_picture()
                if one is not None:
                    found[name] = one
    return found


def digest_of(lines: Iterable[str]) -> str:
    """Return the SHA-256, in hexadecimal, of lines in sorted order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
