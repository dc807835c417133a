"""What a check says: one document for programs, which the table and the page are made of.

Format history of `schema_version`:

- 1: first version.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA_VERSION = 1

Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or may be."""

    severity: Severity
    """`error`: a build refuses it, or its test cannot be believed; `warning`: worth a look."""
    kind: str
    """Stable: `corrupt`, `copies-across-splits`, `near-copies`, `one-class`, …"""
    message: str
    advice: str
    pictures: tuple[str, ...] = ()
    """Ids, the first few."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A picture among its likes."""

    id: str
    split: str
    labels: tuple[str, ...]


class Likes(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures that are the same, or nearly."""

    pictures: tuple[Place, ...]
    across_splits: bool
    labels_differ: bool


class ClassCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many pictures a class has that can be read."""

    name: str
    train: int
    validation: int
    test: int

    @property
    def total(self) -> int:
        """In all splits."""
        return self.train + self.validation + self.test


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    data: str
    """The folder or file."""
    layout: str
    """As `splits` in a recipe."""
    task: str
    usable: bool
    """Whether a dataset can be made of it; see `unusable_because`."""
    unusable_because: str
    pictures: int
    """All that are listed, readable or not."""
    splits: dict[str, int]
    """Readable pictures of each."""
    classes: tuple[ClassCount, ...]
    imbalance: float | None
    """Largest class of train over smallest; None with an empty class or fewer than two."""
    modes: dict[str, int]
    """How many pictures are `JPEG RGB`, `PNG grey`, …"""
    sizes: dict[str, tuple[int, int]]
    """Width and height of the `smallest`, `median` and `largest` picture, by area."""
    corrupt: dict[str, str]
    """Id → why it cannot be read."""
    exact: tuple[Likes, ...]
    near: tuple[Likes, ...]
    findings: tuple[Finding, ...]
    schema_version: int = SCHEMA_VERSION
