"""The board, its operating system and its clock."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.doctor.probes import read_number, read_text

if TYPE_CHECKING:
    from edge_recog.doctor.probes import Machine

# https://www.raspberrypi.com/documentation/computers/processors.html: BCM2837 and later.
_PI_WITH_64_BITS = re.compile(
    r"Raspberry Pi (?:[345]\b|[45]00\b|Zero 2\b|Compute Module [345]|2 Model B Rev 1\.2)"
)
_KERNELS_WITH_64_BITS = frozenset({"aarch64", "x86_64", "riscv64"})
_EARLIEST_YEAR = 2026
"""When this was written: no clock that is set shows less."""
_GOVERNORS = frozenset({"ondemand", "performance", "schedutil"})
# https://docs.kernel.org/admin-guide/pm/intel_pstate.html and amd-pstate.html: in their active
# mode the drivers themselves choose, and "powersave" is what "schedutil" is elsewhere.
_CHOOSING_DRIVERS = frozenset({"intel_pstate", "amd-pstate-epp", "amd_pstate_epp"})


@dataclass(frozen=True)
class System:
    """The board and the width of what runs on it."""

    board: str
    """As its maker writes it; empty where nothing says so."""
    kernel: str
    """The kernel's machine, such as `aarch64`."""
    bits: int
    """Of this Python, and so of the system it comes from: 32 or 64."""

    @property
    def is_raspberry_pi(self) -> bool:
        """Tell whether the board is a Raspberry Pi."""
        return self.board.startswith("Raspberry Pi")


def read_system(machine: Machine) -> System:
    """Return board and operating system."""
    board = machine.text("/proc/device-tree/model") or ""
    if not board:
        found = re.search(r"^Model\s*:\s*(.+)$", machine.text("/proc/cpuinfo") or "", re.MULTILINE)
        board = found[1].strip() if found else ""
    return System(board, platform.machine(), 64 if sys.maxsize > 2**32 else 32)


def judge_system(system: System) -> Finding:
    """Judge whether the operating system is as wide as the processor."""
    board = system.board or "this board"
    if system.bits == 64:
        return good(f"64-bit on {system.board or system.kernel}")
    if _PI_WITH_64_BITS.match(system.board) or system.kernel in _KERNELS_WITH_64_BITS:
        return bad(
            f"32-bit system on {board}, whose processor has 64 bits ({system.kernel} kernel): "
            "LiteRT has no wheels for it",
            "install Raspberry Pi OS (64-bit) with Raspberry Pi Imager; it keeps nothing of the "
            "old card",
        )
    return warning(
        f"{board} has a 32-bit processor ({system.kernel}): only tflite-runtime 2.14 runs on it, "
        "with Python 3.11 or older",
        "stay with Raspberry Pi OS 12 (bookworm) and its Python 3.11, or use a Raspberry Pi 3, "
        "Zero 2 or later",
    )


@dataclass(frozen=True)
class Clock:
    """What is known of the time of day."""

    now_s: float
    """Seconds since 1970."""
    synchronized: bool | None
    """Whether systemd-timesyncd says so; None where it does not run."""


def read_clock(machine: Machine) -> Clock:
    """Return the time and whether it came from the network.

    systemd-timesyncd makes the file `synchronized` when it has set the clock:
    https://www.freedesktop.org/software/systemd/man/latest/systemd-timesyncd.service.html
    """
    synchronized = None
    if machine.path("/run/systemd/timesync").is_dir():
        synchronized = machine.path("/run/systemd/timesync/synchronized").exists()
    return Clock(machine.clock_s(), synchronized)


def judge_clock(clock: Clock) -> Finding:
    """Judge whether the clock is set: events and certificates depend on it."""
    told = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(clock.now_s))
    if time.gmtime(clock.now_s).tm_year < _EARLIEST_YEAR:
        return bad(
            f"the clock says {told}",
            "connect the network and type sudo timedatectl set-ntp true, or fit a clock battery "
            "(a Raspberry Pi 5 has a socket for it)",
        )
    if clock.synchronized is False:
        return warning(
            f"{told}, not yet set from the network since the start",
            "type timedatectl timesync-status to see whether a time server answers",
        )
    how = "set from the network" if clock.synchronized else "judged by its year only"
    return good(f"{told}, {how}")


@dataclass(frozen=True)
class Governor:
    """Who chooses how fast the processor runs."""

    name: str
    """Of the first core; empty where there is no choice."""
    driver: str
    limit_khz: int | None
    """The highest clock it may choose."""
    possible_khz: int | None
    """The highest clock there is."""


def read_governor(machine: Machine) -> Governor:
    """Return the CPU frequency governor of the first core."""
    folder = machine.path("/sys/devices/system/cpu/cpu0/cpufreq")
    return Governor(
        read_text(folder / "scaling_governor") or "",
        read_text(folder / "scaling_driver") or "",
        read_number(folder / "scaling_max_freq"),
        read_number(folder / "cpuinfo_max_freq"),
    )


def judge_governor(governor: Governor) -> Finding:
    """Judge whether the processor may run at full speed."""
    if not governor.name:
        return skipped("the kernel offers no choice of clock here")
    limit, possible = governor.limit_khz, governor.possible_khz
    if limit is not None and possible is not None and limit < possible:
        return warning(
            f"limited to {limit / 1000:.0f} of {possible / 1000:.0f} MHz",
            f"echo {possible} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq",
        )
    clock = f", up to {limit / 1000:.0f} MHz" if limit is not None else ""
    chosen_by_driver = governor.driver in _CHOOSING_DRIVERS and governor.name == "powersave"
    if governor.name in _GOVERNORS or chosen_by_driver:
        return good(f"{governor.name} ({governor.driver or 'unknown driver'}){clock}")
    return warning(
        f"the governor is {governor.name}, which keeps the clock low",
        "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    )


def usable_cores() -> int:
    """Return how many cores the scheduler lets this process use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
