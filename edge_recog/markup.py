"""Small pieces of HTML; every text of somebody else passes through `escape`."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """Return an element.

    In an attribute's name a trailing underscore is dropped, and one inside becomes a hyphen.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{element}{said}>{''.join(escape(part) for part in content)}</{element}>")


def void(element: str, **attributes: object) -> Markup:
    """Return an element that has no content and no end."""
    return Markup(tag(element, **attributes).removesuffix(f"</{element}>"))


def joined(parts: Iterable[object], separator: object = "") -> Markup:
    """Return parts one after the other."""
    return Markup(escape(separator).join(escape(part) for part in parts))


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


def section(key: str, title: str, *content: object) -> Markup:
    """Return a part of the page with a heading that can be linked to."""
    return tag("section", tag("h2", title), *content, id=key)
