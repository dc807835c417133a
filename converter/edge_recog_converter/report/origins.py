"""The page's sections on what the model was made from, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.pages.markup import facts, left_out
from edge_recog_converter.pages.splits import class_counts
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.texts import duration, moment

if TYPE_CHECKING:
    from edge_recog_converter.report.document import Data, Report

_MOST_SKIPPED = 200


def data(report: Report) -> Markup:
    """Return what there was to learn from."""
    about = report.data
    splits = ", ".join(f"{about.pictures.get(split, 0):,} {split}" for split in SPLITS)
    counts = [
        (label, {split: _count(about, split, index) for split in SPLITS})
        for index, label in enumerate(about.labels)
    ]
    return section(
        "data",
        "Data",
        facts([
            ("name", name(about.name)),
            ("pictures", f"{sum(about.pictures.values()):,} ({splits})"),
            ("task", f"{about.task}, {len(about.labels):,} classes"),
            ("fingerprint", tag("code", about.fingerprint)),
        ]),
        tag("p", _imbalance(about)),
        class_counts(counts, caption="Pictures of each class, the largest first"),
        _skipped(about),
    )  # fmt: skip


def making(report: Report) -> Markup:
    """Return how the model was made, and what is needed to make it again."""
    return section(
        "making",
        "How it was made",
        facts([
            ("created", moment(report.created)),
            ("network", f"{report.parameters:,} parameters, {report.input}"),
            ("time", f"{duration(report.seconds)}, by the process that ended the build"),
            ("peak memory", f"{report.peak_memory_mb:,.0f} MB"),
            *((key, value) for key, value in report.machine.items()),
        ]),
        joined([tag("h3", "Tools"), facts(report.tools.items())]) if report.tools else NOTHING,
        tag("h3", "Recipe"),
        tag("pre", report.recipe, tabindex="0"),
    )  # fmt: skip


def _count(about: Data, split: str, index: int) -> int:
    counts = about.counts.get(split)
    return counts[index] if counts else 0


def _imbalance(about: Data) -> str:
    train = about.counts.get("train", ())
    if len(train) < 2 or not min(train):
        return "There is a class without a picture to train on." if train else ""
    ratio = max(train) / min(train)
    return f"In train, the largest class has {ratio:.1f} times as many pictures as the smallest."


def _skipped(about: Data) -> Markup:
    if not about.skipped:
        return tag("p", "Every file could be read.")
    rows = [(name(id_), name(why)) for id_, why in list(about.skipped.items())[:_MOST_SKIPPED]]
    count = f"{len(about.skipped):,} file{'s' if len(about.skipped) != 1 else ''}"
    shown = table(["file", "why"], rows, caption=f"{count} left out", kinds=["t", "t"])
    return joined([shown, left_out(len(about.skipped) - _MOST_SKIPPED, "files")])
