"""How many pictures each class has in each split, as a table with bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import Markup, joined, name, tag
from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.pages.markup import left_out
from edge_recog_converter.pages.tables import bar, long_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_converter.datasets.labelled import Split

_MOST = 2000


def class_counts(counts: Sequence[tuple[str, Mapping[Split, int]]], *, caption: str) -> Markup:
    """Return a table of classes and their pictures, the largest first."""
    totals = [sum(splits.values()) for _, splits in counts]
    most = max(totals, default=0) or 1
    ranked = sorted(counts, key=lambda one: -sum(one[1].values()))
    rows = [
        [
            name(label),
            bar({split: splits[split] / most for split in SPLITS}, said=_said(splits)),
            *(f"{splits[split]:,}" for split in SPLITS),
            f"{sum(splits.values()):,}",
        ]
        for label, splits in ranked[:_MOST]
    ]
    shown = long_table(
        ["class", "pictures", *map(_keyed, SPLITS), "all"],
        rows,
        caption=caption,
        what="classes",
        kinds=["t", "bars", "n", "n", "n", "n"],
    )
    return joined([shown, left_out(len(ranked) - _MOST, "classes")])


def _keyed(split: Split) -> Markup:
    return tag("span", tag("span", class_=f"key {split}"), split, class_="keyed")


def _said(splits: Mapping[Split, int]) -> str:
    return ", ".join(f"{split} {splits[split]:,}" for split in SPLITS)
