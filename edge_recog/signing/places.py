"""Where a device keeps the keys it trusts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM: Final = Path("/etc/edge-recog/trust")
_FOLDER: Final = "trust"


def trust_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders whose keys count: that of this service or user first, then the system's.

    What the system's says holds for everybody; a user can only add to it, and revoke for himself.

    Args:
        environ: Variables, which say where the first one is.
    """
    # systemd names several with a colon between them.
    if given := environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0]:
        own = Path(given) / _FOLDER
    elif os.geteuid() == 0:
        own = SYSTEM
    else:
        # The XDG specification has relative paths ignored.
        home = environ.get("XDG_CONFIG_HOME", "")
        config = Path(home) if home.startswith("/") else Path.home() / ".config"
        own = config / "edge-recog" / _FOLDER
    return (own,) if own == SYSTEM else (own, SYSTEM)
