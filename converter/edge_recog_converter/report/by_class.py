"""The page's section on each class: what is found of it, and what is taken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import Markup, name, section, tag
from edge_recog_converter.pages.tables import bar, long_table
from edge_recog_converter.pages.texts import DASH, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_converter.pages.tables import Kind
    from edge_recog_converter.report.document import ClassFigures, Report


def classes(report: Report) -> Markup:
    """Return precision, recall and F1 of every class, the worst of the INT8 model first."""
    float_, int8 = (model.classes for model in report.models)
    multi = report.data.task == "multi-label"
    order = sorted(range(len(int8)), key=lambda index: _worst_first(int8[index]))
    figures = ["precision", "recall", "F1", *(["AP"] if multi else [])]
    columns = ["class", "pictures", "F1 of INT8", *figures, *figures]
    kinds: list[Kind] = ["t", "n", "bars"]
    kinds += ["n"] * (2 * len(figures))
    groups = [("", 3), ("INT8, %", len(figures)), ("float, %", len(figures))]
    if multi:
        columns.append("threshold")
        kinds.append("n")
        groups.append(("", 1))
    rows = [
        [
            name(int8[index].label),
            f"{int8[index].support:,}",
            bar({"c0": int8[index].f1 or 0.0}),
            *_shares(int8[index], multi=multi),
            *_shares(float_[index], multi=multi),
            *([_threshold(report.thresholds, index)] if multi else []),
        ]
        for index in order
    ]
    about = "The lowest F1 of the INT8 model comes first; a class that no test picture has, last."
    if multi:
        about += (
            " AP is average precision, of the ranking by score. A label is said where its score "
            "reaches its threshold, which was tuned on validation."
        )
    shown = long_table(
        columns, rows, caption="Each class on the test split", what="classes", kinds=kinds,
        groups=groups,
    )  # fmt: skip
    return section("classes", "By class", tag("p", about), shown)


def _worst_first(one: ClassFigures) -> tuple[bool, float, int]:
    return (one.f1 is None or not one.support, one.f1 or 0.0, -one.support)


def _shares(one: ClassFigures, *, multi: bool) -> list[str]:
    shares = [one.precision, one.recall, one.f1, *([one.average_precision] if multi else [])]
    return [percent(share) for share in shares]


def _threshold(thresholds: Sequence[float] | None, index: int) -> str:
    return DASH if thresholds is None else f"{thresholds[index]:.3f}"
