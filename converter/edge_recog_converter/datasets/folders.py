"""Class folders, and split folders that have class folders in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.cameras.images import image_paths
from edge_recog.errors import SourceError
from edge_recog_converter.datasets.entries import Entry, Found, is_text, plain_name
from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog_converter.datasets.labelled import Split

_OTHER_NAMES: dict[Split, str] = {"validation": "val"}


def split_folders(root: Path) -> Found:
    """Return the pictures of DATA/train/CLASS/*, DATA/validation/CLASS/* and DATA/test/CLASS/*.

    `val/` is as good as `validation/`.

    Raises:
        DatasetError: A split's folder is missing, or there twice.
    """
    entries: list[Entry] = []
    empty: list[str] = []
    for split in SPLITS:
        folder = _folder_of(root, split)
        found = class_folders(folder, root=root, split=split)
        entries += found.entries
        empty += found.empty
    return Found(tuple(entries), empty=tuple(empty))


def class_folders(folder: Path, *, root: Path, split: Split | None) -> Found:
    """Return the pictures of a folder with one folder for each class, sub-folders included.

    Args:
        folder: To look in; hidden folders are left out.
        root: The data folder, which ids are relative to.
        split: That they are in.

    Raises:
        DatasetError: A name is not Unicode, or the folder cannot be read.
    """
    entries: list[Entry] = []
    empty: list[str] = []
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {error.strerror or error}") from error
    for child in children:
        if not child.is_dir() or child.name.startswith("."):
            continue
        name = plain_name(child.name, where=str(folder))
        try:
            paths = image_paths(child)
        except SourceError:
            empty.append(str(child))
            continue
        for path in paths:
            picture = path.relative_to(root).as_posix()
            if not is_text(picture):
                raise DatasetError(f"{folder}: the name of {picture!r} is not UTF-8; rename it")
            entries.append(Entry(path, picture, (name,), split))
    return Found(tuple(entries), empty=tuple(empty))


def _folder_of(root: Path, split: Split) -> Path:
    names = [split, *([_OTHER_NAMES[split]] if split in _OTHER_NAMES else [])]
    there = [root / name for name in names if (root / name).is_dir()]
    if len(there) > 1:
        raise DatasetError(f"{root}: it has {names[0]}/ and {names[1]}/; leave one of them")
    if not there:
        raise DatasetError(
            f"{root}: no folder {split}/ in it; lay it out as train/, validation/ and test/ "
            'with a folder for each class, or set splits = "stratified" in the recipe'
        )
    return there[0]
