"""What the facts of a device come to: whether the classifier can be installed and will do well."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog_devices.probing.matching import (
    NEWEST_PYTHON,
    OLDEST_PYTHON,
    chosen_python,
    system_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge_recog_devices.probing.facts import Facts
    from edge_recog_devices.profiles.schema import Profile

_EARLIEST_YEAR = 2026
"""No clock that is set shows less."""
_OLDEST_GLIBC = (2, 28)
"""Of the wheels of OpenCV for 64-bit ARM: manylinux_2_28."""
_OLDEST_SYSTEMD = 252
_KIB_PER_MB = 1_000_000 / 1024


class Row(NamedTuple):
    """One judgement."""

    id: str
    title: str
    finding: Finding


def judge(facts: Facts, profile: Profile | None) -> tuple[Row, ...]:
    """Return all judgements, in the order in which things should be set right.

    Args:
        facts: Of the device.
        profile: That it has; None if none is about it.
    """
    return tuple(Row(name, title, ask(facts, profile)) for name, title, ask in _QUESTIONS)


def is_fit(rows: Iterable[Row]) -> bool:
    """Tell whether nothing keeps the classifier from being installed."""
    return all(row.finding.outcome != "bad" for row in rows)


def _board(facts: Facts, profile: Profile | None) -> Finding:
    name = facts.board or "a board without a name"
    if profile is None:
        return bad(
            f"{name}, {facts.kernel}: no profile is about it",
            "use one with a 64-bit processor: edge-recog devices list",
        )
    return good(f"{name}: {profile.title}")


def _architecture(facts: Facts, profile: Profile | None) -> Finding:
    wanted = "aarch64" if profile is None else profile.hardware.architecture
    told = f"{facts.bits}-bit programs ({facts.userland}) on a {facts.kernel} kernel"
    if facts.userland != wanted:
        return bad(
            f"{told}; its system should be {wanted}",
            f"install a 64-bit system: {profile.systems[0].title if profile else 'Debian'}",
        )
    if facts.glibc is None:
        return bad(
            f"{told}, {facts.libc or 'unknown libc'}: wheels need glibc",
            "use Debian, Raspberry Pi OS or Ubuntu, not Alpine or OpenWrt",
        )
    if facts.glibc < _OLDEST_GLIBC:
        return bad(f"{told}, {facts.libc}: wheels need 2.28", "bring the system up to date")
    return good(f"{told}, {facts.libc}")


def _system(facts: Facts, profile: Profile | None) -> Finding:
    name = facts.os_name or facts.os_id or "a system without a name"
    if profile is None:
        return skipped(name)
    if system_of(profile, facts) is None:
        known = ", ".join(system.title for system in profile.systems)
        return warning(f"{name}; its profile knows {known}", "it may work: nobody has said so yet")
    return good(name)


def _python(facts: Facts, profile: Profile | None) -> Finding:
    del profile
    found = chosen_python(facts)
    oldest = ".".join(map(str, OLDEST_PYTHON))
    newest = ".".join(map(str, NEWEST_PYTHON[facts.bits]))
    if found is None:
        told = ", ".join(f"{one.version} ({one.path})" for one in facts.pythons)
        return bad(
            f"Python {told}, but none from {oldest} to {newest}" if told else "no Python",
            "sudo apt install python3 python3-venv"
            + (", or a newer system if that is too old" if told else ""),
        )
    if not found.venv:
        return bad(
            f"Python {found.version} ({found.path}) cannot make environments",
            "sudo apt install python3-venv",
        )
    return good(f"{found.version} ({found.path})")


def _memory(facts: Facts, profile: Profile | None) -> Finding:
    total, available = facts.memory_total_mib, facts.memory_available_kib
    if total is None or profile is None:
        return skipped("the kernel does not tell" if total is None else f"{total} MiB")
    told = f"{total} MiB" + ("" if available is None else f", {available // 1024} available")
    if total < profile.budgets.memory_mb:
        return bad(f"{told}; the classifier may take {profile.budgets.memory_mb}", "use another")
    if available is not None and available // 1024 < profile.budgets.memory_mb:
        return warning(
            f"{told}; the classifier may take {profile.budgets.memory_mb}",
            "stop what is not needed: a desktop takes about 300 (sudo raspi-config, System, Boot)",
        )
    return good(told)


def _space(facts: Facts, profile: Profile | None) -> Finding:
    folder = facts.folder
    if folder.free_kib is None or profile is None:
        return skipped("it is not told how much is free")
    free_mb = folder.free_kib / _KIB_PER_MB
    told = f"{free_mb:,.0f} MB free for {folder.path}"
    if free_mb < profile.budgets.disk_mb:
        return bad(
            f"{told}; an installation needs {profile.budgets.disk_mb}",
            "make room: sudo apt clean, or a larger card",
        )
    return good(told)


def _file_system(facts: Facts, profile: Profile | None) -> Finding:
    del profile
    folder = facts.folder
    if folder.read_only:
        return bad(
            f"{folder.existing} is on a file system that is read-only",
            "sudo mount -o remount,rw / for the installation, or switch the overlay off: sudo "
            "raspi-config, Performance",
        )
    if not folder.writable and facts.sudo == "absent":
        return bad(
            f"{facts.user} may not write into {folder.existing}, and there is no sudo",
            "log in as root, or name a folder with --folder",
        )
    if not folder.writable and facts.sudo == "password":
        return warning(
            f"{facts.user} may not write into {folder.existing} without a password for sudo",
            "type it when asked, or name a folder with --folder",
        )
    how = "" if folder.writable else ", with sudo"
    return good(f"{facts.user} may write into {folder.existing}{how}")


def _camera(facts: Facts, profile: Profile | None) -> Finding:
    if profile is None:
        return skipped("no profile says which")
    if profile.camera.stack == "v4l2":
        if not facts.cameras:
            return warning("no /dev/video*", "plug a camera in")
        first = facts.cameras[0]
        return good(f"{first.path} ({first.name})")
    python = chosen_python(facts)
    if python is None:
        return skipped("no Python to use it from")
    if not python.picamera2:
        return warning(
            f"{python.path} does not find picamera2", "sudo apt install python3-picamera2"
        )
    return good(f"{python.path} finds picamera2" + ("" if facts.libcamera else ", without tools"))


def _rights(facts: Facts, profile: Profile | None) -> Finding:
    del profile
    if facts.user == "root" or "video" in facts.groups:
        return good(f"{facts.user} is in {', '.join(facts.groups)}")
    if "video" not in facts.known_groups:
        return skipped("there is no group video")
    # The service has groups of its own.
    return warning(
        f"{facts.user} is not in the group video and may open no camera by hand",
        f"sudo usermod -aG video {facts.user}",
    )


def _services(facts: Facts, profile: Profile | None) -> Finding:
    del profile
    if facts.systemd is None:
        return warning("no systemd runs", "start edge-recog run by what starts programs there")
    if facts.systemd < _OLDEST_SYSTEMD:
        return bad(
            f"systemd {facts.systemd}; the unit needs {_OLDEST_SYSTEMD}",
            "bring the system up to date: Raspberry Pi OS 12 has it",
        )
    return good(f"systemd {facts.systemd}, edge-recog.service is {facts.service or 'unknown'}")


def _clock(facts: Facts, profile: Profile | None) -> Finding:
    del profile
    fix = "connect the network and type sudo timedatectl set-ntp true"
    try:
        now = datetime.datetime.fromtimestamp(facts.clock_now_s, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return bad("the clock shows no time of this world", fix)
    told = f"{now:%Y-%m-%d %H:%M} UTC"
    if now.year < _EARLIEST_YEAR:
        return bad(f"the clock says {told}", fix)
    if facts.clock_synchronized is False:
        return warning(f"{told}, not set from the network", fix)
    return good(told)


def _accelerator(facts: Facts, profile: Profile | None) -> Finding:
    del profile
    if not facts.accelerators:
        return skipped("none is plugged in")
    kinds = ", ".join(f"{one.kind} ({one.id})" for one in facts.accelerators)
    if any(one.kind == "coral-pci" for one in facts.accelerators) and not facts.apex:
        return bad(f"{kinds}, but no /dev/apex_0", "install its driver, gasket-dkms, and restart")
    if not facts.edgetpu_library:
        return bad(
            f"{kinds}, but no libedgetpu.so.1",
            "sudo apt install libedgetpu1-std, or a build for newer systems from "
            "https://github.com/feranick/libedgetpu/releases",
        )
    return good(f"{kinds}, {facts.edgetpu_library}")


def _installed(facts: Facts, profile: Profile | None) -> Finding:
    del profile
    if not facts.installed:
        return skipped("edge-recog is not installed")
    told = ", ".join(f"{one.version} ({one.path})" for one in facts.installed)
    if facts.config_readable is False:
        return good(f"{told}; {facts.user} may not read its configuration")
    model = f", model {facts.model}" if facts.model else ""
    return good(told + model + (f" ({facts.model_id[:19]}…)" if facts.model_id else ""))


_QUESTIONS: tuple[tuple[str, str, Callable[[Facts, Profile | None], Finding]], ...] = (
    ("board", "Board", _board),
    ("architecture", "Architecture", _architecture),
    ("system", "System", _system),
    ("python", "Python", _python),
    ("memory", "Memory", _memory),
    ("space", "Space", _space),
    ("file-system", "File system", _file_system),
    ("camera", "Camera", _camera),
    ("rights", "Rights", _rights),
    ("services", "Services", _services),
    ("clock", "Clock", _clock),
    ("accelerator", "Accelerator", _accelerator),
    ("installed", "Installed", _installed),
)
