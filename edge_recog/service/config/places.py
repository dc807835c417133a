"""On which line of a TOML text a key is."""

from __future__ import annotations

import tomllib
from typing import Any


def line_of(text: str, key: str) -> int | None:
    """Return the line, from 1, on which a key or section begins.

    The reader of TOML tells no lines, so it is asked for the text up to each line in question: the
    first that brings the key is the one.

    Args:
        text: Valid TOML.
        key: In full, such as `web.listen`.
    """
    name = key.rpartition(".")[2]
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if name not in line:
            continue
        before = _read("\n".join(lines[: number - 1]))
        if before is None or is_set(before, key):
            continue
        # A value may go on for some lines; the text is whole again after the last of them.
        wholes = (_read("\n".join(lines[:end])) for end in range(number, len(lines) + 1))
        if is_set(next((whole for whole in wholes if whole is not None), {}), key):
            return number
    return None


def is_set(tree: Any, key: str) -> bool:
    """Return whether a key in full is in a tree of dictionaries."""
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None
