"""The `edge-recog` command."""

from __future__ import annotations

import io
import sys

from edge_recog.errors import EdgeRecogError, UsageError

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit: 0 good, 1 a clear error, 2 usage, 130 Ctrl-C."""
    from edge_recog.cli.app import app

    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names need not be text; what cannot be written is escaped, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="edge-recog")
    except EdgeRecogError as error:
        print(f"edge-recog: {error}", file=sys.stderr)  # noqa: T201 - the end of the line
        sys.exit(2 if isinstance(error, UsageError) else 1)
