"""NPZ files: NumPy arrays of pictures and labels in one archive; nothing in it is unpickled."""

from __future__ import annotations

import math
import zipfile
import zlib
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from edge_recog_converter.datasets.arrays import MOST_BYTES, MOST_CLASSES, Part, found_in
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog_converter.datasets.entries import Found
    from edge_recog_converter.datasets.labelled import Split

_PREFIXES: dict[Split | None, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "validation", "valid"),
    "test": ("test",),
    None: ("",),
}
_PAIRS = (("x", "y"), ("images", "labels"))
_CLASS_NAMES = "class_names"
_READABLE = "x_train, y_train, x_test, y_test (or train_images, train_labels, …; or x, y)"
_CHUNK = 1 << 20


def npz_file(root: Path) -> Found:
    """Return the pictures of an NPZ file, or of the only one in a folder.

    Arrays are called `x_train` and `y_train`, `train_images` and `train_labels`, or the same
    without a split; `val` and `test` likewise. A split that is not there is taken off train.
    `class_names`, an array of texts, is optional.

    Raises:
        DatasetError: There is no such file, or it is not what it should be.
    """
    path = _path(root)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                name.removesuffix(".npy").casefold(): name
                for name in archive.namelist()
                if name.endswith(".npy")
            }
            parts = _parts(archive, members, path)
            names = None
            if _CLASS_NAMES in members:
                names = _texts(_read(archive, members[_CLASS_NAMES], path), path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # The last two for methods of packing that Python lacks, and for passwords.
        raise DatasetError(f"{path}: not an NPZ file, or damaged: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    return found_in(parts, names, where=str(path))


def _path(root: Path) -> Path:
    if root.is_file():
        return root
    paths = sorted(root.glob("*.npz"))
    if len(paths) != 1:
        raise DatasetError(
            f"{root}: {len(paths)} NPZ files in it; name the one that is meant with --data"
        )
    return paths[0]


def _parts(archive: zipfile.ZipFile, members: dict[str, str], path: Path) -> list[Part]:
    pairs: dict[Split | None, tuple[str, str]] = {}
    for split, prefixes in _PREFIXES.items():
        for prefix in prefixes:
            for images, labels in _PAIRS:
                pair = (images, labels)
                if prefix and images == "x":
                    pair = (f"x_{prefix}", f"y_{prefix}")
                elif prefix:
                    pair = (f"{prefix}_images", f"{prefix}_labels")
                if all(name in members for name in pair):
                    pairs.setdefault(split, pair)
    if not {"train", None} & pairs.keys():
        raise DatasetError(
            f"{path}: no pictures to train on; it has {', '.join(members) or 'no arrays'}, wanted "
            f"are {_READABLE}"
        )
    if "train" in pairs:
        pairs.pop(None, None)
    complete = {"validation", "test"} <= pairs.keys()
    return [
        Part(
            f"{path.name}/{images}",
            _read(archive, members[images], path),
            _read(archive, members[labels], path),
            None if split == "train" and not complete else split,
        )
        for split, (images, labels) in pairs.items()
    ]


def _read(archive: zipfile.ZipFile, member: str, path: Path) -> NDArray[Any]:
    """Return one array; its header is believed only as far as the archive's own sizes go."""
    where = f"{path}: {member}"
    with archive.open(member) as file:
        try:
            version = npy.read_magic(file)
            read_header = {
                (1, 0): npy.read_array_header_1_0,
                (2, 0): npy.read_array_header_2_0,
            }[version]
            shape, fortran, dtype = read_header(file)
        except (ValueError, KeyError, SyntaxError, TokenError, RecursionError) as error:
            # The header is Python source, which NumPy parses as such.
            raise DatasetError(f"{where}: not a NumPy array of format 1 or 2") from error
        if dtype.hasobject or dtype.kind not in "biuUS":
            raise DatasetError(
                f"{where}: values of type {dtype}; pictures are uint8, labels whole numbers"
            )
        size = math.prod(shape) * dtype.itemsize
        if size > MOST_BYTES or min(shape, default=0) < 0:
            raise DatasetError(f"{where}: {size:,} bytes, more than {MOST_BYTES:,}")
        data = bytearray()
        while len(data) <= size and (chunk := file.read(min(_CHUNK, size + 1 - len(data)))):
            data += chunk
    if len(data) != size or not size:
        raise DatasetError(
            f"{where}: its header promises {list(shape)} of {dtype}, which is not what follows; "
            "write the file again"
        )
    return np.frombuffer(bytes(data), dtype).reshape(shape, order="F" if fortran else "C")


def _texts(names: NDArray[Any], path: Path) -> list[str]:
    if names.ndim != 1 or names.dtype.kind not in "US" or len(names) > MOST_CLASSES:
        raise DatasetError(f"{path}: {_CLASS_NAMES} must be a list of texts")
    try:
        return [
            name.decode("utf-8") if isinstance(name, bytes) else str(name)
            for name in names.tolist()
        ]
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: {_CLASS_NAMES} is not UTF-8") from error
