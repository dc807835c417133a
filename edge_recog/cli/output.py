"""What all verbs share of talking to people and to programs."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_Item = TypeVar("_Item")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Results only: no progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="For the interpreter.")]


OURS = ("edge_recog", "edge_recog_converter", "edge_recog_benchmarks", "edge_recog_devices")
"""The loggers of the distributions."""


def set_up_logging(*, verbose: bool) -> None:
    """Send logs to stderr: warnings of all libraries, and with `verbose` every detail of ours."""
    logging.basicConfig(format="edge-recog: %(message)s", level=logging.WARNING, force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.WARNING)


def print_json(document: Any) -> None:
    """Write one document to stdout."""
    try:
        encoded = msgspec.json.encode(document)
    except UnicodeEncodeError:
        # A file name that is no UTF-8; strict readers take no escapes of half characters either.
        text = json.dumps(msgspec.to_builtins(document), ensure_ascii=False)
        encoded = text.encode(errors="replace")
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def print_rows(rows: Iterable[Sequence[str]]) -> None:
    """Write label and value in two columns."""
    rows = list(rows)
    width = max(len(row[0]) for row in rows)
    for label, *values in rows:
        typer.echo(f"{label:<{width}}  {'  '.join(values)}".rstrip())


def size_text(size_bytes: float) -> str:
    """Return e.g. `655 kB`; 1 kB is 1000 bytes, as file managers have it."""
    if size_bytes < 1000:
        return f"{size_bytes:.0f} B"
    number, unit = size_bytes / 1e3, "kB"
    if number >= 1000:
        number, unit = number / 1e3, "MB"
    return f"{number:.0f} {unit}" if number >= 100 else f"{number:.1f} {unit}"


def track(
    items: Iterable[_Item], *, description: str, total: int | None, quiet: bool
) -> Iterator[_Item]:
    """Yield the items with a progress bar on stderr, shown only on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield from items
        return
    with Progress(console=console, transient=True) as progress:
        yield from progress.track(items, description=description, total=total)
