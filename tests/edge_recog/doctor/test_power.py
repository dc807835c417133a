"""Voltage, throttling and heat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.doctor.board import read_system
from edge_recog.doctor.power import (
    Temperature,
    judge_temperature,
    judge_throttling,
    judge_under_voltage,
    read_temperature,
    read_throttled,
)
from edge_recog.doctor.probes import Machine, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ZONE = "/sys/class/thermal/thermal_zone0"


@pytest.mark.parametrize(
    ("throttled", "voltage", "throttling"),
    [
        (0x0, "good", "good"),
        (0x50005, "bad", "bad"),
        (0x50000, "warning", "warning"),
        (0x1, "bad", "good"),
        (0x2, "good", "bad"),
        (0x80008, "good", "bad"),
        (0x80000, "good", "warning"),
        (0x20000, "good", "warning"),
        (None, "skipped", "skipped"),
    ],
    ids=lambda value: hex(value) if isinstance(value, int) else str(value),
)
def test_the_bits_are_those_of_the_documentation(
    throttled: int | None, voltage: str, throttling: str
) -> None:
    assert judge_under_voltage(throttled).outcome == voltage
    assert judge_throttling(throttled).outcome == throttling


def test_each_bit_has_its_name_and_the_word_is_shown() -> None:
    finding = judge_throttling(0x0E)

    assert finding.evidence == (
        "now: clock capped, throttled, soft temperature limit (get_throttled 0xe)"
    )
    assert "soft temperature limit" in judge_throttling(0x80000).evidence


@given(st.integers(0, 2**20 - 1))
def test_bad_is_what_is_now_and_a_warning_what_was(throttled: int) -> None:
    outcome = judge_under_voltage(throttled).outcome

    assert (outcome == "bad") == bool(throttled & 1)
    assert (outcome == "good") == (not throttled & 0x10001)


@pytest.mark.parametrize(
    "path",
    [
        "/sys/devices/platform/soc/soc:firmware/get_throttled",
        "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",
    ],
    ids=["Pi 4", "Pi 5"],
)
def test_the_kernel_tells_in_hexadecimal(build: Callable[..., Machine], path: str) -> None:
    assert read_throttled(build({path: "50005\n"})) == 0x50005


@pytest.mark.parametrize(
    ("said", "throttled"),
    [
        (Said(0, "throttled=0x50000\n", ""), 0x50000),
        (Said(0, "nonsense\n", ""), None),
        (Said(255, "", "VCHI initialization failed"), None),
        (Said(None, "", ""), None),
        (None, None),
    ],
    ids=["answers", "nonsense", "no right", "hangs", "no such program"],
)
def test_vcgencmd_tells_where_the_kernel_does_not(
    build: Callable[..., Machine], said: Said | None, throttled: int | None
) -> None:
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: object) -> Said | None:
        asked.append(command)
        return said

    assert read_throttled(build({}, run=run)) == throttled
    assert asked == [["vcgencmd", "get_throttled"]]


@pytest.mark.parametrize(
    ("temperature", "outcome"),
    [
        (Temperature("cpu-thermal", 48.0, 80.0), "good"),
        (Temperature("cpu-thermal", 70.0, 80.0), "good"),
        (Temperature("cpu-thermal", 70.1, 80.0), "warning"),
        (Temperature("cpu-thermal", 80.0, 80.0), "bad"),
        (Temperature("acpitz", 80.0, None), "skipped"),
        (None, "skipped"),
    ],
    ids=["cool", "just enough left", "little left", "at the limit", "no limit", "no sensor"],
)
def test_ten_degrees_must_be_left(temperature: Temperature | None, outcome: str) -> None:
    assert judge_temperature(temperature).outcome == outcome


@pytest.mark.parametrize(
    ("name", "temperature"),
    [
        ("Pi 3", Temperature("cpu-thermal", 48.312, 60.0)),
        ("Pi 4", Temperature("cpu-thermal", 48.312, 80.0)),
        ("Pi 5", Temperature("cpu-thermal", 48.312, 80.0)),
        ("PC", Temperature("x86_pkg_temp", 55.0, 95.0)),
    ],
)
def test_the_processors_own_sensor_and_limit_count(
    build: Callable[..., Machine],
    board_files: dict[str, dict[str, str | bytes]],
    name: str,
    temperature: Temperature,
) -> None:
    machine = build(board_files[name])

    assert read_temperature(machine, read_system(machine)) == temperature


@pytest.mark.parametrize(
    "files",
    [{}, {f"{_ZONE}/type": "cpu-thermal", f"{_ZONE}/temp": "asleep"}],
    ids=["no sensor", "sensor without a number"],
)
def test_no_temperature_is_made_up(build: Callable[..., Machine], files: dict[str, str]) -> None:
    machine = build(files)

    assert read_temperature(machine, read_system(machine)) is None


def test_a_fan_that_starts_is_no_limit(build: Callable[..., Machine]) -> None:
    trips = {"0": ("active", 50000), "1": ("critical", 110000), "2": ("passive", 0)}
    files = {f"{_ZONE}/type": "soc", f"{_ZONE}/temp": "40000"}
    for number, (kind, limit) in trips.items():
        files[f"{_ZONE}/trip_point_{number}_type"] = kind
        files[f"{_ZONE}/trip_point_{number}_temp"] = str(limit)
    machine = build(files)

    assert read_temperature(machine, read_system(machine)) == Temperature("soc", 40.0, 110.0)
