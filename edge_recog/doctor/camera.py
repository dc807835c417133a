"""Cameras: what keeps them from being opened, and what makes their pictures wrong."""

from __future__ import annotations

import os
import pwd
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.doctor.probes import is_accessible
from edge_recog.processes import Holders, read_holders

if TYPE_CHECKING:
    from edge_recog.doctor.board import System
    from edge_recog.doctor.probes import Machine

_DEVICE = re.compile(r"/dev/(?:video|media)\d+")
_SYSTEM_PACKAGES = "/usr/lib/python3/dist-packages"
_SYSTEM_VENV = "python3 -m venv --clear --system-site-packages .venv"

# Formats and their order in memory: table 1 of the Picamera2 manual, "Stream configurations".
_IN_MEMORY = {
    "RGB888": "B, G, R",
    "BGR888": "R, G, B",
    "XRGB8888": "B, G, R, X",
    "XBGR8888": "R, G, B, X",
    "YUV420": "Y, U, V planes",
    "NV12": "Y plane, UV plane",
}
_PLANAR = frozenset({"YUV420", "NV12"})
_ALIGNMENT_PX = 64
"""Rows of planar pictures are padded to this: 32 bytes for each half-wide chroma row, as in
https://github.com/raspberrypi/picamera2/issues/645."""


@dataclass(frozen=True)
class Bindings:
    """Where the camera's Python bindings are."""

    here: bool
    """Whether this Python finds picamera2 and libcamera."""
    in_system: bool
    """Whether the system's Python has them."""
    in_venv: bool
    sees_system: bool
    """Whether this environment sees the system's packages."""
    built_for: str
    """The Python that libcamera's bindings were built for, such as `3.13`; empty if not known."""
    python: str
    """This Python's version."""


def read_bindings(machine: Machine, *, prefix: Path | None = None) -> Bindings:
    """Return where picamera2 is.

    Args:
        machine: Whose system packages to look at.
        prefix: The environment's folder; that of this Python by default.
    """
    prefix = Path(sys.prefix) if prefix is None else prefix
    settings = machine.text(str(prefix / "pyvenv.cfg"))
    sees = re.search(r"^include-system-site-packages\s*=\s*true\b", settings or "", re.M | re.I)
    system = machine.path(_SYSTEM_PACKAGES)
    built = [path.name for path in (system / "libcamera").glob("_libcamera.cpython-*.so")]
    found = re.search(r"cpython-(\d)(\d+)", built[0]) if built else None
    return Bindings(
        here=all(find_spec(name) is not None for name in ("picamera2", "libcamera")),
        in_system=(system / "picamera2").is_dir() and (system / "libcamera").is_dir(),
        in_venv=settings is not None,
        sees_system=sees is not None,
        built_for=f"{found[1]}.{found[2]}" if found else "",
        python=".".join(map(str, sys.version_info[:2])),
    )


def judge_bindings(bindings: Bindings, system: System, source: str | None) -> Finding:
    """Judge whether a Raspberry Pi's camera can be used from this Python."""
    wanted = scheme_of(source) == "picamera2"
    if bindings.here:
        return good("picamera2 and libcamera are here")
    if not wanted and not system.is_raspberry_pi:
        return skipped("not a Raspberry Pi")
    complain = bad if wanted else warning
    if not bindings.in_system:
        return complain("picamera2 is not installed", "sudo apt install python3-picamera2")
    if bindings.built_for and bindings.built_for != bindings.python:
        return complain(
            f"libcamera's bindings are for Python {bindings.built_for}, this is {bindings.python}",
            f"make the environment with the system's Python: /usr/bin/{_SYSTEM_VENV}",
        )
    if bindings.in_venv and not bindings.sees_system:
        return complain(
            "the system has picamera2, but this environment does not see its packages",
            f"{_SYSTEM_VENV}; then install edge-recog in it again",
        )
    return complain(
        f"the system has picamera2, but this Python ({sys.executable}) does not find it",
        f"use the system's Python: /usr/bin/{_SYSTEM_VENV}",
    )


@dataclass(frozen=True)
class Access:
    """Whether this user may open cameras."""

    user: str
    devices: tuple[str, ...]
    closed: tuple[str, ...]
    """Those of `devices` that may not be opened."""
    in_group: bool
    """Whether this process has the group `video`."""
    listed: bool
    """Whether /etc/group has the user in it, which counts from the next login."""


def read_access(machine: Machine) -> Access:
    """Return whether this user may open the cameras that are here."""
    paths = machine.paths("/dev/video[0-9]*")
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    video = next(
        (row for row in (machine.text("/etc/group") or "").splitlines() if row[:6] == "video:"), ""
    )
    _, _, number, members = (video.split(":") + [""] * 4)[:4]
    groups = {os.getegid(), *os.getgroups()}
    return Access(
        user,
        tuple(machine.named(path) for path in paths),
        tuple(machine.named(path) for path in paths if not is_accessible(path)),
        in_group=number.isdigit() and int(number) in groups,
        listed=user in members.split(","),
    )


def judge_access(access: Access) -> Finding:
    """Judge whether this user may open cameras."""
    if not access.devices:
        return skipped("no camera device (/dev/video*) is here")
    count = len(access.devices)
    if not access.closed:
        return good(f"{access.user} may open all {count} of /dev/video*")
    closed = ", ".join(access.closed[:3]) + (", …" if len(access.closed) > 3 else "")
    if access.in_group:
        return bad(
            f"{access.user} is in the group video, but may not open {closed}",
            f"see who may: ls -l {access.closed[0]}",
        )
    if access.listed:
        return bad(
            f"{access.user} may not open {closed}: it joined the group video after it logged in",
            "log out and in again, or restart the service",
        )
    return bad(
        f"{access.user} is not in the group video and may not open {closed}",
        f"sudo usermod -aG video {access.user}, then log out and in again",
    )


def read_camera_holders(machine: Machine) -> Holders:
    """Return the processes that have a camera open."""
    return read_holders(lambda target: bool(_DEVICE.fullmatch(target)), proc=machine.path("/proc"))


def judge_holders(holders: Holders, source: str | None, device: str | None) -> Finding:
    """Judge whether another process has the camera.

    Args:
        holders: Who has any camera open.
        source: The source that is wanted; None if none is named.
        device: The device it stands for, links followed; None if it is no V4L2 device.
    """
    hidden = f"; of others' processes {holders.hidden} could not be seen" if holders.hidden else ""
    if not holders.found:
        return good(f"no process has a camera open{hidden}")
    taken: dict[str, list[str]] = {}
    for holder in holders.found:
        taken.setdefault(str(holder), []).append(holder.target)
    told = "; ".join(f"{who} has {', '.join(what)}" for who, what in taken.items())
    wanted = scheme_of(source) == "picamera2" or any(h.target == device for h in holders.found)
    complain = bad if wanted else warning
    return complain(
        f"{told}{hidden}",
        "stop it before another program opens the same camera: kill "
        f"{holders.found[0].pid}, or sudo systemctl stop edge-recog if that is the daemon",
    )


def device_of(machine: Machine, source: str | None) -> str | None:
    """Return the V4L2 device that a source names, links such as /dev/v4l/by-id/… followed."""
    if source is None or scheme_of(source) != "v4l2":
        return None
    name = source.partition(":")[2].partition("?")[0]
    path = machine.path(name)
    return f"/dev/{path.readlink().name}" if path.is_symlink() else name


def scheme_of(source: str | None) -> str:
    """Return the scheme of a source; empty if there is none."""
    return (source or "").partition(":")[0] if ":" in (source or "") else ""


@dataclass(frozen=True)
class Stream:
    """What a picamera2 source asks for, for the picture that the network sees."""

    format: str
    """In upper case; empty if it is left to the source."""
    width: int | None


def read_stream(source: str | None) -> Stream | None:
    """Return what a picamera2 source asks for; None if it is another kind of source."""
    if source is None or scheme_of(source) != "picamera2":
        return None
    options = parse_qs(source.partition("?")[2])
    sizes = (options.get(name, [""])[0] for name in ("lores", "main", "size"))
    found = next(filter(None, (re.match(r"(\d{1,5})x\d", size) for size in sizes)), None)
    return Stream(options.get("format", [""])[0].upper(), int(found[1]) if found else None)


def judge_colour(stream: Stream | None) -> Finding:
    """Judge whether colours arrive in a known order."""
    if stream is None:
        return skipped("only a picamera2 source names its format")
    if not stream.format:
        return skipped("the source names no format, so it takes its own")
    order = _IN_MEMORY.get(stream.format)
    if order is None:
        return bad(
            f"{stream.format} is no format whose colours can be told",
            f"name one of {', '.join(_IN_MEMORY)}, as in picamera2:0?format=RGB888",
        )
    return good(f"{stream.format}, which lies in memory as {order}")


def judge_stride(stream: Stream | None) -> Finding:
    """Judge whether rows are padded."""
    if stream is None or not stream.format or stream.width is None:
        return skipped("only a picamera2 source with format and size can be judged")
    if stream.format not in _PLANAR:
        return good(f"picamera2 itself cuts the padding off {stream.format}")
    if stream.width % _ALIGNMENT_PX == 0:
        return good(f"rows of {stream.width} pixels of {stream.format} need no padding")
    below = stream.width // _ALIGNMENT_PX * _ALIGNMENT_PX or _ALIGNMENT_PX
    return warning(
        f"rows of {stream.width} pixels of {stream.format} are padded to a multiple of "
        f"{_ALIGNMENT_PX}: programs that ignore the stride show slanted pictures",
        f"ask for a width such as {below}",
    )
