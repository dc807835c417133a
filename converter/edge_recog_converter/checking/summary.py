"""A check as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from edge_recog_converter.datasets.labelled import SPLITS

if TYPE_CHECKING:
    from rich.console import Console

    from edge_recog_converter.checking.document import CheckResult

_BAR = 24
_MOST_CLASSES = 40
_MOST_CORRUPT = 10
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def print_summary(result: CheckResult, console: Console) -> None:
    """Write what a check says."""
    ratio = "" if result.imbalance is None else f", largest to smallest {result.imbalance:.1f}"
    console.print(
        f"{result.data}: {result.pictures:,} pictures, {len(result.classes)} classes{ratio}, "
        f"{result.task}, layout {result.layout}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    console.print(_classes(result))
    modes = ", ".join(f"{count:,} {mode}" for mode, count in result.modes.items())
    sizes = ", ".join(f"{name} {width}x{height}" for name, (width, height) in result.sizes.items())
    console.print(f"files   {modes}\nsizes   {sizes}\n", markup=False, soft_wrap=True)
    for reason in list(result.corrupt.values())[:_MOST_CORRUPT]:
        console.print(f"corrupt {reason}", markup=False, soft_wrap=True)
    for finding in result.findings:
        style = _STYLES[finding.severity]
        console.print(
            f"[{style}]{finding.severity:<8}[/{style}]{escape(finding.message)}; "
            f"{escape(finding.advice)}",
            soft_wrap=True,
        )
        for name in finding.pictures[:4]:
            console.print(f"          {name}", markup=False, soft_wrap=True, style="dim")
    if not result.findings:
        console.print("nothing was found that is wrong")


def _classes(result: CheckResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("class", overflow="fold")
    for split in SPLITS:
        table.add_column(split, justify="right")
    table.add_column("")
    most = max((one.total for one in result.classes), default=0) or 1
    ranked = sorted(result.classes, key=lambda one: -one.total)
    for one in ranked[:_MOST_CLASSES]:
        bar = "\N{FULL BLOCK}" * max(1 if one.total else 0, round(_BAR * one.total / most))
        counts = (f"{getattr(one, split):,}" for split in SPLITS)
        table.add_row(escape(one.name), *counts, bar)
    left = len(ranked) - _MOST_CLASSES
    if left > 0:
        table.add_row(f"… {left} more", "", "", "", "")
    return table
