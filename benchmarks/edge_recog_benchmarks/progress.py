"""How far a run is, on stderr and only on a terminal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from edge_recog_benchmarks.device.events import Answers, Burst, Failed, Started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_recog_benchmarks.device.events import AnyEvent
    from edge_recog_benchmarks.device.plan import Plan


@contextlib.contextmanager
def showing_progress(plan: Plan, *, quiet: bool) -> Iterator[Callable[[AnyEvent], None]]:
    """Yield what takes events and moves a bar; it does nothing where nobody would see it."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda event: None
        return
    columns = [
        *Progress.get_default_columns()[:-1],
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}"),
    ]
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("bench", total=steps_of(plan), now="starting")

        def listen(event: AnyEvent) -> None:
            if isinstance(event, Failed):
                progress.console.print(f"{event.contestant}: {event.reason}", markup=False)
            text = getattr(event, "contestant", "")
            progress.update(bar, advance=weight_of(event), now=text)

        yield listen


def steps_of(plan: Plan) -> int:
    """Return how many steps a whole run has: starts, bursts and labelled pictures."""
    each = 1 + plan.generations * (1 + plan.turns) + len(plan.accuracy)
    return len(plan.contestants) * each


def weight_of(event: AnyEvent) -> int:
    """Return how many steps an event is."""
    if isinstance(event, Answers):
        return len(event.answers) + len(event.unreadable)
    return int(isinstance(event, Started | Burst))
