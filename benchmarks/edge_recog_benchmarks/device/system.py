"""The state of the machine: clock frequency, temperature, throttling, load, energy.

What a machine does not tell, or tells in a way that cannot be read, is None or empty; nothing here
fails for it.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog_benchmarks.device.events import SystemFacts, SystemSample
from edge_recog_benchmarks.device.machine import machine_facts, read_int, read_load, read_text

if TYPE_CHECKING:
    from collections.abc import Callable

    Vcgencmd = Callable[..., str]
    """Takes the arguments of `vcgencmd`, returns what it printed; raises OSError or
    subprocess.SubprocessError if it cannot."""

VCGENCMD_EVERY_NS = 1_000_000_000
"""It is asked one question in this time at most: starting a process takes milliseconds."""
VCGENCMD_TIMEOUT_S = 0.5
_GIVE_UP_AFTER = 3
"""Failures of `vcgencmd` in a row."""
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_HIGHEST_MHZ = 100_000.0
_COLDEST_C, _HOTTEST_C = -60.0, 200.0
"""Outside of these a sensor is broken, or absent."""


class SystemProbe:
    """Tells the state of this machine."""

    began_ns: int
    """The clock when the run began: what `at_ns` counts from."""

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        wall_clock: Callable[[], float] = time.time,
        vcgencmd: Vcgencmd | None = None,
    ) -> None:
        """Begin a run.

        Args:
            root: Where /proc, /sys and /usr/bin/vcgencmd are looked for. CPU time is always that of
                this process and its children.
            clock: Nanoseconds, never going back.
            wall_clock: Seconds since 1970.
            vcgencmd: Stands in for the program.
        """
        self._root = root
        self._clock = clock
        self._wall_clock = wall_clock
        cores = _glob(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq")
        self._cores = sorted(cores, key=lambda core: (len(core.parent.name), core.parent.name))
        self._current_khz = [str(core / "scaling_cur_freq") for core in self._cores]
        self._zones = [
            str(zone / "temp") for zone in _glob(root, "sys/class/thermal/thermal_zone*")
        ]
        self._stat = str(root / "proc/stat")
        self._loadavg = root / "proc/loadavg"
        self._firmware = _Firmware(root, vcgencmd, clock)
        self._energy = _Energy(root)
        self._own_cpu = _OwnCpu()
        self.began_ns = clock()

    def watch(self, pid: int) -> None:
        """Count all CPU time of a process among ours, also after it has ended."""
        self._own_cpu.watch(pid)

    def facts(self) -> SystemFacts:
        """Return what does not change while measuring."""
        governors = (read_text(core / "scaling_governor") for core in self._cores)
        highest = [mhz for core in self._cores if (mhz := _highest_mhz(core)) is not None]
        return SystemFacts(
            governor=",".join(dict.fromkeys(filter(None, governors))),
            max_frequency_mhz=max(highest, default=None),
            cores=self._core_count(),
            board=read_text(self._root / "proc/device-tree/model"),
            machine=machine_facts(self._root),
        )

    def sample(self, *, thorough: bool = False) -> SystemSample:
        """Return the state now.

        Args:
            thorough: Ask the firmware everything, even if that takes some milliseconds: for moments
                when nothing is being measured.
        """
        throttled, measured_mhz = self._firmware.look(thorough=thorough)
        frequencies = [mhz for path in self._current_khz if (mhz := _mhz(path)) is not None]
        if measured_mhz is not None:
            # The kernel tells what it asked for; what the firmware grants may be less
            # (raspberrypi/linux#2986). All cores of a Raspberry Pi share one clock.
            frequencies = [measured_mhz] * max(1, len(frequencies))
        temperatures = [degrees for path in self._zones if (degrees := _celsius(path)) is not None]
        return SystemSample(
            at_ns=self._clock() - self.began_ns,
            temperature_c=max(temperatures, default=None),
            frequencies_mhz=tuple(frequencies),
            throttled=throttled,
            load_1min=read_load(self._loadavg),
            cpu_ns=_cpu_ns(read_text(self._stat)),
            own_cpu_ns=self._own_cpu.used_ns(),
            energy_uj=self._energy.used_uj(),
            wall_clock_s=self._wall_clock(),
        )

    def _core_count(self) -> int:
        if self._root == Path("/"):
            return len(os.sched_getaffinity(0))
        listed = re.findall(r"^cpu[0-9]+ ", read_text(self._stat), re.MULTILINE)
        return max(1, len(listed))


class _Firmware:
    """Asks a Raspberry Pi's firmware, seldom, for throttling and for the clock as it really is.

    `vcgencmd` comes first: the kernel's own file is absent on a Raspberry Pi 5, elsewhere up to two
    seconds old, and reading it puts a warning into the kernel's log (raspberrypi/linux,
    drivers/firmware/raspberrypi.c: get_throttled_show). The firmware keeps the bits of "now" set
    for three seconds (raspberrypi/linux#2367), so that asking every other second misses nothing.
    """

    def __init__(self, root: Path, vcgencmd: Vcgencmd | None, clock: Callable[[], int]) -> None:
        self._ask = vcgencmd or _find_vcgencmd(root)
        self._clock = clock
        self._asked_ns: int | None = None
        self._ask_clock_next = False
        self._failures = 0
        self._throttled: int | None = None
        self._files = _glob(root, "sys/devices/platform/soc*/soc*:firmware/get_throttled")

    def look(self, *, thorough: bool) -> tuple[int | None, float | None]:
        """Return the bits, at most some seconds old, and the clock in MHz if it was asked now."""
        mhz = None
        now = self._clock()
        due = self._asked_ns is None or now - self._asked_ns >= VCGENCMD_EVERY_NS
        if self._ask is not None and (thorough or due):
            self._asked_ns = now
            if thorough or not self._ask_clock_next:
                bits = self._number(r"throttled=0x([0-9a-fA-F]{1,8})\b", 16, "get_throttled")
                self._throttled = bits
            if thorough or self._ask_clock_next:
                hertz = self._number(
                    r"frequency\([0-9]+\)=([0-9]{1,12})\b", 10, "measure_clock", "arm"
                )
                mhz = _in_range(None if hertz is None else round(hertz / 1e6))
            self._ask_clock_next = not self._ask_clock_next
        if self._ask is None:
            self._throttled = self._in_files()
        return self._throttled, mhz

    def _number(self, pattern: str, base: int, *question: str) -> int | None:
        if self._ask is None:
            return None
        try:
            found = re.search(pattern, self._ask(*question))
        except (OSError, subprocess.SubprocessError):
            found = None
        if found is None:
            self._failures += 1
            if self._failures >= _GIVE_UP_AFTER:
                self._ask = None
            return None
        self._failures = 0
        return int(found[1], base)

    def _in_files(self) -> int | None:
        for file in self._files:
            text = read_text(file).removeprefix("0x")
            if re.fullmatch(r"[0-9a-fA-F]{1,8}", text):
                return int(text, 16)
        return None


class _Energy:
    """Adds up what the processor's packages used (Linux: Documentation/power/powercap)."""

    def __init__(self, root: Path) -> None:
        # The parts of a package are in its own counter, and `psys` has the packages in it.
        self._packages = [
            zone
            for zone in _glob(root, "sys/class/powercap/intel-rapl:*")
            if zone.name.count(":") == 1 and read_text(zone / "name").startswith("package")
        ]
        self._last = {zone: read_int(zone / "energy_uj") for zone in self._packages}
        self._used_uj = 0

    def used_uj(self) -> int | None:
        """Return microjoules since the start; None from the moment when that cannot be told."""
        for zone in self._packages:
            before, now = self._last[zone], read_int(zone / "energy_uj")
            if before is None or now is None:
                self._packages = []
                break
            used = now - before
            if used < 0:  # The counter has begun anew.
                used += read_int(zone / "max_energy_range_uj") or 0
            if used < 0:
                self._packages = []
                break
            self._last[zone] = now
            self._used_uj += used
        return self._used_uj if self._packages else None


class _OwnCpu:
    """Adds up the CPU time of this process and its children, the living ones included.

    A child that has ended and been waited for is in this process's own account; one that lives, or
    has not been waited for, is read in /proc (proc(5), /proc/pid/stat).
    """

    def __init__(self) -> None:
        self._born: dict[int, str] = {}
        """When each watched process started, in the kernel's words: its number may be reused."""
        self._seen_ns: dict[int, int] = {}
        """What a process that is not our child had used when last seen."""
        self._gone_ns = 0
        self._before_ns = self._waited_for_ns()
        self._most_ns = 0

    def watch(self, pid: int) -> None:
        fields = _process_stat(pid)
        if fields:
            self._born[pid] = fields[19]

    def used_ns(self) -> int:
        """Return nanoseconds since the start; never less than before."""
        # First those waited for: who ends meanwhile is then missed once, and not counted twice.
        used_ns = self._waited_for_ns() - self._before_ns
        for pid, born in tuple(self._born.items()):
            fields = _process_stat(pid)
            if not fields or fields[19] != born:
                del self._born[pid]
                self._gone_ns += self._seen_ns.pop(pid, 0)
                continue
            ticks = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
            used_ns += ticks * _TICK_NS
            if fields[1] != str(os.getpid()):
                self._seen_ns[pid] = ticks * _TICK_NS
        self._most_ns = max(self._most_ns, used_ns + self._gone_ns)
        return self._most_ns

    @staticmethod
    def _waited_for_ns() -> int:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time_ns() + round((ended.ru_utime + ended.ru_stime) * 1e9)


def _process_stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from `state` on; empty if there is no such process."""
    # The name before them may contain blanks and brackets.
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields if len(fields) >= 20 else []


def _find_vcgencmd(root: Path) -> Vcgencmd | None:
    path = shutil.which("vcgencmd") if root == Path("/") else str(root / "usr/bin/vcgencmd")
    if path is None or not os.access(path, os.X_OK):
        return None

    def ask(*question: str) -> str:
        return subprocess.run(
            [path, *question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=VCGENCMD_TIMEOUT_S,
            check=True,
            encoding="utf-8",
            errors="replace",
        ).stdout

    return ask


def _cpu_ns(stat: str) -> tuple[int, int, int] | None:
    """Return busy, stolen and all time of all cores (proc(5), /proc/stat)."""
    fields = stat.partition("\n")[0].removeprefix("cpu ").split()
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice already.
    if not stat.startswith("cpu ") or len(fields) < 4 or not all(map(_is_count, fields[:8])):
        return None
    ticks = [*map(int, fields[:8]), *[0] * 8][:8]
    busy = sum(ticks[:3]) + ticks[5] + ticks[6]
    return busy * _TICK_NS, ticks[7] * _TICK_NS, sum(ticks) * _TICK_NS


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 11


def _celsius(path: str) -> float | None:
    millidegrees = read_int(path)
    if millidegrees is None or not _COLDEST_C < millidegrees / 1000 < _HOTTEST_C:
        return None
    return millidegrees / 1000


def _mhz(path: str | Path) -> float | None:
    khz = read_int(path)
    return _in_range(None if khz is None else khz / 1000)


def _in_range(mhz: float | None) -> float | None:
    return float(mhz) if mhz is not None and 0 < mhz < _HIGHEST_MHZ else None


def _highest_mhz(core: Path) -> float | None:
    """Return the least of what a core could do and what it is allowed to."""
    limits = map(_mhz, (core / "cpuinfo_max_freq", core / "scaling_max_freq"))
    return min((mhz for mhz in limits if mhz is not None), default=None)


def _glob(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern))
    except OSError:
        return []
