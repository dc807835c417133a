"""Facts of the machine that a result was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks import machine
from edge_recog_benchmarks.machine import machine_facts

if TYPE_CHECKING:
    from pathlib import Path

PI = """processor\t: 0
model name\t: ARMv7 Processor rev 3 (v7l)
Features\t: half thumb

Hardware\t: BCM2711
Model\t\t: Raspberry Pi 4 Model B Rev 1.5
"""
PC = """processor\t: 0
model\t\t: 143
model name\t: Some: Processor

processor\t: 1
model name\t: Some: Processor
"""


def test_facts_are_plain_values_of_this_machine() -> None:
    facts = machine_facts()

    assert json.loads(json.dumps(facts)) == facts
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert facts["machine"] == platform.machine()
    assert facts["python"] == platform.python_version()
    assert facts["load_1min"] >= 0


def test_time_is_utc_to_the_second() -> None:
    measured = machine_facts()["measured"]

    assert measured.endswith("Z")
    assert len(measured) == len("2025-01-01T00:00:00Z")
    assert abs(datetime.fromisoformat(measured) - datetime.now(UTC)) < timedelta(minutes=1)


def test_versions_are_those_of_installed_packages_only() -> None:
    packages = machine_facts()["packages"]

    assert packages["numpy"] == importlib.metadata.version("numpy")
    assert "edge-recog" in packages
    assert packages == {name: importlib.metadata.version(name) for name in packages}


@pytest.mark.parametrize(
    ("cpuinfo", "processor"),
    [(PI, "Raspberry Pi 4 Model B Rev 1.5"), (PC, "Some: Processor")],
    ids=["pi", "pc"],
)
def test_a_processor_is_named_as_people_know_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str, processor: str
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(cpuinfo)
    monkeypatch.setattr(machine, "_CPUINFO", file)

    assert machine_facts()["processor"] == processor


def test_without_cpuinfo_the_platform_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "nowhere")

    assert machine_facts()["processor"] == platform.processor()
