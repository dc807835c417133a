"""Files of weights that Keras downloads once, and that can be put in their place by hand."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_recog_converter.errors import PretrainedError

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S: Final = 20.0
"""How long a server may say nothing."""
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of weights."""

    name: str
    url: str
    md5: str | None
    """As Keras states it; None where it states none."""


def weights_folder() -> Path:
    """Return where Keras keeps weights: `$KERAS_HOME/models`, or `~/.keras/models`.

    Keras turns to a folder below /tmp where that cannot be written to. Not here: anybody could
    have put something there.
    """
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"


def fetch(file: WeightsFile) -> Path:
    """Return the path of a file of weights, downloaded if it is not there yet.

    Raises:
        PretrainedError: It cannot be downloaded or stored, or what lies in its place is not it.
    """
    path = weights_folder() / file.name
    if not path.exists():
        _download(file, path)
    elif file.md5 and (digest := _md5(path)) != file.md5:
        # Keras would delete it, whether or not it can download another.
        raise PretrainedError(
            f"{path} has the wrong hash (MD5 {digest}, not {file.md5}): remove it, and fetch "
            f"{file.url} anew"
        )
    return path


def _download(file: WeightsFile, path: Path) -> None:
    """Have Keras fetch a file; `path` is whole or not there.

    Raises:
        PretrainedError: It could not.
    """
    from edge_recog_converter._tensorflow import keras

    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    advice = (
        f"fetch {file.url} by other means, put it into {path.parent} as {file.name}, and run the "
        "same command again: it then needs no network"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        _LOGGER.info("downloading %s", file.url)
        with _no_progress_bar(), _impatient_sockets():
            keras.utils.get_file(
                partial.name,
                file.url,
                file_hash=file.md5,
                # Absolute, so that Keras does not look for a folder of its own.
                cache_dir=str(path.parent),
                cache_subdir="",
                force_download=True,
            )
        partial.replace(path)
    except Exception as error:
        raise PretrainedError(
            f"the weights {path} are not there and cannot be downloaded "
            f"({first_line(error).rpartition(' -- ')[2]}): {advice}"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep Keras from printing to standard output, which may be for machines."""
    from edge_recog_converter._tensorflow import keras

    talkative = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()
    try:
        yield
    finally:
        if talkative:
            keras.config.enable_interactive_logging()


@contextlib.contextmanager
def _impatient_sockets() -> Iterator[None]:
    """Give new sockets a time-out; Keras's own have none. It holds for the whole process."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _md5(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise PretrainedError(f"cannot read the weights {path}: {error.strerror}") from error


def first_line(error: Exception) -> str:
    """Return what fits one line of the message of a library's error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
