"""The keys of a configuration, as its Structs declare them: `web.listen` and its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


class Key(NamedTuple):
    """One key."""

    name: str
    """In full: `web.listen`."""
    kind: Any
    """Its type."""
    section: type[msgspec.Struct] | None
    """Its Struct where it is a section, with keys of its own."""


def keys_of(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[Key]:
    """Yield the keys of a section and of all below it, each section before its keys.

    Args:
        kind: The section's Struct.
        prefix: What stands before its keys: `web.`.
    """
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.encode_name}"
        section = section_of(field.type)
        yield Key(name, field.type, section)
        if section is not None:
            yield from keys_of(section, f"{name}.")


def section_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of a type that is one, or one or None; None for all others."""
    return next(
        (part.cls for part in _parts(kind) if isinstance(part, msgspec.inspect.StructType)), None
    )


def item_section_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of a list's items; None for all other types."""
    for part in _parts(kind):
        if isinstance(part, msgspec.inspect.VarTupleType):
            item = part.item_type
            return item.cls if isinstance(item, msgspec.inspect.StructType) else None
    return None


def takes_none(kind: Any) -> bool:
    """Return whether None is a value of the type."""
    return any(isinstance(part, msgspec.inspect.NoneType) for part in _parts(kind))


def takes_flag(kind: Any) -> bool:
    """Return whether true and false are values of the type."""
    return any(isinstance(part, msgspec.inspect.BoolType) for part in _parts(kind))


def takes_text(kind: Any) -> bool:
    """Return whether texts, or some of them, are values of the type."""
    return any(
        isinstance(part, msgspec.inspect.StrType)
        or (isinstance(part, msgspec.inspect.LiteralType) and isinstance(part.values[0], str))
        for part in _parts(kind)
    )


def _parts(kind: Any) -> Iterator[msgspec.inspect.Type]:
    """Yield what is joined by `|`, or the type itself."""
    info = msgspec.inspect.type_info(kind)
    for part in info.types if isinstance(info, msgspec.inspect.UnionType) else (info,):
        yield part.type if isinstance(part, msgspec.inspect.Metadata) else part
