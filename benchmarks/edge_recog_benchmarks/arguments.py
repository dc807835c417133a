"""What the command lines of the measuring programs have in common."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from edge_recog.errors import UsageError
from edge_recog.files import write_file

if TYPE_CHECKING:
    from edge_recog.errors import EdgeRecogError


def count(text: str) -> int:
    """Return a number of turns, runs or frames: 1 or more.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option that keeps a result."""
    parser.add_argument("--out", type=Path, help="write the result here as JSON")


def write_result(document: dict[str, Any], out: Path | None) -> None:
    """Write a result as JSON, in place of an older one; nothing if `out` is None.

    Raises:
        UsageError: It cannot be written.
    """
    if out is not None:
        write_file(out, json.dumps(document, indent=2).encode() + b"\n", force=True)


def give_up(parser: argparse.ArgumentParser, error: EdgeRecogError) -> NoReturn:
    """End the program in one line, as `edge-recog` does: 2 for wrong use, else 1."""
    parser.exit(2 if isinstance(error, UsageError) else 1, f"{parser.prog}: {error}\n")
