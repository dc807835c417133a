"""Asking a device what it is and has."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog_devices.errors import FactsError
from edge_recog_devices.probing.facts import MOST_BYTES, Facts, parse_facts

if TYPE_CHECKING:
    from edge_recog_devices.remote import Remote

DEFAULT_FOLDER: Final = "/opt/edge-recog"
_FOLDER = re.compile(r"/[A-Za-z0-9._+@/-]{1,200}", re.ASCII)


def script() -> str:
    """Return the shell script that a device is asked by."""
    return resources.files(__package__).joinpath("probe.sh").read_text(encoding="utf-8")


def probe(remote: Remote, folder: str = DEFAULT_FOLDER) -> Facts:
    """Return what a device is and has. Nothing is changed there.

    Args:
        remote: The device, connected.
        folder: Into which the classifier is to be installed.

    Raises:
        UsageError: The folder is no absolute path, or has unusual characters.
        DeviceError: The device does not answer, or its answer makes no sense.
    """
    checked = checked_folder(folder)
    answer = remote.script(script(), checked, most_bytes=MOST_BYTES)
    if answer.code != 0:
        raise FactsError(f"{remote.address}: it does not tell its facts: {answer.last_words}")
    try:
        return parse_facts(answer.out)
    except FactsError as error:
        raise FactsError(f"{remote.address}: {error}") from error


def checked_folder(folder: str) -> str:
    """Return the folder of a device without a slash at its end.

    Raises:
        UsageError: It is no absolute path, or has unusual characters.
    """
    if not _FOLDER.fullmatch(folder) or ".." in PurePosixPath(folder).parts:
        raise UsageError(
            f"no folder for a device: {folder!r}; use an absolute path of letters, digits and ._+@-"
        )
    return str(PurePosixPath("/", folder.lstrip("/")))
