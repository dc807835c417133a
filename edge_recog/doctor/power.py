"""Supply voltage and heat: what makes a Raspberry Pi slow without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.doctor.findings import Finding, bad, good, skipped, warning
from edge_recog.doctor.probes import read_number, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_recog.doctor.board import System
    from edge_recog.doctor.probes import Machine

# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
UNDER_VOLTAGE = {0: "under-voltage"}
THROTTLING = {1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
_SINCE_START = 16
"""A bit this much higher says that the same has occurred since the start."""

# "between 80 °C and 85 °C, the Arm cores will be throttled back":
# https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#frequency-management-and-thermal-control
_PI_LIMIT_C = 80.0
# The soft limit of these two: https://www.raspberrypi.com/documentation/computers/config_txt.html#overclocking
_PI_3_PLUS_LIMIT_C = 60.0
_HEADROOM_C = 10.0
"""Less than this is soon used up under load or on a warm day."""
_CPU_ZONES = ("cpu", "soc", "x86_pkg")
"""How the types of the zones that watch the processor begin."""
_LIMIT_TRIPS = ("passive", "hot", "critical")


def read_throttled(machine: Machine) -> int | None:
    """Return the firmware's word on voltage and throttling; None where there is no such firmware.

    The kernel's file is read first, since `vcgencmd` asks for the group `video`. It has the number
    in hexadecimal without 0x (drivers/firmware/raspberrypi.c of Raspberry Pi's kernel).
    """
    for path in machine.paths("/sys/devices/platform/soc*/*firmware/get_throttled"):
        value = read_number(path, 16)
        if value is not None:
            return value
    said = machine.run(["vcgencmd", "get_throttled"])
    if said is None or said.code != 0:
        return None
    try:
        return int(said.out.strip().partition("=")[2], 16)
    except ValueError:
        return None


def judge_under_voltage(throttled: int | None) -> Finding:
    """Judge the supply."""
    return _judge_bits(
        throttled,
        UNDER_VOLTAGE,
        fine="the supply voltage has held since the start",
        fix="use the board's own power supply and a short, thick cable; move hungry USB devices "
        "to a hub with its own supply",
    )


def judge_throttling(throttled: int | None) -> Finding:
    """Judge whether the firmware slows the processor."""
    return _judge_bits(
        throttled,
        THROTTLING,
        fine="never slowed since the start",
        fix="fit a heat sink or fan, give the case air, and see to the power supply",
    )


def _judge_bits(throttled: int | None, bits: Mapping[int, str], *, fine: str, fix: str) -> Finding:
    if throttled is None:
        return skipped("no Raspberry Pi firmware to ask (vcgencmd get_throttled)")
    word = f"(get_throttled {throttled:#x})"
    now = [name for bit, name in bits.items() if throttled >> bit & 1]
    if now:
        return bad(f"now: {', '.join(now)} {word}", fix)
    before = [name for bit, name in bits.items() if throttled >> (bit + _SINCE_START) & 1]
    if before:
        return warning(f"since the start, though not now: {', '.join(before)} {word}", fix)
    return good(f"{fine} {word}")


@dataclass(frozen=True)
class Temperature:
    """How hot the processor is, and how hot it may get."""

    zone: str
    now_c: float
    limit_c: float | None
    """Where it is slowed or switched off; None if nobody says."""


def read_temperature(machine: Machine, system: System) -> Temperature | None:
    """Return the processor's temperature; None where there is no sensor."""
    zones = []
    for folder in machine.paths("/sys/class/thermal/thermal_zone*"):
        now = read_number(folder / "temp")
        if now is not None:
            zones.append((read_text(folder / "type") or folder.name, now / 1000, folder))
    if not zones:
        return None
    zones.sort(key=lambda zone: not zone[0].lower().startswith(_CPU_ZONES))
    name, now_c, folder = zones[0]
    if system.is_raspberry_pi:
        plus = "Raspberry Pi 3 Model A Plus" in system.board or (
            "Raspberry Pi 3 Model B Plus" in system.board
        )
        return Temperature(name, now_c, _PI_3_PLUS_LIMIT_C if plus else _PI_LIMIT_C)
    return Temperature(name, now_c, _lowest_trip_c(folder))


def _lowest_trip_c(zone: Path) -> float | None:
    """Return the lowest temperature at which the kernel acts, fans apart."""
    trips = []
    for path in zone.glob("trip_point_*_type"):
        value = read_number(path.with_name(path.name.replace("_type", "_temp")))
        if read_text(path) in _LIMIT_TRIPS and value is not None and value > 0:
            trips.append(value / 1000)
    return min(trips, default=None)


def judge_temperature(temperature: Temperature | None) -> Finding:
    """Judge how much is left until the processor is slowed."""
    if temperature is None:
        return skipped("no temperature sensor in /sys/class/thermal")
    now, limit = temperature.now_c, temperature.limit_c
    if limit is None:
        return skipped(f"{now:.0f} °C ({temperature.zone}), but nobody says what its limit is")
    evidence = f"{now:.0f} °C ({temperature.zone}), slowed from {limit:.0f} °C"
    fix = "fit a heat sink or fan, or give the case air; fewer threads heat less as well"
    if now >= limit:
        return bad(evidence, fix)
    if now > limit - _HEADROOM_C:
        return warning(f"{evidence}: {limit - now:.0f} °C left", fix)
    return good(f"{evidence}: {limit - now:.0f} °C left")
