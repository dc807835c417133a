"""What happens on several devices at once, as a table on stderr, on a terminal only."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from edge_recog_devices.flash import Outcome, Progress, Session
    from edge_recog_devices.flash.steps import Step

_STYLES = {"failed": "bold red", "skipped": "dim", "unchanged": "green"}
_WORDS = {"unchanged": "nothing to do", "skipped": "not touched"}


class _Silent:
    """For pipes and --quiet."""

    def looking(self, host: str) -> None:
        pass

    def doing(self, host: str, number: int, of: int, step: Step) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        pass


class _Shown:
    """A row a device."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._rows = dict.fromkeys(hosts, ("", "waits", ""))
        self._began_s = dict.fromkeys(hosts, 0.0)

    def looking(self, host: str) -> None:
        self._set(host, "", "looks at it", "")

    def doing(self, host: str, number: int, of: int, step: Step) -> None:
        self._set(host, f"{number}/{of}", str(step), "")

    def ended(self, outcome: Outcome) -> None:
        word = _WORDS.get(outcome.result, outcome.result)
        self._set(outcome.host, "", word, _STYLES.get(outcome.result, "green"))

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        with self._lock:
            rows = list(self._rows.items())
            began_s = dict(self._began_s)
        for host, (count, text, style) in rows:
            running = began_s[host] and not style
            seconds = f"{time.monotonic() - began_s[host]:.0f} s" if running else ""
            table.add_row(Text(host), Text(count), Text(text, style=style), Text(seconds))
        return table

    def _set(self, host: str, count: str, text: str, style: str) -> None:
        with self._lock:
            self._rows[host] = (count, text, style)
            self._began_s[host] = time.monotonic()


@contextlib.contextmanager
def shown(sessions: Sequence[Session], *, quiet: bool) -> Iterator[Progress]:
    """Yield what is told of progress, and shows it while the context lasts."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if quiet or not console.is_terminal or not sessions:
        yield _Silent()
        return
    table = _Shown([str(session.address) for session in sessions])
    with Live(table, console=console, refresh_per_second=4, transient=True):
        yield table
