"""Preprocessed pixels of many pictures, kept on disk so that they are decoded once.

An entry is a folder, named by its key, with `pixels` (the values and nothing else) and
`entry.json`. The key is a digest of the preprocessing's geometry and colour, the decoder's version
and every picture's SHA-256 in order; labels are no part of it. An entry appears whole or not at
all, its checksum is compared before it is used, and a damaged one is made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge_recog.frames import Frame
from edge_recog_converter.datasets import targets_of
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.pictures import decode_whole, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_recog.preprocessing import Colour, Preprocessing
    from edge_recog_converter.datasets import Picture
    from edge_recog_converter.learning.plans import Pixels

_SCHEMA_VERSION = 1
_READERS = 4
_AHEAD = 64
_UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class DecodedSplit:
    """Pictures ready to learn from."""

    pixels: np.memmap[Any, np.dtype[np.uint8]]
    """(n, height, width, channels) uint8, as `Preprocessing.pixels` has them. Read-only."""
    targets: NDArray[Any]
    """(n,) int64 labels; or (n, classes) float32 of 0 and 1, if the number of classes was given."""
    ids: tuple[str, ...]
    """Of the n pictures, in order."""
    skipped: Mapping[str, str]
    """Id of each picture that is not among them → why."""


class JoinedPixels:
    """Two arrays of pictures as one that can be chosen from, without copying either."""

    def __init__(self, first: Pixels, second: Pixels) -> None:
        """Join them; both (pictures, height, width, channels), and alike but for the first."""
        self._first, self._second = first, second
        self.shape = (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, chosen: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return the pictures with these numbers, (chosen, height, width, channels)."""
        of_second = chosen >= len(self._first)
        found = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        found[~of_second] = self._first[chosen[~of_second]]
        found[of_second] = self._second[chosen[of_second] - len(self._first)]
        return found


def frame_of(pixels: NDArray[np.uint8], colour: Colour) -> Frame:
    """Return a frame that preprocessing for the same size turns into these pixels again.

    Args:
        pixels: (height, width, channels), as `Preprocessing.pixels` has them.
        colour: Of the contract.
    """
    if colour == "BGR":
        pixels = pixels[..., ::-1]
    elif colour == "GRAY":
        pixels = np.repeat(pixels, 3, axis=-1)
    return Frame.from_rgb(np.ascontiguousarray(pixels))


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema_version: int
    shape: tuple[int, int, int, int]
    """Of `pixels`."""
    sha256: str
    """Of `pixels`."""
    skipped: dict[int, str]
    """Position of each picture that is not in it → why."""


def default_cache() -> Path:
    """Return `edge-recog/decoded` in $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edge-recog" / "decoded"


def decoded_split(
    pictures: Sequence[Picture],
    preprocessing: Preprocessing,
    *,
    cache: Path,
    progress: Callable[[], None] = lambda: None,
    classes: int | None = None,
) -> DecodedSplit:
    """Return the pixels of pictures, from the cache if they are there.

    Args:
        pictures: In the order that is wanted; those that cannot be read are left out.
        preprocessing: Its geometry and colour are applied; mean and std are not.
        cache: Folder of entries; made if need be.
        progress: Called after each picture.
        classes: Number of labels, for multi-label targets; None for one label each.

    Raises:
        DatasetError: No picture can be read, one changes meanwhile, or the cache cannot be written.
    """
    digests = _digests(pictures)
    folder = cache / _key(preprocessing, digests)
    try:
        entry = _read(folder)
        if entry is None:
            entry = _write(folder, pictures, digests, preprocessing, progress)
        else:
            for _ in pictures:
                progress()
        pixels = np.memmap(folder / "pixels", np.uint8, "r", shape=entry.shape)
    except OSError as error:
        raise DatasetError(
            f"{cache}: cannot keep decoded pictures: {error.strerror or error}; make room, or name "
            "another folder"
        ) from error
    kept = [picture for at, picture in enumerate(pictures) if at not in entry.skipped]
    return DecodedSplit(
        pixels,
        _targets(kept, classes),
        tuple(picture.id for picture in kept),
        {pictures[at].id: reason for at, reason in entry.skipped.items()},
    )


def _targets(pictures: Sequence[Picture], classes: int | None) -> NDArray[Any]:
    if classes is None:
        return np.array([picture.label for picture in pictures], np.int64)
    return targets_of(pictures, classes)


def _digests(pictures: Sequence[Picture]) -> list[str]:
    def digest(picture: Picture) -> str:
        try:
            return hashlib.sha256(picture.content.read_bytes()).hexdigest()
        except OSError:
            return _UNREADABLE

    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(digest, pictures))


def _key(preprocessing: Preprocessing, digests: Sequence[str]) -> str:
    import cv2

    geometry = {
        name: getattr(preprocessing, name)
        for name in ("height", "width", "colour", "crop", "interpolation", "pad")
    }
    contract = msgspec.json.encode([_SCHEMA_VERSION, cv2.__version__, geometry], order="sorted")
    return hashlib.sha256(b"\n".join([contract, *map(str.encode, digests)])).hexdigest()


def _read(folder: Path) -> _Entry | None:
    """Return an entry that is whole; None if there is none."""
    try:
        entry = msgspec.json.decode((folder / "entry.json").read_bytes(), type=_Entry)
        with (folder / "pixels").open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256
        if whole and (folder / "pixels").stat().st_size == np.prod(entry.shape, dtype=np.int64):
            return entry
    except (OSError, msgspec.DecodeError):
        pass
    return None


def _write(
    folder: Path,
    pictures: Sequence[Picture],
    digests: Sequence[str],
    preprocessing: Preprocessing,
    progress: Callable[[], None],
) -> _Entry:
    """Decode the pictures into a new entry."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:16]}."))
    try:
        entry = _decode(partial, pictures, digests, preprocessing, progress)
        (partial / "entry.json").write_bytes(msgspec.json.encode(entry))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            partial.rename(folder)
        except OSError:
            # Another process was faster: what it made has the same key.
            if _read(folder) != entry:
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return entry


def _decode(
    folder: Path,
    pictures: Sequence[Picture],
    digests: Sequence[str],
    preprocessing: Preprocessing,
    progress: Callable[[], None],
) -> _Entry:
    def pixels(at: int) -> NDArray[np.uint8] | str:
        where = str(pictures[at].content)
        try:
            data = pictures[at].content.read_bytes()
            if hashlib.sha256(data).hexdigest() != digests[at]:
                raise DatasetError(f"{where}: changed while it was read; try again")
            rgb = decode_whole(data, where=where)
        except OSError as error:
            return reason_of(error, where=where)
        return preprocessing.pixels(Frame.from_rgb(rgb))

    skipped: dict[int, str] = {}
    checksum, count = hashlib.sha256(), 0
    with (folder / "pixels").open("wb") as file, ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(pictures), _AHEAD):
            numbers = range(start, min(start + _AHEAD, len(pictures)))
            for at, found in zip(numbers, pool.map(pixels, numbers), strict=True):
                if isinstance(found, str):
                    skipped[at] = found
                else:
                    file.write(found.data)
                    checksum.update(found.data)
                    count += 1
                progress()
    if not count:
        first = next(iter(skipped.values()), "there are none")
        raise DatasetError(f"no picture of {len(pictures)} can be read: {first}")
    shape = (count, preprocessing.height, preprocessing.width, preprocessing.channels)
    return _Entry(_SCHEMA_VERSION, shape, checksum.hexdigest(), skipped)
