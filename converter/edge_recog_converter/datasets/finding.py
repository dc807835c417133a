"""From a folder or file, laid out in one of five ways, to a dataset."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_recog_converter.datasets.folders import class_folders, split_folders
from edge_recog_converter.datasets.idx import has_idx_files, idx_files
from edge_recog_converter.datasets.labelled import (
    SPLITS,
    Dataset,
    Picture,
    Split,
    picture_digests,
)
from edge_recog_converter.datasets.manifests import read_manifest
from edge_recog_converter.datasets.npz import npz_file
from edge_recog_converter.datasets.splitting import Shares, assign, keys_of_classes
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.recipe import DataSection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edge_recog_converter.datasets.entries import Entry, Found

MANIFESTS = ("manifest.csv", "labels.csv", "manifest.jsonl")
"""Names under which a manifest is found by itself."""


def find_dataset(root: Path, section: DataSection, *, seed: int) -> Dataset:
    """Return the pictures below a folder, or in a file.

    Args:
        root: The data folder, or an NPZ file.
        section: How classes and splits are told apart.
        seed: For splits made here; see `edge_recog_converter.datasets.splitting` for the rule.

    Raises:
        DatasetError: A folder or file is missing, a class has too few pictures, or a split knows
            a class that training does not.
    """
    found = find_pictures(root, section)
    if found.empty:
        raise DatasetError(f"{found.empty[0]}: a class without pictures; remove it")
    keys: Mapping[str, str] = {}
    if any(entry.split is None for entry in found.entries):
        keys = keys_of(found, digests_of(found))
        require_enough(found, keys, root)
    return numbered(root, found, split_up(found.entries, keys, section, seed=seed))


def find_pictures(root: Path, section: DataSection) -> Found:
    """Return what is there, and how it is labelled, whether or not anything can be learned.

    Raises:
        DatasetError: It is not laid out as the section says, or cannot be read.
    """
    with _readable(root):
        return _find(root, section)


def _find(root: Path, section: DataSection) -> Found:
    if not root.is_dir() and not (root.is_file() and section.splits == "npz"):
        raise DatasetError(f"{root}: not a folder; name the folder of pictures with --data")
    if section.splits == "folders":
        found = split_folders(root)
    elif section.splits == "stratified":
        found = class_folders(root, root=root, split=None)
    elif section.splits == "manifest":
        found = read_manifest(
            root / section.manifest, root=root, pictures=section.pictures, group=section.groups
        )
    else:
        found = idx_files(root) if section.splits == "idx" else npz_file(root)
    if not found.entries:
        raise DatasetError(
            f"{root}: no labelled pictures in it; give it a folder for each class, or a table "
            "labels.csv with the columns path and label"
        )
    return found


def detect_layout(root: Path) -> DataSection:
    """Return the section that fits what is there.

    Raises:
        DatasetError: It is no folder or NPZ file, fits several, or cannot be read.
    """
    with _readable(root):
        return _detect(root)


def _detect(root: Path) -> DataSection:
    if root.is_file() and root.suffix == ".npz":
        return DataSection(splits="npz")
    if not root.is_dir():
        raise DatasetError(f"{root}: not a folder; name a folder of pictures or an NPZ file")
    manifests = [name for name in MANIFESTS if (root / name).is_file()]
    if len(manifests) > 1:
        raise DatasetError(
            f"{root}: it has {manifests[0]} and {manifests[1]}; name one with --manifest"
        )
    if manifests:
        return DataSection(splits="manifest", manifest=manifests[0])
    if has_idx_files(root):
        return DataSection(splits="idx")
    if (root / "train").is_dir() and (root / "test").is_dir():
        return DataSection(splits="folders")
    if any(root.glob("*.npz")) and not any(child.is_dir() for child in root.iterdir()):
        return DataSection(splits="npz")
    return DataSection(splits="stratified")


def digests_of(found: Found) -> dict[str, str]:
    """Return id → SHA-256 of the pictures that can be read."""
    return picture_digests((entry.id, entry.content) for entry in found.entries)


def keys_of(found: Found, digests: Mapping[str, str]) -> dict[str, str]:
    """Return id → what decides a picture's split: its group's name, else its bytes."""
    return {
        entry.id: f"group:{entry.group}" if entry.group else digests.get(entry.id, entry.id)
        for entry in found.entries
    }


def split_up(
    entries: tuple[Entry, ...], keys: Mapping[str, str], section: DataSection, *, seed: int
) -> tuple[Entry, ...]:
    """Return the entries with a split for each; those that have one keep it."""
    open_entries = [entry for entry in entries if entry.split is None]
    given = {entry.split for entry in entries}
    shares = Shares(
        validation=0.0 if "validation" in given else section.validation,
        test=0.0 if "test" in given else section.test,
    )
    places = assign([(keys[one.id], one.names) for one in open_entries], shares, seed=seed)
    decided = {entry.id: place for entry, place in zip(open_entries, places, strict=True)}
    return tuple(
        entry if entry.split is not None else replace(entry, split=decided[entry.id])
        for entry in entries
    )


def numbered(root: Path, found: Found, entries: tuple[Entry, ...]) -> Dataset:
    """Return the dataset of entries that all have a split.

    Raises:
        DatasetError: There is one class only, a split is empty, or knows a class that training
            does not.
    """
    trained = {name for entry in entries if entry.split == "train" for name in entry.names}
    labels = tuple(name for name in found.classes or sorted(trained) if name in trained)
    multi = any(len(entry.names) != 1 for entry in entries)
    if len(labels) < 2 and not (multi and labels):
        what = f"all are {labels[0]!r}" if labels else "none has a label to train on"
        raise DatasetError(
            f"{root}: of the pictures, {what}, and one class cannot be told from itself; give at "
            "least two"
        )
    numbers = {label: number for number, label in enumerate(labels)}
    splits: dict[Split, list[Picture]] = defaultdict(list)
    for entry in entries:
        assert entry.split is not None
        strangers = sorted(set(entry.names) - trained)
        if strangers:
            raise DatasetError(
                f"{root}: {entry.split} has the class {strangers[0]!r}, which training has no "
                "picture of"
            )
        picked = tuple(sorted(numbers[name] for name in entry.names))
        splits[entry.split].append(Picture(entry.content, entry.id, picked, entry.group))
    for split in SPLITS:
        if not splits[split]:
            raise DatasetError(f"{root}: no pictures for {split}")
    return Dataset(
        root,
        labels,
        {split: tuple(sorted(splits[split], key=lambda one: one.id)) for split in SPLITS},
        "multi-label" if multi else "single-label",
    )


def require_enough(found: Found, keys: Mapping[str, str], root: Path) -> None:
    """Refuse a class that cannot have a picture in each split that is made here.

    Raises:
        DatasetError: There is one.
    """
    if any(len(entry.names) != 1 for entry in found.entries):
        return  # A rare label among several is no reason to refuse.
    pictures = [entry for entry in found.entries if entry.split is None]
    given = {entry.split for entry in found.entries} - {None}
    needed = len(set(SPLITS) - given - {"train"}) + 1
    counts = keys_of_classes((keys[entry.id], entry.names) for entry in pictures)
    for name, count in sorted(counts.items()):
        if count < needed:
            raise DatasetError(
                f"{root}: class {name!r}: {count} pictures cannot be split in {needed}; give at "
                f"least {needed} (copies, and pictures of one group, count once)"
            )


@contextlib.contextmanager
def _readable(root: Path) -> Iterator[None]:
    """Translate what the system says, such as that permission is denied."""
    try:
        yield
    except OSError as error:
        raise DatasetError(f"{root}: cannot be read: {error}") from error
