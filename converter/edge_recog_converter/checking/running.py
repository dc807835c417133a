"""One check from beginning to end."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_converter.checking import judging
from edge_recog_converter.checking.document import CheckResult
from edge_recog_converter.checking.examining import Examined, Look, examine_all
from edge_recog_converter.checking.likeness import near_sets
from edge_recog_converter.datasets.finding import (
    find_pictures,
    keys_of,
    numbered,
    require_enough,
    split_up,
)
from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edge_recog_converter.checking.document import ClassCount, Finding, Likes
    from edge_recog_converter.datasets.entries import Entry, Found
    from edge_recog_converter.datasets.labelled import Content
    from edge_recog_converter.recipe import DataSection

    Meter = Callable[[int], contextlib.AbstractContextManager[Callable[[], None]]]


def check_data(
    root: Path,
    section: DataSection,
    *,
    seed: int,
    meter: Meter = lambda _: contextlib.nullcontext(lambda: None),
) -> tuple[CheckResult, dict[str, Content]]:
    """Return what a check says, and each picture's content by id.

    Args:
        root: The data folder, or an NPZ file.
        section: How classes and splits are told apart.
        seed: For splits made here.
        meter: Given the number of pictures, yields what is called after each.

    Raises:
        DatasetError: It is not laid out as the section says, so that there is nothing to check.
    """
    found = find_pictures(root, section)
    with meter(len(found.entries)) as advance:
        examined = examine_all(
            ((entry.id, entry.content) for entry in found.entries), on_picture=advance
        )
    digests = {name: one.sha256 for name, one in examined.items() if one.sha256}
    keys = keys_of(found, digests)
    entries = split_up(found.entries, keys, section, seed=seed)
    readable = [entry for entry in entries if examined[entry.id].look is not None]
    if not readable:
        raise DatasetError(f"{root}: none of {len(entries)} files can be read as a picture")
    corrupt = {name: one.problem for name, one in examined.items() if one.problem}
    reason = _unusable(root, found, entries, readable, keys)
    exact = judging.likes(_exact(readable, examined))
    near = judging.likes(_near(readable, examined))
    names = found.classes or sorted({name for entry in entries for name in entry.names})
    classes = judging.class_counts(readable, names)
    result = CheckResult(
        data=str(root),
        layout=section.splits,
        task="multi-label" if any(len(one.names) != 1 for one in entries) else "single-label",
        usable=not reason,
        unusable_because=reason,
        pictures=len(entries),
        splits={split: sum(one.split == split for one in readable) for split in SPLITS},
        classes=classes,
        imbalance=judging.imbalance(classes),
        modes=_modes(examined),
        sizes=_sizes([one.look for one in examined.values() if one.look is not None]),
        corrupt=corrupt,
        exact=exact,
        near=near,
        findings=_findings(corrupt, exact, near, entries, classes, found),
    )
    return result, {entry.id: entry.content for entry in entries}


def _findings(
    corrupt: Mapping[str, str], exact: Sequence[Likes], near: Sequence[Likes],
    entries: Sequence[Entry], classes: Sequence[ClassCount], found: Found,
) -> tuple[Finding, ...]:  # fmt: skip
    all_of_them = [
        *judging.about_copies(exact, near),
        *judging.about_groups(entries),
        *judging.about_classes(classes, found.empty),
        *judging.about_corrupt(corrupt),
    ]
    order = ("error", "warning", "note")
    return tuple(sorted(all_of_them, key=lambda one: order.index(one.severity)))


def _unusable(
    root: Path, found: Found, entries: tuple[Entry, ...], readable: Sequence[Entry],
    keys: Mapping[str, str],
) -> str:  # fmt: skip
    """Return why no dataset can be made; empty if one can."""
    try:
        if found.empty:
            raise DatasetError(f"{found.empty[0]}: a class without pictures; remove it")
        require_enough(found, keys, root)
        numbered(root, found, entries)
        numbered(root, found, tuple(readable))
    except DatasetError as error:
        return str(error)
    return ""


def _exact(entries: Sequence[Entry], examined: Mapping[str, Examined]) -> list[list[Entry]]:
    same: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        same[examined[entry.id].sha256].append(entry)
    return [one for one in same.values() if len(one) > 1]


def _near(entries: Sequence[Entry], examined: Mapping[str, Examined]) -> list[list[Entry]]:
    """Return sets that look alike and are not all copies; of exact copies, one stands for all."""
    looks: list[Look] = []
    copies: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        one = examined[entry.id]
        if one.sha256 not in copies and one.look is not None:
            looks.append(one.look)
        copies[one.sha256].append(entry)
    hashes = np.array([look.hash for look in looks], np.uint64)
    small = np.stack([look.small for look in looks])
    unique = list(copies.values())
    return [
        [entry for index in indices for entry in unique[index]]
        for indices in near_sets(hashes, small)
    ]


def _modes(examined: Mapping[str, Examined]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in examined.values():
        if one.look is not None and one.kind is not None:
            turned = ", turned by EXIF" if one.kind.orientation != 1 else ""
            counts[f"{one.kind.format} {one.kind.mode}".strip() + turned] += 1
    return dict(counts.most_common())


def _sizes(looks: Sequence[Look]) -> dict[str, tuple[int, int]]:
    ranked = sorted((look.width * look.height, look.width, look.height) for look in looks)
    chosen = {"smallest": ranked[0], "median": ranked[len(ranked) // 2], "largest": ranked[-1]}
    return {name: (width, height) for name, (_, width, height) in chosen.items()}
