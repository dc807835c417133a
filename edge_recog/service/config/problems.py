"""What is wrong with a configuration, in words: all of it, not only the first mistake."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edge_recog.errors import EdgeRecogError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_LONGEST_VALUE = 60
_WORDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "false",
    "number": "a number",
    "object": "a section",
    "string": "a text",
}


class Problem(NamedTuple):
    """One mistake."""

    where: str
    """`config.toml:12`, or the variable or option that has it."""
    text: str
    """Begins with the key it is about, and says what to do."""

    def __str__(self) -> str:
        """Return one line, on which what cannot be seen is escaped."""
        return "".join(map(_visible, f"{self.where}: {self.text}"))


class ConfigError(EdgeRecogError, ValueError):
    """A configuration that cannot be followed; its text has a line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Tell of at least one problem."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def unknown_key(key: str, known: Collection[str], elsewhere: Iterable[str]) -> str:
    """Return what to say of a key that does not exist.

    Args:
        key: In full, such as `web.lisen`.
        known: Names that exist in its section.
        elsewhere: All keys in full.
    """
    name = key.rpartition(".")[2]
    if near := difflib.get_close_matches(name, known, n=1):
        return f"{key}: unknown key; did you mean {near[0]}?"
    if found := next((other for other in elsewhere if other.rpartition(".")[2] == name), None):
        section = found.rpartition(".")[0]
        place = f"the section [{section}]" if section else "the top of the file"
        return f"{key}: unknown key; it belongs to {place}"
    return f"{key}: unknown key; there are {', '.join(known)}"


def wrong_value(key: str, value: Any, kind: Any, *, secret: bool) -> str:
    """Return what to say of a value that its type does not allow.

    Args:
        key: In full.
        value: As it was read.
        kind: The type.
        secret: Do not repeat the value.
    """
    must = f"must be {allowed_words(kind)}"
    return f"{key} {must}" if secret else f"{key} is {shown(value)}; it {must}"


def shown(value: Any) -> str:
    """Return a value as TOML has it, shortened."""
    if isinstance(value, float):
        return repr(value)
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        # A number or a nesting that no file of sense has.
        return f"too large a {type(value).__name__}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def allowed_words(kind: Any) -> str:
    """Return what a type allows, such as `a number from 0.1 to 60, or false`."""
    schema = msgspec.json.schema(kind)
    parts = [_part_words(part) for part in schema.get("anyOf", [schema])]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, or {parts[-1]}"


def _part_words(part: dict[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(map(shown, part["enum"]))
    if "$ref" in part:
        return _WORDS["object"]
    if part.get("type") == "array":
        items = part.get("items") or {}
        return f"a list, each {_part_words(items)}" if items else "a list"
    words = _WORDS.get(str(part.get("type")), "something else")
    if "pattern" in part:
        words += f" that matches {part['pattern']}"
    if part.get("minLength"):
        words += " that is not empty"
    if "minimum" in part:
        words += f" from {part['minimum']:g}"
    if "exclusiveMinimum" in part:
        words += f" above {part['exclusiveMinimum']:g}"
    if "maximum" in part:
        to = " to" if "minimum" in part else " and at most"
        words += f"{to} {part['maximum']:g}"
    return words
