"""What campaigns of faults have in common on the command line."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def named(text: str, known: Sequence[str], option: str) -> list[str]:
    """Return the names in a list with commas.

    Args:
        text: Of an option.
        known: All that there are.
        option: For messages.

    Raises:
        UsageError: One of them is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f"{option}: there is no {name!r}; there are {', '.join(known)}")
    return names


@contextlib.contextmanager
def working_folder(keep: Path | None, *, prefix: str) -> Iterator[Path]:
    """Yield a folder that is gone afterwards, or a new one that stays.

    Args:
        keep: The one that stays.
        prefix: Of the other one's name.

    Raises:
        UsageError: It cannot be made.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix=prefix) as name:
            yield Path(name)
        return
    try:
        keep.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{keep}: cannot be made: {error.strerror or error}") from error
    yield keep.resolve()


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[str, Sequence[str]], None]]:
    """Yield what takes how each fault went, and shows it on a terminal.

    It takes what the fault was, and how it was not answered as it should be; nothing if it was.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        bar = shown.add_task("faults", total=total)

        def tell(what: str, failures: Sequence[str]) -> None:
            shown.advance(bar)
            if failures and console.is_terminal:
                shown.console.print(f"{what}: {'; '.join(failures)}", markup=False)

        yield tell
