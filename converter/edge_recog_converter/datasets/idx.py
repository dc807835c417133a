"""IDX files, as MNIST and Fashion-MNIST come in.

The format, from http://yann.lecun.com/exdb/mnist/: two zero bytes, the type (8 is unsigned byte),
the number of dimensions, each dimension as a big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from edge_recog_converter.datasets.arrays import MOST_BYTES, Part, found_in
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog_converter.datasets.entries import Found

NAMES = "labels.txt"
"""May lie beside the files: a class name a line, in the order of their numbers."""
_UNSIGNED_BYTE = 8
_CHUNK = 1 << 20
_FILES = {
    "train": ("train-images", "train-labels"),
    "test": ("t10k-images", "t10k-labels"),
}
_MOST_NAMES_BYTES = 1_000_000


def idx_files(root: Path) -> Found:
    """Return the pictures of a folder with the four files of MNIST, packed or not.

    `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    `t10k-labels-idx1-ubyte`, each with or without `.gz`. Validation is to be taken off train.

    Raises:
        DatasetError: A file is missing, or is not what its header says.
    """
    parts = []
    for split, (images, labels) in _FILES.items():
        pictures_path = _path(root, images, 3)
        pictures = read_idx(pictures_path, dimensions=3)
        numbers = read_idx(_path(root, labels, 1), dimensions=1)
        name = pictures_path.name.removesuffix(".gz")
        parts.append(Part(name, pictures, numbers, "test" if split == "test" else None))
    return found_in(parts, _names(root / NAMES), where=str(root))


def has_idx_files(root: Path) -> bool:
    """Tell whether a folder looks like one for `idx_files`."""
    return any(_candidate.is_file() for _candidate in _candidates(root, "train-images", 3))


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Return the array of one IDX file of unsigned bytes.

    Never more is unpacked than the header promises, nor more allocated than the file holds.

    Args:
        path: Unpacked as it is read if its name ends in `.gz`.
        dimensions: That it must have.

    Raises:
        DatasetError: It cannot be read, or is not such a file.
    """
    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                with gzip.open(raw) as packed:
                    return _array(cast("BinaryIO", packed), path, dimensions)
            return _array(raw, path, dimensions)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path}: damaged gzip file: {error}; fetch it again") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error


def _array(file: BinaryIO, path: Path, dimensions: int) -> NDArray[np.uint8]:
    head = file.read(4 + 4 * dimensions)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise DatasetError(f"{path}: not an IDX file: it does not begin with two zero bytes")
    if head[2] != _UNSIGNED_BYTE:
        raise DatasetError(f"{path}: IDX of type {head[2]:#04x}; only unsigned bytes (0x08) fit")
    if head[3] != dimensions or len(head) < 4 + 4 * dimensions:
        raise DatasetError(f"{path}: IDX of {head[3]} dimensions; {dimensions} are wanted")
    shape = struct.unpack(f">{dimensions}I", head[4:])
    size = math.prod(shape)
    if size > MOST_BYTES:
        raise DatasetError(f"{path}: its header promises {size:,} bytes, more than {MOST_BYTES:,}")
    data = bytearray()
    while len(data) <= size and (chunk := file.read(min(_CHUNK, size + 1 - len(data)))):
        data += chunk
    if len(data) != size:
        found = "more" if len(data) > size else f"only {len(data):,}"
        raise DatasetError(
            f"{path}: its header promises {size:,} bytes ({'x'.join(map(str, shape))}), but there "
            f"are {found}; fetch it again"
        )
    return np.frombuffer(bytes(data), np.uint8).reshape(shape)


def _candidates(root: Path, stem: str, dimensions: int) -> list[Path]:
    names = [f"{stem}{mark}idx{dimensions}-ubyte" for mark in "-."]
    return [root / f"{name}{suffix}" for name in names for suffix in ("", ".gz")]


def _path(root: Path, stem: str, dimensions: int) -> Path:
    candidates = _candidates(root, stem, dimensions)
    for path in candidates:
        if path.is_file():
            return path
    raise DatasetError(
        f"{root}: no {candidates[0].name} in it, nor with .gz; the layout idx needs the four files "
        "of MNIST"
    )


def _names(path: Path) -> list[str] | None:
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_NAMES_BYTES:
            raise DatasetError(f"{path}: too long for a list of class names")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    return [line.strip() for line in lines if line.strip()]
