"""Settings from the environment: `EDGE_RECOG__WEB__LISTEN=127.0.0.1:80` sets `web.listen`."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any, Final

from edge_recog.service.config.keys import Key, takes_none, takes_text
from edge_recog.service.config.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX: Final = "EDGE_RECOG__"
_BETWEEN: Final = "__"


def variable_of(key: str) -> str:
    """Return the variable that sets a key."""
    return PREFIX + key.upper().replace(".", _BETWEEN)


def read_environment(
    environ: Mapping[str, str], keys: Iterable[Key]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return key → value of the variables with our prefix, sections first; and what is wrong.

    Args:
        environ: All variables.
        keys: That exist.
    """
    known = {variable_of(key.name): key for key in keys}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"unset it, or write {PREFIX}SECTION__KEY"
            )
            problems.append(Problem(name, f"unknown variable; {hint}"))
            continue
        key = known[name]
        values[key.name] = _value_of(environ[name], key.kind)
    return values, problems


def _value_of(text: str, kind: Any) -> Any:
    """Return what a text says to a type; itself where the type cannot make sense of it."""
    if takes_none(kind) and text.lower() in {"", "false"}:
        return None
    if takes_text(kind):
        return text
    try:
        # A line end would begin another key.
        return tomllib.loads(f"value = {text}")["value"] if text.isprintable() else text
    except (ValueError, RecursionError):
        return text
