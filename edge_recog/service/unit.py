"""The unit by which systemd runs the live classifier: a template and what is filled in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

UNIT_NAME: Final = "edge-recog.service"
DEFAULT_CONFIG: Final = "/etc/edge-recog/config.toml"
DEFAULT_MEMORY: Final = "256M"
OLDEST_SYSTEMD: Final = 252
"""Version that the unit is for, as in Raspberry Pi OS 12."""

GROUPS: Final = ("video", "render", "plugdev", "apex")
"""That own devices: cameras; their memory on some systems; Edge TPUs on USB and on PCI."""

_BACKOFF_SINCE = 254
_GROWING_WAIT = "RestartSec=1s\nRestartSteps=8\nRestartMaxDelaySec=5min"
"""1, 2, 4, 8, 17 … s: after one crash it answers again soon."""
_STEADY_WAIT = "RestartSec=5s"
_MARKER = re.compile(r"@([A-Z]+)@")
# Characters that mean nothing to systemd, whose lines know quotes, %, $, ; and line ends.
_PATH = re.compile(r"/[A-Za-z0-9._+@/-]+")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MEMORY = re.compile(r"[1-9][0-9]{0,15}[KMGT]?")
_HOMES = (PurePosixPath("/home"), PurePosixPath("/root"), PurePosixPath("/run/user"))


def render_unit(
    *,
    program: str,
    config: str = DEFAULT_CONFIG,
    credentials: Mapping[str, str] | None = None,
    groups: Collection[str] = ("video",),
    memory_max: str = DEFAULT_MEMORY,
    systemd: int = OLDEST_SYSTEMD,
) -> str:
    """Return the unit's text.

    Args:
        program: Absolute path of the `edge-recog` command.
        config: Absolute path of the configuration.
        credentials: Key of the configuration → absolute path of the secret it names.
        groups: That the service is in; each must exist, or systemd does not start it.
        memory_max: At which it is killed and started again: a number and K, M, G or T.
        systemd: Version that will read it.

    Raises:
        UsageError: A path cannot be written into a unit or is where the service sees nothing, or
            another argument is out of its form.
    """
    if systemd < OLDEST_SYSTEMD:
        raise UsageError(
            f"this machine has systemd {systemd}; the unit needs {OLDEST_SYSTEMD} or newer, as in "
            "Raspberry Pi OS 12 (bookworm)"
        )
    for group in groups:
        if not _NAME.fullmatch(group):
            raise UsageError(f"{group!r} is no name of a group")
    if not _MEMORY.fullmatch(memory_max):
        raise UsageError(f"{memory_max!r} is no amount of memory: write it like 256M")
    loads = [
        f"LoadCredential={_checked_name(key)}:{_checked_path('the secret', path)}"
        for key, path in sorted((credentials or {}).items())
    ]
    filled = {
        "PROGRAM": _visible_path("the program", program),
        "CONFIG": _visible_path("the configuration", config),
        "GROUPS": " ".join(groups),
        "MEMORY": memory_max,
        "RESTART": restart_lines(systemd),
        "CREDENTIALS": "\n".join(loads),
    }
    lines = []
    for line in _template().splitlines():
        marker = _MARKER.fullmatch(line)
        # A line that is nothing but a marker goes if there is nothing to say.
        if marker is None or filled[marker[1]]:
            lines.append(_MARKER.sub(lambda found: filled[found[1]], line))
    return "\n".join(lines) + "\n"


def restart_lines(systemd: int) -> str:
    """Return how long a service waits before it is started again, as lines of a unit.

    Args:
        systemd: Version that will read it.
    """
    return _GROWING_WAIT if systemd >= _BACKOFF_SINCE else _STEADY_WAIT


def installed_program() -> str:
    """Return the path of this installation's `edge-recog` command.

    Raises:
        UsageError: There is none beside this Python.
    """
    folder = sysconfig.get_path("scripts")
    found = shutil.which("edge-recog", path=folder)
    if found is None:
        raise UsageError(
            f"there is no edge-recog command in {folder}; name the one to run with --program"
        )
    return found


def installed_systemd() -> int:
    """Return the version of systemd here; the oldest the unit is for where there is none."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return OLDEST_SYSTEMD
    said = subprocess.run(
        [systemctl, "--version"], capture_output=True, text=True, check=False, timeout=10
    )
    version = re.match(r"systemd (\d+)", said.stdout)
    return int(version[1]) if version else OLDEST_SYSTEMD


def installed_groups() -> tuple[str, ...]:
    """Return which of `GROUPS` this machine has; `video` even if it has none."""
    import grp

    known = {group.gr_name for group in grp.getgrall()}
    return tuple(name for name in GROUPS if name in known) or ("video",)


def _template() -> str:
    return resources.files("edge_recog.service").joinpath(UNIT_NAME).read_text(encoding="utf-8")


def _visible_path(what: str, path: str) -> str:
    checked = _checked_path(what, path)
    if any(PurePosixPath(checked).is_relative_to(home) for home in _HOMES):
        raise UsageError(
            f"{what} {checked} is in a home folder, which a service cannot see; install into a "
            "folder for all: python3 -m venv --system-site-packages /opt/edge-recog, and put "
            "configurations into /etc/edge-recog"
        )
    return checked


def _checked_path(what: str, path: str) -> str:
    if not _PATH.fullmatch(path) or ".." in PurePosixPath(path).parts:
        raise UsageError(
            f"{what} {path!r} cannot stand in a unit: use an absolute path of letters, digits and "
            "._+@-"
        )
    return path


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a credential of systemd")
    return name
