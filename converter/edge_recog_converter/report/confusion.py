"""The page's section on what is taken for what, in single-label models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, shortened, tag
from edge_recog_converter.pages.markup import folded
from edge_recog_converter.pages.tables import scrolling, table
from edge_recog_converter.pages.texts import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_converter.report.document import Report

    Counts = Sequence[Sequence[int]]

MOST_CLASSES = 50
"""Of a matrix; of more classes the most frequent confusions are listed."""
_MOST_CONFUSIONS = 50
_MOST_NAMED = 5
_CROWDED = 16
"""Classes from which on a matrix is set in small print."""
_UPRIGHT = 4
"""Letters of a label up to which it stands upright over its column."""
_LONGEST = 28


def confusion(report: Report) -> Markup:
    """Return matrices of both models, or what they confuse most; nothing for multi-label."""
    float_, int8 = (model.confusion for model in report.models)
    if float_ is None or int8 is None:
        return NOTHING
    labels = report.data.labels
    if len(labels) > MOST_CLASSES:
        return section("confusion", "Confusions", _most_frequent(labels, int8, float_))
    about = (
        "Rows: what is right; columns: what was said. The stronger the colour, the larger the "
        "share of its row; framed numbers, on the diagonal, are right. Empty: none."
    )
    return section(
        "confusion",
        "Confusion matrix",
        tag("p", about, _named(labels, int8)),
        _matrix(labels, int8, "INT8: pictures by right label and by what was said"),
        folded(
            "The float model's",
            _matrix(labels, float_, "Float: pictures by right label and by what was said"),
        ),
    )


def _confusions(counts: Counts) -> list[tuple[int, int, int]]:
    """Return how many, right label and what was said, the most frequent first."""
    found = [
        (count, row, column)
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count and row != column
    ]
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))


def _named(labels: Sequence[str], counts: Counts) -> Markup:
    most = _confusions(counts)[:_MOST_NAMED]
    if not most:
        return NOTHING
    taken = [
        joined([name(labels[row]), " for ", name(labels[column]), f" ({count:,})"])
        for count, row, column in most
    ]
    return joined([" Most often INT8 took ", joined(taken, ", "), "."])


def _matrix(labels: Sequence[str], counts: Counts, caption: str) -> Markup:
    small = len(labels) > _CROWDED
    turned = max(map(len, labels)) > _UPRIGHT
    corner = tag("th", "right ↓ said →", scope="col", class_="corner")
    heads = (_label(label, "col") for label in labels)
    rows = (
        tag("tr", _label(labels[row], "row"), *_cells(labels, row, line))
        for row, line in enumerate(counts)
    )
    kind = f"matrix{' crowded' if small else ''}{' turned' if turned else ''}"
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", corner, *heads)),
        tag("tbody", *rows),
        class_=kind,
    )
    return scrolling(whole, caption)


def _label(label: str, scope: str) -> Markup:
    shown = tag("span", tag("bdi", shortened(label, _LONGEST)))
    return tag("th", shown, scope=scope, title=label)


def _cells(labels: Sequence[str], row: int, line: Sequence[int]) -> list[Markup]:
    whole = sum(line) or 1
    cells = []
    for column, count in enumerate(line):
        hit = row == column
        if not count:
            cells.append(tag("td", class_="hit") if hit else tag("td"))
            continue
        said = f"{labels[row]}, said {labels[column]}: {count:,} ({percent(count / whole)} %)"
        # The root, so that a few mistakes among many pictures can be seen.
        strength = f"--share: {(count / whole) ** 0.5:.2f}"
        kind = "hit" if hit else "miss"
        cells.append(tag("td", f"{count:,}", class_=kind, style=strength, title=said))
    return cells


def _most_frequent(labels: Sequence[str], int8: Counts, float_: Counts) -> Markup:
    found = _confusions(int8)
    if not found:
        return tag("p", "The INT8 model takes nothing for anything else.")
    rows = [
        [
            joined([name(labels[row]), " → ", name(labels[column])]),
            f"{count:,}",
            percent(count / sum(int8[row])),
            f"{float_[row][column]:,}",
        ]
        for count, row, column in found[:_MOST_CONFUSIONS]
    ]
    about = (
        f"{len(labels)} classes are too many for a matrix. These are the confusions that happen "
        f"most often, of {len(found):,} kinds."
    )
    columns = ["right → said", "INT8", "% of the right label's", "float"]
    return joined([tag("p", about), table(columns, rows, caption="Pictures of each confusion")])
