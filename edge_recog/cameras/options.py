"""What may be set of a source, in the text that names it: `v4l2:/dev/video0?width=640&rate=15`.

Each source declares its options as fields of a Struct; names, types and ranges are checked by that.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Side = Annotated[int, msgspec.Meta(ge=16, le=8192)]
"""Of a picture, pixels."""
Rate = Annotated[float, msgspec.Meta(ge=0.1, le=1000)]
"""Frames a second."""
Timeout = Annotated[float, msgspec.Meta(ge=0.1, le=600)]
"""Seconds."""

_KINDS = {"integer": "a whole number", "number": "a number", "boolean": "1 or 0"}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a source that has none; those of others inherit from it."""


class LiveOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of every camera."""

    width: Side | None = None
    """Of the frames. Asked of the camera where it has a choice, else pictures are scaled; with one
    of width and height, in proportion."""
    height: Side | None = None
    """See `width`."""
    rate: Rate | None = None
    """Asked of the camera where it has a choice; else frames beyond it are skipped."""
    open_timeout_s: Timeout = 5.0
    """Until the camera has answered."""
    read_timeout_s: Timeout = 5.0
    """From one frame to the next."""


_Kind = TypeVar("_Kind", bound=Options)


def split_options(where: str, text: str) -> dict[str, str]:
    """Return the options in `width=640&rate=15`, as text.

    Args:
        where: The source, for messages.
        text: What follows the question mark.

    Raises:
        UsageError: One is set twice.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in found:
            raise UsageError(f"{where}: {name} is set twice")
        found[name] = value
    return found


def read_options(where: str, options: Mapping[str, str], kind: type[_Kind]) -> _Kind:
    """Return the options as values of their types.

    Args:
        where: The source, for messages.
        options: Name → value, both as text.
        kind: The Struct that declares them.

    Raises:
        UsageError: One is unknown, with the nearest known; or its value is not in range.
    """
    known = [field.name for field in msgspec.structs.fields(kind)]
    for name in options:
        if name not in known:
            raise unknown_option(where, name, known)
    try:
        return msgspec.convert(dict(options), kind, strict=False)
    except msgspec.ValidationError as error:
        # One is wrong; msgspec says `at $.NAME` where it is.
        name = str(error).rpartition("$.")[2].rstrip("`")
        if name not in options:
            raise UsageError(f"{where}: {error}") from error
        said = _said_of(kind, name)
        raise UsageError(f"{where}: {name}={options[name]} must be {said}") from error


def unknown_option(where: str, name: str, known: Sequence[str]) -> UsageError:
    """Return the error that names the nearest known option.

    Args:
        where: The source.
        name: The unknown one.
        known: All that there are.
    """
    if not known:
        return UsageError(f"{where}: it has no options, so {name!r} cannot be set")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return UsageError(f"{where}: it has no option {name!r}; {hint}")


def _said_of(kind: type[Options], name: str) -> str:
    """Return what an option must be, in words: `a whole number from 16 to 8192`."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"][name]
    said: dict[str, Any] = next(
        (part for part in schema.get("anyOf", []) if part.get("type") != "null"), schema
    )
    if "enum" in said:
        return f"one of {', '.join(map(str, said['enum']))}"
    if "description" in said:
        return str(said["description"])
    text = _KINDS.get(said.get("type", ""), "written otherwise")
    if "minimum" in said and "maximum" in said:
        text += f" from {said['minimum']:.10g} to {said['maximum']:.10g}"
    return text


def size_of(text: str) -> tuple[int, int]:
    """Return width and height of `1280x720`, as `SizeText` has it."""
    width, _, height = text.partition("x")
    return int(width), int(height)


SizeText = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$", description="a size in pixels, such as 1280x720"
    ),
]
"""`WIDTHxHEIGHT`."""
