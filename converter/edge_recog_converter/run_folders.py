"""The folder of a run: whole or not there, and gone on with after the process was killed.

What is under way lies in NAME-DATE-NUMBER.partial, with a lock that the operating system releases
when the process ends, however it ends. A build of the same recipe and pictures takes up a partial
folder that nobody holds; when all is done, it is renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from edge_recog_converter.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FINGERPRINT = "fingerprint"
_STATES = "**/*.state"


@contextlib.contextmanager
def run_folder(out: Path, name: str, *, fingerprint: str) -> Iterator[tuple[Path, Path]]:
    """Yield the folder to write into, and the one that it becomes when the block ends well.

    If it ends otherwise, by Ctrl-C or an error, the folder stays if a training can be gone on with,
    and else goes.

    Args:
        out: Where it is made.
        name: What its name begins with.
        fingerprint: Of recipe, pictures and tools.

    Raises:
        TrainingError: Another process is at the same run.
    """
    partial = _unfinished(out, name, fingerprint) or _new(out, name, fingerprint)
    final = partial.with_suffix("")
    with (partial / _FINGERPRINT).open("r+b") as file:
        if not _locked(file):
            raise TrainingError(f"{partial}: another build is writing it; wait for it, or stop it")
        try:
            yield partial, final
        except BaseException:
            if not any(partial.glob(_STATES)):
                shutil.rmtree(partial, ignore_errors=True)
            raise
    for state in partial.glob(_STATES):
        state.unlink()
    (partial / _FINGERPRINT).unlink()
    partial.rename(final)


def _unfinished(out: Path, name: str, fingerprint: str) -> Path | None:
    """Return a run of the same recipe and pictures that was cut off in the midst of training."""
    for partial in sorted(out.glob(f"{name}-*.partial"), reverse=True):
        try:
            with (partial / _FINGERPRINT).open("r+b") as file:
                same = file.read() == fingerprint.encode()
                if same and _locked(file) and any(partial.glob(_STATES)):
                    return partial
        except OSError:
            continue
    return None


def _new(out: Path, name: str, fingerprint: str) -> Path:
    """Make the first free NAME-DATE-NUMBER.partial below `out`."""
    today = datetime.now(UTC).strftime("%Y%m%d")
    out.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        final = out / f"{name}-{today}-{number}"
        partial = final.with_name(f"{final.name}.partial")
        number += 1
        if final.exists():
            continue
        try:
            partial.mkdir()
        except FileExistsError:
            continue
        (partial / _FINGERPRINT).write_text(fingerprint, encoding="utf-8")
        return partial


def _locked(file: IO[bytes]) -> bool:
    """Take the lock; tell whether that went. It is released when the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
