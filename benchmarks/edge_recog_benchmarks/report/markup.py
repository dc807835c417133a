"""What the report is made of, beside `edge_recog.markup`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.markup import Markup, joined, name, tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

SERIES = 12
"""Colours that the style sheet has for contestants; more than that begin again."""


def table(
    columns: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    caption: object = "",
    numbers: Collection[int] | None = None,
) -> Markup:
    """Return a table that scrolls by itself where it is too wide.

    Args:
        columns: Headings.
        rows: Cells; the first of each row is its heading.
        caption: Above it.
        numbers: Columns that stand right; None for all but the first.
    """
    right = range(1, len(columns)) if numbers is None else numbers

    def cells(row: Sequence[object]) -> Markup:
        first, *rest = row
        return joined(
            [
                tag("th", first, scope="row"),
                *(
                    tag("td", cell, class_="n") if index in right else tag("td", cell)
                    for index, cell in enumerate(rest, 1)
                ),
            ]
        )

    heads = joined(
        tag("th", column, scope="col", class_="n" if index in right else "t")
        for index, column in enumerate(columns)
    )
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else "",
            tag("thead", tag("tr", heads)),
            tag("tbody", joined(tag("tr", cells(row)) for row in rows)),
        ),
        class_="wide",
        tabindex="0",
    )


def drawing(picture: Markup, *caption: str, wide: bool = False) -> Markup:
    """Return a drawing with its caption; a wide one scrolls by itself where there is no room."""
    if wide:
        picture = tag("div", picture, class_="scroll", tabindex="0")
    lines = (tag("div", line) for line in caption if line)
    return tag("figure", picture, tag("figcaption", *lines), class_="drawing")


def key(index: int) -> Markup:
    """Return a square of a contestant's colour; nothing that follows is broken off it."""
    colour = f"background: var(--c{index % SERIES})"
    return joined([tag("span", class_="key", style=colour), "\N{WORD JOINER}"])


def keyed(text: str, index: int) -> Markup:
    """Return a contestant's name behind a square of its colour."""
    return joined([key(index), name(text)])


def legend(contestants: Iterable[tuple[str, int]]) -> Markup:
    """Return names behind their colours, in one line."""
    return tag("span", *(tag("span", keyed(*one)) for one in contestants), class_="keys")
