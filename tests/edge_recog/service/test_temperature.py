from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.service.temperature import processor_celsius

if TYPE_CHECKING:
    from pathlib import Path


def zone(folder: Path, number: int, kind: str, text: str) -> None:
    one = folder / f"thermal_zone{number}"
    one.mkdir()
    (one / "type").write_text(f"{kind}\n")
    (one / "temp").write_text(text)


def test_the_hottest_of_the_processors_sensors_is_told(tmp_path: Path) -> None:
    zone(tmp_path, 0, "acpitz", "90000\n")
    zone(tmp_path, 1, "cpu-thermal", "51234\n")
    zone(tmp_path, 2, "cpu-little", "49000\n")

    assert processor_celsius(tmp_path) == 51.234


def test_a_sensor_that_says_nothing_is_none(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", "broken")
    (tmp_path / "thermal_zone1").mkdir()

    assert processor_celsius(tmp_path) is None


def test_without_sensors_there_is_no_temperature(tmp_path: Path) -> None:
    assert processor_celsius(tmp_path / "nothing") is None
