"""Small pieces of HTML; every text that did not come from this package passes through `escape`."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
"""What no text has, or what turns the text behind it around."""


SERIES = 12
"""Colours that the style sheet has for contestants; more than that begin again."""


class Markup(str):
    """HTML that is finished: `cell` and `table` do not escape it again."""

    __slots__ = ()


NOTHING = Markup("")


def escape(text: object) -> Markup:
    """Return text that is safe between tags and in a quoted attribute, of valid Unicode."""
    if isinstance(text, Markup):
        return text
    valid = str(text).encode(errors="replace").decode()
    return Markup(html.escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", valid)))


def shortened(text: str, length: int) -> str:
    """Return text of at most `length` characters, with an ellipsis in its middle if need be.

    The end of a model's name tells as much as its beginning.
    """
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[head + 1 - length :]}"


def name(text: str) -> Markup:
    """Return a name that keeps its own direction of writing to itself, and may be broken."""
    parts = re.split(r"(?<=[_./,-])(?=\w)", text)
    return Markup(f"<bdi>{'<wbr>'.join(map(escape, parts))}</bdi>")


def tag(element: str, *content: object, **attributes: object) -> Markup:
    """Return an element; a trailing underscore of an attribute's name is dropped."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{element}{said}>{''.join(escape(part) for part in content)}</{element}>")


def joined(parts: Iterable[str], separator: str = "") -> Markup:
    """Return parts one after the other."""
    return Markup(escape(separator).join(escape(part) for part in parts))


def section(key: str, title: str, *content: object) -> Markup:
    """Return a part of the page with a heading that can be linked to."""
    return tag("section", tag("h2", title), *content, id=key)


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
