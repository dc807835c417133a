"""What the converter's pages are made of, beside `edge_recog.markup`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, tag

if TYPE_CHECKING:
    from collections.abc import Iterable


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Return terms, and what is to be said of each."""
    return tag("dl", *(joined([tag("dt", term), tag("dd", said)]) for term, said in pairs))


def folded(summary: object, *content: object) -> Markup:
    """Return what is shown when its summary is clicked, and always on paper."""
    return tag("details", tag("summary", summary), *content)


def drawing(picture: Markup, caption: object) -> Markup:
    """Return a drawing with its caption."""
    return tag("figure", picture, tag("figcaption", caption), class_="drawing")


def left_out(count: int, what: str) -> Markup:
    """Return a line on what is not shown; nothing if that is nothing."""
    if count <= 0:
        return NOTHING
    return tag("p", f"{count:,} more {what} are not shown.", class_="faint")
