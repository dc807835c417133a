"""Board, operating system, CPU clock and time of day."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edge_recog.doctor.board import (
    Clock,
    Governor,
    System,
    judge_clock,
    judge_governor,
    judge_system,
    read_clock,
    read_governor,
    read_system,
    usable_cores,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.doctor.probes import Machine

_PI_4 = "Raspberry Pi 4 Model B Rev 1.5"
_NOW_S = 1_795_000_000.0


@pytest.mark.parametrize(
    ("name", "board", "is_pi"),
    [
        ("Pi 3", "Raspberry Pi 3 Model B Plus Rev 1.3", True),
        ("Pi 4", _PI_4, True),
        ("Pi 5", "Raspberry Pi 5 Model B Rev 1.0", True),
        ("PC", "", False),
    ],
)
def test_the_board_is_told_by_the_kernel(
    build: Callable[..., Machine],
    board_files: dict[str, dict[str, str | bytes]],
    name: str,
    board: str,
    is_pi: bool,
) -> None:
    system = read_system(build(board_files[name]))

    assert (system.board, system.is_raspberry_pi) == (board, is_pi)


def test_cpuinfo_tells_the_board_where_there_is_no_device_tree(
    build: Callable[..., Machine],
) -> None:
    machine = build({"/proc/cpuinfo": f"Revision\t: c03115\nModel\t\t: {_PI_4}\n"})

    assert read_system(machine).board == _PI_4


@pytest.mark.parametrize(
    ("system", "outcome"),
    [
        (System(_PI_4, "aarch64", 64), "good"),
        (System("", "x86_64", 64), "good"),
        (System(_PI_4, "aarch64", 32), "bad"),
        (System(_PI_4, "armv7l", 32), "bad"),
        (System("Raspberry Pi Zero 2 W Rev 1.0", "armv7l", 32), "bad"),
        (System("Raspberry Pi 400 Rev 1.0", "armv7l", 32), "bad"),
        (System("Raspberry Pi Compute Module 4 Rev 1.0", "armv7l", 32), "bad"),
        (System("Raspberry Pi Zero W Rev 1.1", "armv6l", 32), "warning"),
        (System("Raspberry Pi 2 Model B Rev 1.1", "armv7l", 32), "warning"),
    ],
    ids=lambda value: f"{value.board} {value.bits}" if isinstance(value, System) else value,
)
def test_a_32_bit_system_is_bad_on_a_processor_with_64(system: System, outcome: str) -> None:
    assert judge_system(system).outcome == outcome


@pytest.mark.parametrize(
    ("clock", "outcome", "word"),
    [
        (Clock(_NOW_S, True), "good", "set from the network"),
        (Clock(_NOW_S, None), "good", "by its year only"),
        (Clock(_NOW_S, False), "warning", "not yet set"),
        (Clock(0.0, None), "bad", "1970-01-01"),
        (Clock(0.0, False), "bad", "1970-01-01"),
    ],
)
def test_the_clock_must_be_set(clock: Clock, outcome: str, word: str) -> None:
    finding = judge_clock(clock)

    assert finding.outcome == outcome
    assert word in finding.evidence


@pytest.mark.parametrize(
    ("files", "synchronized"),
    [
        ({}, None),
        ({"/run/systemd/timesync/other": ""}, False),
        ({"/run/systemd/timesync/synchronized": ""}, True),
    ],
    ids=["no timesyncd", "not yet", "synchronised"],
)
def test_timesyncd_tells_whether_the_clock_is_set(
    build: Callable[..., Machine], files: dict[str, str], synchronized: bool | None
) -> None:
    assert read_clock(build(files)) == Clock(_NOW_S, synchronized)


@pytest.mark.parametrize(
    ("governor", "outcome", "word"),
    [
        (Governor("ondemand", "cpufreq-dt", 1800000, 1800000), "good", "1800 MHz"),
        (Governor("performance", "", None, None), "good", "performance"),
        (Governor("powersave", "intel_pstate", 4000000, 4000000), "good", "powersave"),
        (Governor("powersave", "cpufreq-dt", 1800000, 1800000), "warning", "powersave"),
        (Governor("ondemand", "cpufreq-dt", 600000, 1800000), "warning", "600 of 1800 MHz"),
        (Governor("", "", None, None), "skipped", "no choice"),
    ],
)
def test_the_processor_must_be_let_run(governor: Governor, outcome: str, word: str) -> None:
    finding = judge_governor(governor)

    assert finding.outcome == outcome
    assert word in finding.evidence


def test_the_governor_is_that_of_the_first_core(
    build: Callable[..., Machine], board_files: dict[str, dict[str, str | bytes]]
) -> None:
    machine = build(board_files["Pi 4"])

    assert read_governor(machine) == Governor("ondemand", "cpufreq-dt", 1800000, 1800000)


def test_cores_are_those_this_process_may_use() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
