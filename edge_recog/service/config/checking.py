"""From plain values to Structs, with every mistake that can be told at once."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeVar

import msgspec

from edge_recog.service.config.keys import (
    item_section_of,
    keys_of,
    section_of,
    takes_flag,
    takes_none,
)
from edge_recog.service.config.problems import unknown_key, wrong_value
from edge_recog.service.config.secret_files import is_secret_file

_Section = TypeVar("_Section", bound=msgspec.Struct)
_PATH = re.compile(r" - at `\$[^`]*`$")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


class Mistake(NamedTuple):
    """A problem before it is known where the key was set."""

    key: str
    """In full, as in `masks[1].width`; empty for the whole."""
    text: str
    """Begins with the key."""


def check(
    values: dict[str, Any], kind: type[_Section]
) -> tuple[_Section, list[Mistake]] | tuple[None, list[Mistake]]:
    """Return the values as a Struct, or None and what is wrong with them.

    Args:
        values: Name → value, sections as dictionaries; `false` may stand for None, and `true` for a
            section's defaults.
        kind: The Struct.
    """
    values = _spelled_out(values, kind)
    mistakes = _mistakes_in(values, kind, "", tuple(key.name for key in keys_of(kind)))
    return (None, mistakes) if mistakes else (msgspec.convert(values, kind), [])


def _spelled_out(value: Any, kind: Any) -> Any:
    """Return the value with None and sections in the place of what stands for them."""
    section, item_section = section_of(kind), item_section_of(kind)
    if value is False and takes_none(kind) and not takes_flag(kind):
        return None
    if value is True and section is not None:
        return {}
    if section is not None and isinstance(value, dict):
        fields = _fields_of(section)
        return {
            name: _spelled_out(item, fields[name]) if name in fields else item
            for name, item in value.items()
        }
    if item_section is not None and isinstance(value, list):
        return [_spelled_out(item, item_section) for item in value]
    return value


def _mistakes_in(
    values: dict[str, Any], kind: type[msgspec.Struct], prefix: str, known: tuple[str, ...]
) -> list[Mistake]:
    """Return what is wrong in a section: with its keys, or if they are well, with all together."""
    fields = _fields_of(kind)
    mistakes: list[Mistake] = []
    for name, value in values.items():
        key = f"{prefix}{name}"
        if name in fields:
            mistakes += _mistakes_of(key, value, fields[name], known)
        else:
            mistakes.append(Mistake(key, unknown_key(key, fields, known)))
    if not mistakes:
        try:
            msgspec.convert(values, kind)
        except msgspec.ValidationError as error:
            mistakes.append(_mistake_of(str(error), fields, prefix))
    return mistakes


def _mistakes_of(key: str, value: Any, kind: Any, known: tuple[str, ...]) -> list[Mistake]:
    section, item_section = section_of(kind), item_section_of(kind)
    if section is not None and isinstance(value, dict):
        return _mistakes_in(value, section, f"{key}.", known)
    if item_section is not None and isinstance(value, list):
        found = (
            _mistakes_of(f"{key}[{number}]", item, item_section, known)
            for number, item in enumerate(value)
        )
        return [mistake for mistakes in found for mistake in mistakes]
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return [Mistake(key, wrong_value(key, value, kind, secret=is_secret_file(key)))]
    return []


def _mistake_of(message: str, fields: dict[str, Any], prefix: str) -> Mistake:
    """Return what a Struct says of its fields together, with the key in full in front."""
    message = _PATH.sub("", message)
    section = prefix.rstrip(".")
    if missing := _MISSING.fullmatch(message):
        return Mistake(section, f"{prefix}{missing[1]}: missing; {section} needs it")
    words = re.match(r"\w+(\.\w+)*", message)
    name = words[0] if words else ""
    if name in fields:
        return Mistake(f"{prefix}{name}", f"{prefix}{message}")
    if "." in name:
        return Mistake(name, message)
    return Mistake(section, f"{section}: {message}" if section else message)


def _fields_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
