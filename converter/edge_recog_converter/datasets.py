"""Pictures with labels, in splits, found on disk."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_recog.cameras.images import IMAGE_SUFFIXES, image_paths
from edge_recog.errors import SourceError
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_recog_converter.recipe import DataSection

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture on disk."""

    path: Path
    id: str
    """Its path below the data folder, with forward slashes."""
    label: int
    """Index into `Dataset.labels`."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A labelled set of pictures, split for good."""

    root: Path
    labels: tuple[str, ...]
    """Sorted; the order of the model's output."""
    splits: Mapping[Split, tuple[Picture, ...]]
    """Each sorted by id; none is empty."""


def find_dataset(root: Path, section: DataSection, *, seed: int) -> Dataset:
    """Return the pictures below a folder.

    Args:
        root: The data folder.
        section: How classes and splits are told apart.
        seed: For splits made here.

    Raises:
        DatasetError: A folder or file is missing, a class has too few pictures, or a split knows
            a class that training does not.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: not a folder; name the folder of pictures with --data")
    read = {"folders": _folders, "stratified": _stratified, "manifest": _manifest}[section.splits]
    found = read(root, section, seed)
    labels = tuple(sorted({label for _, label in found["train"]}))
    if len(labels) < 2:
        raise DatasetError(f"{root}: one class cannot be told from itself; give at least two")
    numbers = {label: number for number, label in enumerate(labels)}
    splits: dict[Split, tuple[Picture, ...]] = {}
    for split in SPLITS:
        strangers = sorted({label for _, label in found[split]} - set(labels))
        if strangers:
            raise DatasetError(
                f"{root}: {split} has the class {strangers[0]!r}, which training has no picture of"
            )
        if not found[split]:
            raise DatasetError(f"{root}: no pictures for {split}")
        pictures = [
            Picture(path, path.relative_to(root).as_posix(), numbers[label])
            for path, label in found[split]
        ]
        splits[split] = tuple(sorted(pictures, key=lambda picture: picture.id))
    return Dataset(root, labels, splits)


_Found = dict[Split, list[tuple[Path, str]]]


def _folders(root: Path, section: DataSection, seed: int) -> _Found:
    del section, seed
    missing = [split for split in SPLITS if not (root / split).is_dir()]
    if missing:
        raise DatasetError(
            f"{root}: no folder {missing[0]}/ in it; lay it out as train/, validation/ and test/ "
            'with a folder for each class, or set splits = "stratified" in the recipe'
        )
    return {split: _classes(root / split) for split in SPLITS}


def _classes(folder: Path) -> list[tuple[Path, str]]:
    """Return the pictures of a folder with one folder for each class, and their classes."""
    found: list[tuple[Path, str]] = []
    for child in sorted(folder.iterdir()):
        if not child.is_dir() or child.name.startswith("."):
            continue
        try:
            found += [(path, child.name) for path in image_paths(child)]
        except SourceError as error:
            raise DatasetError(f"{child}: a class without pictures; remove it") from error
    return found


def _stratified(root: Path, section: DataSection, seed: int) -> _Found:
    by_class: dict[str, list[Path]] = defaultdict(list)
    for path, label in _classes(root):
        by_class[label].append(path)
    splits: _Found = {split: [] for split in SPLITS}
    for label, paths in by_class.items():
        # Ordered by a hash of the seed and the name: the same on every machine.
        ranked = sorted(paths, key=lambda path: _rank(path.relative_to(root), seed))
        test = max(1, round(len(ranked) * section.test))
        validation = max(1, round(len(ranked) * section.validation))
        if len(ranked) < test + validation + 1:
            raise DatasetError(
                f"{root / label}: {len(ranked)} pictures cannot be split in three; give at least 3"
            )
        splits["test"] += [(path, label) for path in ranked[:test]]
        splits["validation"] += [(path, label) for path in ranked[test : test + validation]]
        splits["train"] += [(path, label) for path in ranked[test + validation :]]
    return splits


def _rank(path: Path, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{path.as_posix()}".encode()).digest()


def _manifest(root: Path, section: DataSection, seed: int) -> _Found:
    del seed
    table = root / section.manifest
    splits: _Found = {split: [] for split in SPLITS}
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                _add_row(splits, row, root / section.pictures, f"{table}:{number}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table}: cannot be read: {error}") from error
    return splits


def _add_row(splits: _Found, row: Mapping[str, str | None], folder: Path, where: str) -> None:
    values = {column: (row.get(column) or "").strip() for column in ("file", "label", "split")}
    empty = [column for column, value in values.items() if not value]
    if empty:
        raise DatasetError(f"{where}: no {empty[0]}; the columns file, label and split are needed")
    name = {"val": "validation"}.get(values["split"], values["split"])
    split = next((split for split in SPLITS if split == name), None)
    if split is None:
        raise DatasetError(
            f"{where}: split {values['split']!r}; it must be {', '.join(SPLITS[:-1])} or test"
        )
    path = folder / values["file"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DatasetError(f"{where}: {values['file']!r} leads out of the data folder")
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise DatasetError(f"{where}: {values['file']!r} is not called like a picture")
    splits[split].append((path, values["label"]))


def digest_of(lines: Iterable[str]) -> str:
    """Return the SHA-256, in hexadecimal, of lines in sorted order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
