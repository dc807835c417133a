"""Small pieces of HTML; every text that did not come from this package passes through `escape`."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
"""What no text has, or what turns the text behind it around."""


class Markup(str):
    """HTML that is finished: it is not escaped again."""

    __slots__ = ()


NOTHING = Markup("")


def escape(text: object) -> Markup:
    """Return text that is safe between tags and in a quoted attribute, of valid Unicode."""
    if isinstance(text, Markup):
        return text
    valid = str(text).encode(errors="replace").decode()
    return Markup(html.escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", valid)))


def tag(element: str, *content: object, **attributes: object) -> Markup:
    """Return an element; a trailing underscore of an attribute's name is dropped."""
    said = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{element}{said}>{''.join(escape(part) for part in content)}</{element}>")


def void(element: str, **attributes: object) -> Markup:
    """Return an element that has no content and no end."""
    return Markup(tag(element, **attributes).removesuffix(f"</{element}>"))


def joined(parts: Iterable[object]) -> Markup:
    """Return parts one after the other."""
    return Markup("".join(escape(part) for part in parts))


def table(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """Return a table whose columns but the first stand right; `bars` of markup stand left."""
    heads = joined(
        tag("th", column, scope="col", class_="n" if index else "t")
        for index, column in enumerate(columns)
    )

    def cells(row: Sequence[object]) -> Markup:
        first, *rest = row
        return joined([
            tag("th", first, scope="row"),
            *(tag("td", cell, class_="bars" if isinstance(cell, Markup) else "n") for cell in rest),
        ])  # fmt: skip

    body = joined(tag("tr", cells(row)) for row in rows)
    whole = tag("table", tag("thead", tag("tr", heads)), tag("tbody", body))
    return tag("div", whole, class_="wide", tabindex="0")
