"""Tables that a screen reader can walk through, and that scroll by themselves where too wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from edge_recog.markup import NOTHING, Markup, joined, tag
from edge_recog_converter.pages.markup import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Kind = Literal["t", "n", "bars"]
"""Of a column: text, numbers, which stand right, or bars."""
ROWS_AT_ONCE = 24
"""Of a long table; those below are folded away."""


def table(
    columns: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    caption: str,
    kinds: Sequence[Kind] | None = None,
    groups: Sequence[tuple[str, int]] = (),
) -> Markup:
    """Return a table.

    Args:
        columns: Headings.
        rows: Cells; the first of each row is its heading.
        caption: What it says, above it.
        kinds: Of each column; None for numbers in all but the first.
        groups: Headings above those of the columns, and how many columns each spans.
    """
    known: Sequence[Kind] = kinds or _numbers(len(columns))
    over = tag(
        "tr",
        *(
            tag("th", title, scope="colgroup", colspan=span) if title else tag("td", colspan=span)
            for title, span in groups
        ),
        class_="groups",
    )
    heads = tag(
        "tr",
        *(
            tag("th", column, scope="col", class_=kind)
            for column, kind in zip(columns, known, strict=True)
        ),
    )
    body = joined(tag("tr", _cells(row, known)) for row in rows)
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", over if groups else NOTHING, heads),
        tag("tbody", body),
    )
    return scrolling(whole, caption)


def long_table(
    columns: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: str,
    what: str,
    kinds: Sequence[Kind] | None = None,
    groups: Sequence[tuple[str, int]] = (),
) -> Markup:
    """Return a table whose rows below the first few are folded away; `what` they are."""
    first, rest = rows[:ROWS_AT_ONCE], rows[ROWS_AT_ONCE:]
    if len(rest) < ROWS_AT_ONCE // 4:
        first, rest = rows, []
    shown = table(columns, first, caption=caption, kinds=kinds, groups=groups)
    if not rest:
        return shown
    title = f"{len(rest):,} more {what}"
    more = table(columns, rest, caption=f"{caption} (continued)", kinds=kinds, groups=groups)
    return joined([shown, folded(title, more)])


def scrolling(content: Markup, label: str) -> Markup:
    """Return what scrolls by itself, with a pointer or with keys."""
    return tag("div", content, class_="wide", role="region", aria_label=label, tabindex="0")


def bar(parts: Mapping[str, float], *, said: str = "") -> Markup:
    """Return a bar of parts beside each other.

    Args:
        parts: Class of the style sheet → share of the whole width, 0-1.
        said: Its meaning in words; empty if that stands beside it.
    """
    pieces = joined(
        tag("span", class_=kind, style=f"width: {100 * share:.2f}%")
        for kind, share in parts.items()
    )
    if said:
        return tag("div", pieces, class_="bar", role="img", aria_label=said, title=said)
    return tag("div", pieces, class_="bar", aria_hidden="true")


def _numbers(count: int) -> list[Kind]:
    first: list[Kind] = ["t"]
    rest: list[Kind] = ["n"]
    return first + rest * (count - 1)


def _cells(row: Sequence[object], kinds: Sequence[Kind]) -> Markup:
    first, *rest = row
    cells = (tag("td", cell, class_=kind) for cell, kind in zip(rest, kinds[1:], strict=True))
    return joined([tag("th", first, scope="row"), *cells])
