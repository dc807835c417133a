"""A pretended machine: a folder of files like a Raspberry Pi's /proc and /sys, to test with.

fake = FakeSystem(tmp_path)
probe = SystemProbe(fake.root)
fake.temperature_c = 82
fake.throttled = 0x50005
probe.sample(thorough=True)
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_CPU = "sys/devices/system/cpu"
_ZONE = "sys/class/thermal/thermal_zone0"
_PACKAGE = "sys/class/powercap/intel-rapl:0"
_FIRMWARE_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_VCGENCMD = """#!/bin/sh
answer="${0%/*}/../share/vcgencmd/$*"
if [ ! -r "$answer" ]; then
    echo 'error=1 error_msg="Command not registered"'
    exit 1
fi
read -r line < "$answer"
echo "$line"
"""
_ANSWERS = "usr/share/vcgencmd"
ENERGY_RANGE_UJ = 262_143_328_850
"""Where the energy counter begins anew."""


class FakeSystem:
    """A Raspberry Pi 5 at rest, unless told otherwise.

    What is set is written at once, and each file is replaced as a whole.
    """

    root: Path
    """What `SystemProbe` takes."""

    def __init__(
        self,
        folder: Path,
        *,
        board: str = "Raspberry Pi 5 Model B Rev 1.0",
        cores: int = 4,
        max_frequency_mhz: float = 2400.0,
        governor: str = "performance",
        temperature_c: float = 45.0,
        firmware: Literal["vcgencmd", "kernel", "none"] = "vcgencmd",
        rapl: bool = False,
    ) -> None:
        """Write the files.

        Args:
            folder: Where to; made if need be.
            board: As the device tree names it; empty for none.
            cores: All of one clock.
            max_frequency_mhz: What they can do, and do at first.
            governor: Of the clock.
            temperature_c: Of the only thermal zone.
            firmware: What tells throttling: the program, the kernel's file, or nothing.
            rapl: Has an energy counter, as a PC has.
        """
        self.root = folder
        self._cores = cores
        self._firmware = firmware
        self._busy_ns = self._steal_ns = self._idle_ns = self._energy_uj = 0
        if board:
            self.write("proc/device-tree/model", f"{board}\0")
        self.write("proc/cpuinfo", f"processor\t: 0\n\nModel\t\t: {board}\n" if board else "")
        self.write("proc/meminfo", "MemTotal:        8256928 kB\nMemFree:         7000000 kB\n")
        self.write("proc/sys/kernel/osrelease", "6.12.47+rpt-rpi-2712\n")
        self.write("etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n')
        for core in range(cores):
            self._write_khz(core, "cpuinfo_max_freq", max_frequency_mhz)
            self._write_khz(core, "scaling_max_freq", max_frequency_mhz)
        self.write(f"{_ZONE}/type", "cpu-thermal\n")
        if firmware == "vcgencmd":
            self.write("usr/bin/vcgencmd", _VCGENCMD)
            (folder / "usr/bin/vcgencmd").chmod(0o755)
        if rapl:
            self.write(f"{_PACKAGE}/name", "package-0\n")
            self.write(f"{_PACKAGE}/max_energy_range_uj", f"{ENERGY_RANGE_UJ}\n")
            self.energy(0)
        self.load_1min = 0.0
        self.governor = governor
        self.temperature_c = temperature_c
        self.frequency_mhz = max_frequency_mhz
        self.throttled = 0
        self.busy(0)

    @property
    def temperature_c(self) -> float:
        """Of the processor."""
        return self._temperature_c

    @temperature_c.setter
    def temperature_c(self, degrees: float) -> None:
        self._temperature_c = degrees
        self.write(f"{_ZONE}/temp", f"{round(degrees * 1000)}\n")

    @property
    def frequency_mhz(self) -> float:
        """Of all cores, as the kernel wants it and as it is."""
        return self._frequency_mhz

    @frequency_mhz.setter
    def frequency_mhz(self, mhz: float) -> None:
        self._frequency_mhz = mhz
        for core in range(self._cores):
            self._write_khz(core, "scaling_cur_freq", mhz)
        self.granted_mhz = mhz

    @property
    def granted_mhz(self) -> float:
        """Of all cores as it is, which only `vcgencmd` tells."""
        return self._granted_mhz

    @granted_mhz.setter
    def granted_mhz(self, mhz: float) -> None:
        self._granted_mhz = mhz
        self._answer("measure_clock arm", f"frequency(0)={round(mhz * 1e6)}")

    @property
    def throttled(self) -> int:
        """Bits 0-3: now; bits 16-19: since it booted."""
        return self._throttled

    @throttled.setter
    def throttled(self, bits: int) -> None:
        self._throttled = bits
        self._answer("get_throttled", f"throttled={bits:#x}")
        if self._firmware == "kernel":
            self.write(_FIRMWARE_FILE, f"{bits:x}\n")

    @property
    def governor(self) -> str:
        """Of all cores."""
        return self._governor

    @governor.setter
    def governor(self, name: str) -> None:
        self._governor = name
        for core in range(self._cores):
            self.write(f"{_CPU}/cpu{core}/cpufreq/scaling_governor", f"{name}\n")

    @property
    def load_1min(self) -> float:
        """Load average."""
        return self._load_1min

    @load_1min.setter
    def load_1min(self, load: float) -> None:
        self._load_1min = load
        self.write("proc/loadavg", f"{load:.2f} 0.00 0.00 1/100 1000\n")

    def busy(self, ns: int) -> None:
        """Let the cores work for so long in all; the kernel counts in ticks of 10 ms."""
        self._busy_ns += ns
        self._write_stat()

    def steal(self, ns: int) -> None:
        """Let the hypervisor take so much of the cores' time."""
        self._steal_ns += ns
        self._write_stat()

    def idle(self, ns: int) -> None:
        """Let the cores rest for so long in all."""
        self._idle_ns += ns
        self._write_stat()

    def energy(self, uj: int) -> None:
        """Use so many microjoules; the counter begins anew at `ENERGY_RANGE_UJ`."""
        self._energy_uj = (self._energy_uj + uj) % ENERGY_RANGE_UJ
        self.write(f"{_PACKAGE}/energy_uj", f"{self._energy_uj}\n")

    def write(self, path: str, text: str) -> None:
        """Write any file below `root`."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # Aside first, so that whoever reads meanwhile sees the old or the new.
        new = file.with_name(f".{file.name}.new")
        new.write_text(text, encoding="utf-8")
        new.replace(file)

    def remove(self, path: str) -> None:
        """Remove a file or folder below `root`, if it is there."""
        file = self.root / path
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)

    def _answer(self, question: str, answer: str) -> None:
        if self._firmware == "vcgencmd":
            self.write(f"{_ANSWERS}/{question}", f"{answer}\n")

    def _write_khz(self, core: int, name: str, mhz: float) -> None:
        self.write(f"{_CPU}/cpu{core}/cpufreq/{name}", f"{round(mhz * 1000)}\n")

    def _write_stat(self) -> None:
        busy, idle, steal = (
            ns // _TICK_NS for ns in (self._busy_ns, self._idle_ns, self._steal_ns)
        )
        lines = [f"cpu  {busy} 0 0 {idle} 0 0 0 {steal} 0 0"]
        lines += [f"cpu{core} 0 0 0 0 0 0 0 0 0 0" for core in range(self._cores)]
        self.write("proc/stat", "\n".join(lines) + "\n")
