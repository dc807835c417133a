"""Writing what checks have found, each fix under what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_recog.doctor.findings import Finding

_STYLES: Final = {"good": "green", "warning": "yellow", "bad": "bold red", "skipped": "dim"}


def print_findings(found: Iterable[tuple[str, Finding]], *, quiet: bool) -> None:
    """Write a table of findings.

    Args:
        found: Title of a check, and what it found.
        quiet: Leave out what is good, or was skipped.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for title, finding in found:
        if quiet and finding.outcome in {"good", "skipped"}:
            continue
        # Texts from a machine are no markup.
        told = Text(finding.evidence, style="dim" if finding.outcome == "skipped" else "")
        if finding.fix:
            told.append(f"\n→ {finding.fix}", style="bold")
        table.add_row(Text(finding.outcome, style=_STYLES[finding.outcome]), Text(title), told)
    if table.row_count:
        Console(highlight=False).print(table)
