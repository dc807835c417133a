"""Where a device keeps its models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM: Final = Path("/var/lib/edge-recog")
"""The service's state directory; see `edge-recog config unit`."""
_FOLDER: Final = "models"


def models_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the service's models, for itself and root; for others their own.

    Args:
        environ: Variables, which say where that is.
    """
    # systemd names several with a colon between them.
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given) / _FOLDER
    if os.geteuid() == 0:
        return SYSTEM / _FOLDER
    # The XDG specification has relative paths ignored.
    home = environ.get("XDG_STATE_HOME", "")
    state = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return state / "edge-recog" / _FOLDER
