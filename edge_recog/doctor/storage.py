"""Memory and the card: what runs full, wears out or forgets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.doctor.probes import read_number

if TYPE_CHECKING:
    from edge_recog.doctor.probes import Machine

_MB = 1_000_000
_DAEMON_MB = 140
"""What the daemon with web and MQTT may take."""
_LITTLE_MEMORY_MB = 2 * _DAEMON_MB
_FULL = 200 * _MB
_ALMOST_FULL = 1000 * _MB
_LITTLE = 5000 * _MB
"""Too little where it is less than a twentieth: cards wear out sooner the fuller they are."""
_CARD = re.compile(r"/dev/mmcblk\d+")
_VOLATILE = frozenset({"volatile", "none"})


@dataclass(frozen=True)
class Memory:
    """Main memory, in MB of 1,000,000 bytes."""

    total_mb: float
    available_mb: float


def read_memory(machine: Machine) -> Memory | None:
    """Return the main memory; None where the kernel does not tell."""
    text = machine.text("/proc/meminfo") or ""
    found = {name: int(kib) * 1024 / _MB for name, kib in re.findall(r"(\w+):\s+(\d+) kB", text)}
    if "MemTotal" not in found or "MemAvailable" not in found:
        return None
    return Memory(found["MemTotal"], found["MemAvailable"])


def judge_memory(memory: Memory | None) -> Finding:
    """Judge whether the daemon has room."""
    if memory is None:
        return skipped("the kernel does not tell (/proc/meminfo)")
    evidence = f"{memory.available_mb:.0f} of {memory.total_mb:.0f} MB available"
    fix = (
        "stop what is not needed; without a desktop (sudo raspi-config, System, Boot: Console) a "
        "Raspberry Pi has about 300 MB more"
    )
    if memory.available_mb < _DAEMON_MB:
        return bad(f"{evidence}; the daemon takes up to {_DAEMON_MB} MB", fix)
    if memory.available_mb < _LITTLE_MEMORY_MB:
        return warning(f"{evidence}; the daemon takes up to {_DAEMON_MB} MB", fix)
    return good(evidence)


@dataclass(frozen=True)
class Mount:
    """Where the root of the file tree is."""

    device: str
    kind: str
    """File system, such as `ext4`."""
    options: frozenset[str]
    wanted_read_only: bool
    """Whether /etc/fstab asks for it."""
    errors: int
    """How many errors ext4 has recorded, on whichever file system."""

    @property
    def on_card(self) -> bool:
        """Tell whether it is on an SD card or eMMC."""
        return bool(_CARD.match(self.device))


def read_root_mount(machine: Machine) -> Mount | None:
    """Return where `/` is; None where the kernel does not tell."""
    rows = [line.split() for line in (machine.text("/proc/mounts") or "").splitlines()]
    # A later line covers an earlier one.
    found = [row for row in rows if len(row) >= 4 and row[1] == "/"]
    if not found:
        return None
    device, _, kind, options = found[-1][:4]
    if device == "/dev/root":
        device = _root_parameter(machine) or device
    errors = [read_number(path) or 0 for path in machine.paths("/sys/fs/ext4/*/errors_count")]
    wanted = False
    for line in (machine.text("/etc/fstab") or "").splitlines():
        fields = line.split()
        if len(fields) >= 4 and fields[1] == "/" and not fields[0].startswith("#"):
            wanted = "ro" in fields[3].split(",")
    return Mount(device, kind, frozenset(options.split(",")), wanted, sum(errors))


def _root_parameter(machine: Machine) -> str:
    """Return the device that the kernel was told to start from; empty if it is told otherwise."""
    found = re.search(r"\broot=(/dev/\S+)", machine.text("/proc/cmdline") or "")
    return found[1] if found else ""


def judge_file_system(mount: Mount | None) -> Finding:
    """Judge whether the root of the file tree can be written and is sound."""
    if mount is None:
        return skipped("the kernel does not tell (/proc/mounts)")
    where = f"{mount.device} ({mount.kind})"
    if mount.kind == "overlay":
        return warning(
            f"{where}: changes live in memory and are lost at the next start",
            "install models with the overlay switched off (sudo raspi-config, Performance)",
        )
    if "ro" in mount.options and mount.wanted_read_only:
        return warning(
            f"{where} is read-only, as /etc/fstab asks: no model can be installed",
            "sudo mount -o remount,rw / for as long as a model is installed",
        )
    if "ro" in mount.options:
        return bad(
            f"{where} has become read-only, as after an error of the card",
            "look with sudo dmesg | grep -i -e ext4 -e mmc, save what matters, and write a new "
            "card",
        )
    if mount.errors:
        return bad(
            f"{where}: ext4 has recorded {mount.errors} errors",
            "add fsck.mode=force to /boot/firmware/cmdline.txt for one start, and replace the card "
            "if errors come again",
        )
    return good(f"{where} can be written, no errors recorded")


@dataclass(frozen=True)
class Space:
    """Room in the file system at `/`, in bytes."""

    free: int
    total: int


def read_space(machine: Machine) -> Space:
    """Return the room at the root of the file tree, without what is kept for root."""
    found = os.statvfs(machine.root)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def judge_space(space: Space) -> Finding:
    """Judge whether there is room left."""
    if not space.total:
        return skipped("the file system does not tell its size")
    share = space.free / space.total
    evidence = f"{space.free / _MB:,.0f} of {space.total / _MB:,.0f} MB free ({share:.0%})"
    fix = (
        "sudo apt clean; sudo journalctl --vacuum-size=50M; then find the largest folders with "
        "sudo du -xh / | sort -h | tail -20"
    )
    if space.free < _FULL:
        return bad(evidence, fix)
    if space.free < _ALMOST_FULL or (share < 0.05 and space.free < _LITTLE):
        return warning(evidence, fix)
    return good(evidence)


def read_swaps(machine: Machine) -> tuple[str, ...] | None:
    """Return files and devices that memory is swapped to; None where the kernel does not tell."""
    text = machine.text("/proc/swaps")
    if text is None:
        return None
    return tuple(line.split()[0] for line in text.splitlines()[1:] if line.strip())


def judge_swap(swaps: tuple[str, ...] | None, mount: Mount | None) -> Finding:
    """Judge whether memory is swapped to a card, which wears it out and stalls the camera."""
    if swaps is None:
        return skipped("the kernel does not tell (/proc/swaps)")
    root_on_card = mount is not None and mount.on_card
    on_card = [
        name
        for name in swaps
        if _CARD.match(name) or (root_on_card and not name.startswith("/dev/"))
    ]
    if on_card:
        return warning(
            f"swap on the SD card: {', '.join(on_card)}",
            "on Raspberry Pi OS 13 set Mechanism=zram in /etc/rpi/swap.conf and restart; before, "
            "sudo systemctl disable --now dphys-swapfile",
        )
    return good(", ".join(swaps) if swaps else "no swap")


@dataclass(frozen=True)
class Journal:
    """Where the system's journal goes."""

    storage: str
    """journald.conf's Storage=, in lower case; `auto` by default."""
    has_folder: bool
    """Whether /var/log/journal is there, which is what `auto` goes by."""


def read_journal(machine: Machine) -> Journal | None:
    """Return where the journal goes; None where there is no systemd.

    https://www.freedesktop.org/software/systemd/man/latest/journald.conf.html
    """
    if not machine.path("/run/systemd/system").is_dir():
        return None
    main = "systemd/journald.conf"
    # Of drop-ins the last by file name counts, and one in /etc hides one of its name in /usr/lib.
    files = {
        path.name: path
        for folder in ("usr/lib", "run", "etc")
        for path in machine.paths(f"/{folder}/{main}.d/*.conf")
    }
    texts = [machine.text(f"/usr/lib/{main}"), machine.text(f"/etc/{main}")]
    texts += [machine.text(machine.named(files[name])) for name in sorted(files)]
    lines = "\n".join(text for text in texts if text)
    found = re.findall(r"^Storage=(\w+)", lines, re.MULTILINE)
    storage = found[-1].lower() if found else "auto"
    return Journal(storage, machine.path("/var/log/journal").is_dir())


def judge_journal(journal: Journal | None, mount: Mount | None) -> Finding:
    """Judge whether the journal is written to a card, which wears it out."""
    if journal is None:
        return skipped("systemd does not run here")
    if mount is None or not mount.on_card:
        return good("the system is on no SD card")
    written = journal.storage == "persistent" or (journal.storage == "auto" and journal.has_folder)
    if not written:
        return good(f"the journal stays in memory (Storage={journal.storage})")
    return warning(
        f"the journal is written to {mount.device} (Storage={journal.storage})",
        "sudo mkdir -p /etc/systemd/journald.conf.d; printf '[Journal]\\nStorage=volatile\\n' | "
        "sudo tee /etc/systemd/journald.conf.d/volatile.conf; "
        "sudo systemctl restart systemd-journald",
    )
