"""Where edge_recog lies on a device: for the whole system, or for one user."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal

from edge_recog.errors import UsageError
from edge_recog.updates.settings import ROOT_FILE

Scope = Literal["system", "user"]

SERVICE_USER: Final = "edge-recog"
BEFORE: Final = "before"
"""Name of an environment that is a folder of its own, as the first boot of a card makes it."""
_HOME = re.compile(r"/[A-Za-z0-9._+@/-]{1,150}", re.ASCII)


@dataclass(frozen=True)
class Places:
    """Absolute paths on a device."""

    scope: Scope
    root: str
    """Environments, and what a flash needs meanwhile."""
    config: str
    unit: str
    rules: str
    """Folder of udev's rules; empty where there are none to write."""
    anchor: str
    """The root of updates that it trusts."""
    state: str
    """Of the service: models, the page's token."""

    @property
    def models(self) -> str:
        """The store."""
        return f"{self.state}/models"

    @property
    def venv(self) -> str:
        """The environment in use, a link."""
        return f"{self.root}/venv"

    @property
    def program(self) -> str:
        """The command that the service runs."""
        return f"{self.venv}/bin/edge-recog"

    @property
    def incoming(self) -> str:
        """For what arrives; gone after each flash."""
        return f"{self.root}/incoming"

    @property
    def folders(self) -> tuple[str, ...]:
        """That must be there, those inside of others after them."""
        beside = (path.rpartition("/")[0] for path in (self.config, self.unit))
        return self.root, *beside, self.state, self.models

    @property
    def lock(self) -> str:
        """Name of the lock of whoever changes something there."""
        return f"edge-recog-flash-{hashlib.sha256(self.root.encode()).hexdigest()[:8]}"

    def environment(self, name: str) -> str:
        """Return where an environment is."""
        return f"{self.root}/venvs/{name}"


SYSTEM: Final = Places(
    scope="system",
    root="/opt/edge-recog",
    config="/etc/edge-recog/config.toml",
    unit="/etc/systemd/system/edge-recog.service",
    rules="/etc/udev/rules.d",
    anchor=ROOT_FILE,
    state="/var/lib/edge-recog",
)


def user_places(home: str) -> Places:
    """Return where it lies for one user.

    Args:
        home: The user's folder on the device.

    Raises:
        UsageError: Its path has characters that cannot stand in a unit.
    """
    if not _HOME.fullmatch(home) or "/../" in f"{home}/":
        raise UsageError(
            f"the home folder there is {home!r}, which cannot stand in a unit of systemd: log in "
            "as another user, or flash the whole system without --user"
        )
    home = home.rstrip("/")
    return Places(
        scope="user",
        root=f"{home}/.local/share/edge-recog",
        config=f"{home}/.config/edge-recog/config.toml",
        unit=f"{home}/.config/systemd/user/edge-recog.service",
        rules="",
        anchor=f"{home}/.config/edge-recog/updates-root.json",
        state=f"{home}/.local/state/edge-recog",
    )
