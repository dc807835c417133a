"""The page's sections with pictures: the surest mistakes, and where the two models disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
from edge_recog_converter.pages.markup import folded, left_out
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.texts import percent
from edge_recog_converter.pages.thumbnails import gallery, lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_converter.datasets.labelled import Content
    from edge_recog_converter.report.document import Mistake, Report

MISTAKES_SHOWN = 48
FLIPS_PICTURED = 12
_FLIPS_NAMED = 500


def mistakes(report: Report, pictures: Mapping[str, Content]) -> Markup:
    """Return the pictures on which the INT8 model is sure, and wrong."""
    found = report.models[1].mistakes
    if not found:
        return section("mistakes", "Surest mistakes", tag("p", "The INT8 model makes none."))
    multi = report.data.task == "multi-label"
    about = (
        "Of the INT8 model on the test split, the worst first. Per cent: how far the worst label "
        "is on the wrong side of its threshold."
        if multi
        else "Of the INT8 model on the test split, the surest first. Per cent: the score of what "
        "it said. Some may be labels that are wrong."
    )
    return section(
        "mistakes",
        "Surest mistakes",
        tag("p", about),
        gallery(
            (pictures.get(one.id), one.id, _mistake(one, multi=multi))
            for one in found[:MISTAKES_SHOWN]
        ),
        left_out(len(found) - MISTAKES_SHOWN, "mistakes"),
    )


def flips(report: Report, pictures: Mapping[str, Content]) -> Markup:
    """Return the pictures of which the two models say different things."""
    found = report.parity.flips
    title = "Where INT8 and float disagree"
    if not found:
        return section("flips", title, tag("p", "On no test picture."))
    first, rest = found[:FLIPS_PICTURED], found[FLIPS_PICTURED:]
    rows = [[name(one.id), _labels(one.int8), _labels(one.float)] for one in rest[:_FLIPS_NAMED]]
    caption = "Pictures of which the two say different things"
    more = table(["picture", "INT8", "float"], rows, caption=caption, kinds=["t", "t", "t"])
    count = f"{len(found):,} test picture{'s' if len(found) != 1 else ''}."
    return section(
        "flips",
        title,
        tag("p", f"On {count}"),
        gallery(
            (
                pictures.get(one.id),
                one.id,
                lines(
                    joined(["INT8: ", tag("strong", _labels(one.int8))]),
                    joined(["float: ", tag("strong", _labels(one.float))]),
                    _id(one.id),
                ),
            )
            for one in first
        ),
        folded(f"{len(rest):,} more", more) if rest else NOTHING,
        left_out(len(rest) - _FLIPS_NAMED, "pictures"),
    )


def _mistake(one: Mistake, *, multi: bool) -> Markup:
    score = f" {percent(one.score)}\N{NO-BREAK SPACE}%"
    said = joined(["said ", tag("strong", _labels(one.said)), NOTHING if multi else score])
    return lines(
        said,
        joined(["right: ", tag("strong", _labels(one.right))]),
        f"off by{score}" if multi else NOTHING,
        _id(one.id),
    )


def _labels(labels: Sequence[str]) -> Markup:
    return joined([name(label) for label in labels], ", ") if labels else tag("em", "nothing")


def _id(text: str) -> Markup:
    return tag("span", name(text), class_="faint")
