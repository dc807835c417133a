"""Machines made of files: what `/proc`, `/sys`, `/etc` and `/dev` of four computers look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_recog.doctor.probes import Machine, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

NOVEMBER_2026_S = 1_795_000_000.0

_THERMAL = "/sys/class/thermal/thermal_zone0"
_CLOCK = "/sys/devices/system/cpu/cpu0/cpufreq"
_CARD_MOUNT = "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\nproc /proc proc rw 0 0\n"
_PI: dict[str, str | bytes] = {
    f"{_THERMAL}/type": "cpu-thermal\n",
    f"{_THERMAL}/temp": "48312\n",
    f"{_CLOCK}/scaling_governor": "ondemand\n",
    f"{_CLOCK}/scaling_driver": "cpufreq-dt\n",
    "/sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    "/sys/fs/ext4/mmcblk0p2/errors_count": "0\n",
    "/proc/mounts": _CARD_MOUNT,
    "/proc/swaps": "Filename Type Size Used Priority\n/dev/zram0 partition 409596 0 100\n",
    "/proc/meminfo": "MemTotal:        3884104 kB\nMemAvailable:    3215004 kB\n",
    "/run/systemd/timesync/synchronized": "",
    "/run/systemd/system/started": "",
    "/etc/systemd/journald.conf": "[Journal]\n#Storage=auto\nStorage=volatile\n",
    "/etc/group": "video:x:44:pi\nplugdev:x:46:pi\n",
    "/dev/video0": "",
}
PI_3 = _PI | {
    "/proc/device-tree/model": b"Raspberry Pi 3 Model B Plus Rev 1.3\0",
    f"{_CLOCK}/scaling_max_freq": "1400000\n",
    f"{_CLOCK}/cpuinfo_max_freq": "1400000\n",
    "/proc/meminfo": "MemTotal:         931480 kB\nMemAvailable:     611204 kB\n",
}
PI_4 = _PI | {
    "/proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.5\0",
    f"{_CLOCK}/scaling_max_freq": "1800000\n",
    f"{_CLOCK}/cpuinfo_max_freq": "1800000\n",
}
PI_5 = _PI | {
    "/proc/device-tree/model": b"Raspberry Pi 5 Model B Rev 1.0\0",
    f"{_CLOCK}/scaling_max_freq": "2400000\n",
    f"{_CLOCK}/cpuinfo_max_freq": "2400000\n",
    "/proc/device-tree/chosen/power/max_current": (5000).to_bytes(4, "big"),
    "/proc/device-tree/chosen/power/usb_max_current_enable": (1).to_bytes(4, "big"),
}
PC: dict[str, str | bytes] = {
    f"{_THERMAL}/type": "acpitz\n",
    f"{_THERMAL}/temp": "27800\n",
    "/sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n",
    "/sys/class/thermal/thermal_zone1/temp": "55000\n",
    "/sys/class/thermal/thermal_zone1/trip_point_0_type": "passive\n",
    "/sys/class/thermal/thermal_zone1/trip_point_0_temp": "95000\n",
    f"{_CLOCK}/scaling_governor": "powersave\n",
    f"{_CLOCK}/scaling_driver": "intel_pstate\n",
    "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5\n",
    "/proc/mounts": "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n",
    "/proc/swaps": "Filename Type Size Used Priority\n/swapfile file 2097148 0 -2\n",
    "/proc/meminfo": "MemTotal:       16303772 kB\nMemAvailable:   11215004 kB\n",
    "/run/systemd/system/started": "",
    "/var/log/journal/x/system.journal": "",
}
BOARDS = {"Pi 3": PI_3, "Pi 4": PI_4, "Pi 5": PI_5, "PC": PC}


def no_commands(_command: Sequence[str], **_: object) -> Said | None:
    """Answer as a machine that has none of the programs."""
    return None


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Machine]:
    """Return what makes a machine of files (path → content) and links (path → target)."""

    def make(
        files: Mapping[str, str | bytes],
        *,
        links: Mapping[str, str] | None = None,
        run: Callable[..., Said | None] = no_commands,
        now_s: float = NOVEMBER_2026_S,
    ) -> Machine:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        for name, target in (links or {}).items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        return Machine(root, run, lambda: now_s)

    return make


@pytest.fixture
def board_files() -> dict[str, dict[str, str | bytes]]:
    """Return the files of a Raspberry Pi 3, 4 and 5 and of a PC, all in good health."""
    return {name: dict(files) for name, files in BOARDS.items()}


@pytest.fixture
def patient(emulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a first frame for as long as an emulated process may take to start."""
    if emulated:
        monkeypatch.setattr("edge_recog.doctor.first_frame._TIMEOUT_S", 600.0)
