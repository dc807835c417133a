"""Which split a picture is in, decided by its own bytes.

The rule:

1. A picture's key is the SHA-256 of its file; that of a picture in a group is the group's name.
   Pictures with one key, such as copies and a group, always go together.
2. A hash of the seed and the key is a number from 0 to 1. Below `test` it is in the test split,
   below `test + validation` in validation, else in train. No other picture has a say, so adding,
   removing or renaming files moves nothing, and shares hold on average.
3. Small classes may have nothing in a split by chance. A class with at least as many keys as there
   are splits then gets a stand-in: of its pictures elsewhere, the one whose number is nearest,
   provided that its own split keeps another for each of its labels. A class with fewer fills train
   first, then test.

Only a stand-in can move when pictures are added: back to its own place. No rule without a memory
can fill each split of a class of three and still never move anything. `splits.csv` of an earlier
build is such a memory: it can be used as a manifest.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_recog_converter.datasets.labelled import Split

_ORDER: tuple[Split, ...] = ("train", "test", "validation")
"""Who is served first where a class is too small for all."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the pictures each split gets; train has the rest."""

    validation: float
    test: float
    """0 for a split that is not made here."""

    def interval(self, split: Split) -> tuple[float, float]:
        """Return the numbers that belong to a split: from, and up to but not including."""
        return {
            "test": (0.0, self.test),
            "validation": (self.test, self.test + self.validation),
            "train": (self.test + self.validation, 1.0),
        }[split]

    @property
    def made(self) -> tuple[Split, ...]:
        """The splits that get something, the most important first."""
        return tuple(split for split in _ORDER if self.interval(split)[0] < self.interval(split)[1])


def number_of(key: str, seed: int) -> float:
    """Return the number from 0 to 1 that decides where a key goes."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def place(key: str, shares: Shares, seed: int) -> Split:
    """Return the split of a key by rule 2 alone."""
    number = number_of(key, seed)
    return next(split for split in shares.made if number < shares.interval(split)[1]
                and number >= shares.interval(split)[0])  # fmt: skip


def assign(items: Sequence[tuple[str, Iterable[str]]], shares: Shares, *, seed: int) -> list[Split]:
    """Return each picture's split; see the rule above.

    Args:
        items: Key and labels of each picture.
        shares: Of the splits.
        seed: Another one gives other splits.
    """
    labels: dict[str, set[str]] = defaultdict(set)
    for key, names in items:
        labels[key].update(names)
    places = {key: place(key, shares, seed) for key in labels}
    _stand_in(places, labels, shares, seed)
    return [places[key] for key, _ in items]


def keys_of_classes(items: Iterable[tuple[str, Iterable[str]]]) -> dict[str, int]:
    """Return how many different keys each label has."""
    keys: dict[str, set[str]] = defaultdict(set)
    for key, names in items:
        for name in names:
            keys[name].add(key)
    return {name: len(found) for name, found in keys.items()}


def _stand_in(
    places: dict[str, Split], labels: Mapping[str, set[str]], shares: Shares, seed: int
) -> None:
    """Apply rule 3."""
    members: dict[str, list[str]] = defaultdict(list)
    counts: Counter[tuple[str, Split]] = Counter()
    for key, names in labels.items():
        for name in names:
            members[name].append(key)
            counts[name, places[key]] += 1
    # Rare labels first: they have the least choice.
    for name in sorted(members, key=lambda name: (len(members[name]), name)):
        for split in shares.made[: len(members[name])]:
            if counts[name, split]:
                continue
            spare = [
                key
                for key in members[name]
                if all(counts[other, places[key]] > 1 for other in labels[key])
            ]
            if not spare and split == "train":
                # Nothing can be learned from a label that training lacks.
                spare = members[name]
            if not spare:
                continue
            moved = min(spare, key=lambda key: (_distance(key, split, shares, seed), key))
            for other in labels[moved]:
                counts[other, places[moved]] -= 1
                counts[other, split] += 1
            places[moved] = split


def _distance(key: str, split: Split, shares: Shares, seed: int) -> float:
    low, high = shares.interval(split)
    number = number_of(key, seed)
    return max(low - number, number - high, 0.0)
