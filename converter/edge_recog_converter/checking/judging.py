"""From what was found to what it means: pure functions, each for one kind of finding."""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from edge_recog_converter.checking.document import ClassCount, Finding, Likes, Place
from edge_recog_converter.datasets.labelled import SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from edge_recog_converter.checking.document import Severity
    from edge_recog_converter.datasets.entries import Entry

NAMED = 12
"""Pictures that a finding names."""
IMBALANCED = 10.0
"""Ratio of the largest class to the smallest that is worth a warning."""
FEW = 10
"""Pictures of a class to train on, below which there is a warning."""


def likes(sets: Iterable[Sequence[Entry]]) -> tuple[Likes, ...]:
    """Return sets of like pictures, those across splits first."""
    found = [
        Likes(
            pictures=tuple(
                Place(id=one.id, split=str(one.split), labels=one.names) for one in entries
            ),
            across_splits=len({one.split for one in entries}) > 1,
            labels_differ=len({frozenset(one.names) for one in entries}) > 1,
        )
        for entries in sets
    ]
    return tuple(
        sorted(
            found,
            key=lambda one: (not one.across_splits, not one.labels_differ, one.pictures[0].id),
        )
    )


def class_counts(entries: Iterable[Entry], names: Iterable[str]) -> tuple[ClassCount, ...]:
    """Return how many pictures each class has in each split; those without any included."""
    counts: dict[str, dict[str, int]] = {name: dict.fromkeys(SPLITS, 0) for name in names}
    for entry in entries:
        for name in entry.names:
            counts[name][str(entry.split)] += 1
    return tuple(ClassCount(name=name, **count) for name, count in counts.items())


def imbalance(classes: Sequence[ClassCount]) -> float | None:
    """Return the largest class of train over the smallest; None if that says nothing."""
    sizes = [one.train for one in classes]
    return max(sizes) / min(sizes) if len(sizes) > 1 and min(sizes) else None


def about_corrupt(corrupt: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what files that cannot be read mean."""
    if corrupt:
        yield _finding(
            "warning", "corrupt",
            f"{_count(len(corrupt), 'file')} cannot be read as a picture",
            "fetch them again or remove them; a build skips them",
            corrupt,
        )  # fmt: skip


class _Copies(NamedTuple):
    """One thing that copies may mean."""

    severity: Severity
    kind: str
    near: bool
    """Whether it is about pictures that look alike, and not about the same file."""
    meant: Callable[[Likes], bool]
    what: str
    where: str
    advice: str


def _harmless(one: Likes) -> bool:
    return not (one.across_splits or one.labels_differ)


_ACROSS, _DIFFER = attrgetter("across_splits"), attrgetter("labels_differ")
_ALIKE: Final = "of pictures that look alike"
_COPIES: Final = (
    _Copies(
        "error", "copies-across-splits", False, _ACROSS, "picture",
        "with copies in more than one split",
        "remove all but one of each; such a test flatters the model, and a build refuses it",
    ),
    _Copies(
        "error", "labels-differ", False, _DIFFER, "picture", "with copies that have other labels",
        "decide which label is right, and remove the rest",
    ),
    _Copies(
        "warning", "copies", False, _harmless, "picture", "with copies in the same split",
        "remove all but one of each; copies count more than others do",
    ),
    _Copies(
        "warning", "near-copies-across-splits", True, _ACROSS, "set",
        f"{_ALIKE} in more than one split",
        "look at them; put those of one scene into one split, with a group in a manifest",
    ),
    _Copies(
        "warning", "near-labels-differ", True, _DIFFER, "set", f"{_ALIKE} with other labels",
        "look at them; one of the labels may be wrong",
    ),
    _Copies(
        "note", "near-copies", True, _harmless, "set", f"{_ALIKE} in the same split",
        "nothing need be done; they teach less than their number says",
    ),
)  # fmt: skip


def about_copies(exact: Sequence[Likes], near: Sequence[Likes]) -> Iterator[Finding]:
    """Yield what copies mean, exact and near ones."""
    for case in _COPIES:
        found = [one for one in (near if case.near else exact) if case.meant(one)]
        if found:
            yield _finding(
                case.severity,
                case.kind,
                f"{_count(len(found), case.what)} {case.where}",
                case.advice,
                _ids(found),
            )


def about_groups(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Yield what groups in more than one split mean."""
    splits: dict[str, set[str]] = defaultdict(set)
    members: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.group:
            splits[entry.group].add(str(entry.split))
            members[entry.group].append(entry.id)
    torn = sorted(group for group, found in splits.items() if len(found) > 1)
    if torn:
        yield _finding(
            "error", "groups-across-splits",
            f"{_count(len(torn), 'group')} in more than one split: {', '.join(torn[:5])}",
            "correct the manifest's column split, or leave it out: then groups stay together",
            [name for group in torn for name in members[group]],
        )  # fmt: skip


def about_classes(classes: Sequence[ClassCount], empty: Sequence[str]) -> Iterator[Finding]:
    """Yield what the sizes of classes mean."""
    if empty:
        yield _finding(
            "error", "empty-class",
            f"{_count(len(empty), 'class folder')} without a picture: {', '.join(empty[:5])}",
            "fill or remove it; a build refuses it",
        )  # fmt: skip
    if len(classes) == 1:
        yield _finding(
            "error", "one-class", f"there is one class only: {classes[0].name}",
            "give at least two; for a yes-or-no model, a second one of everything else",
        )  # fmt: skip
    for split in SPLITS:
        lacking = [one.name for one in classes if not getattr(one, split) and one.total]
        if lacking:
            yield _finding(
                "error" if split == "train" else "warning", f"class-missing-in-{split}",
                f"{split} has no readable picture of {', '.join(lacking[:5])}"
                f"{' and others' if len(lacking) > 5 else ''}",
                "give it some, or remove the class",
            )  # fmt: skip
    gone = [one.name for one in classes if not one.total]
    if gone:
        yield _finding(
            "error", "class-unreadable", f"no picture can be read of {', '.join(gone[:5])}",
            "replace its files, or remove the class",
        )  # fmt: skip
    ratio = imbalance(classes)
    if ratio is not None and ratio >= IMBALANCED:
        yield _finding(
            "warning", "imbalance",
            f"the largest class has {ratio:.0f} times as many pictures to train on as the smallest",
            "collect more of the small ones, or let the recipe balance them",
        )  # fmt: skip
    few = [one.name for one in classes if 0 < one.train < FEW]
    if few:
        yield _finding(
            "warning", "few-pictures",
            f"fewer than {FEW} pictures to train on: {', '.join(few[:5])}"
            f"{' and others' if len(few) > 5 else ''}",
            "collect more of them",
        )  # fmt: skip


def _finding(
    severity: Severity, kind: str, message: str, advice: str, pictures: Iterable[str] = ()
) -> Finding:
    return Finding(
        severity=severity,
        kind=kind,
        message=message,
        advice=advice,
        pictures=tuple(list(pictures)[:NAMED]),
    )


def _ids(sets: Iterable[Likes]) -> list[str]:
    return [place.id for one in sets for place in one.pictures]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
