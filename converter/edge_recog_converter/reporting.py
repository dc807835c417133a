"""What a build says while it runs: summary lines, progress bars and a log file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Item = TypeVar("_Item")
_COLUMN = 10


class Advance(Protocol):
    """Moves a progress bar."""

    def __call__(self, *, steps: int = 1, note: str = "") -> None:
        """Move it on by `steps`, and say `note` behind it from now on, if there is one."""


class Reporter:
    """Writes to a console for people, and keeps every line for the log."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        """Write to stderr if no console is given; nothing but warnings if quiet."""
        self.console = console or Console(stderr=True, highlight=False)
        self.lines: list[str] = []
        self._quiet = quiet

    def say(self, topic: str, text: str) -> None:
        """Write one line of the summary."""
        self.lines.append(f"{topic:<{_COLUMN}} {text}")
        if not self._quiet:
            self.console.print(f"  [bold]{topic:<{_COLUMN}}[/bold]", end="")
            self.console.print(text, markup=False, soft_wrap=True)

    def note(self, topic: str, text: str) -> None:
        """Write one line into the log alone."""
        self.lines.append(f"{topic:<{_COLUMN}} {text}")

    @contextlib.contextmanager
    def meter(self, topic: str, total: int | None) -> Iterator[Advance]:
        """Show a progress bar, on a terminal and nowhere else; yield what moves it.

        Args:
            topic: In front of the bar.
            total: Steps; None where nobody knows, and the bar only says that work goes on.
        """
        if self._quiet or not self.console.is_terminal:
            yield lambda *, steps=1, note="": None
            return
        counted = [MofNCompleteColumn(), TimeRemainingColumn()] if total is not None else []
        with Progress(
            TextColumn(f"  [bold]{topic:<{_COLUMN}}[/bold]"),
            BarColumn(bar_width=20),
            *counted,
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            transient=True,
        ) as progress:
            task = progress.add_task(topic, total=total, note="")

            def advance(*, steps: int = 1, note: str = "") -> None:
                progress.update(task, advance=steps)
                if note:
                    progress.update(task, note=note)

            yield advance

    def track(self, items: Iterable[_Item], *, topic: str, total: int | None) -> Iterator[_Item]:
        """Yield the items with a progress bar."""
        with self.meter(topic, total) as advance:
            for item in items:
                yield item
                advance()

    @property
    def log(self) -> str:
        """Every line said so far."""
        return "\n".join(self.lines) + "\n"
