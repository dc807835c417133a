"""Recordings of USB power meters."""

from __future__ import annotations

import csv
import functools
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

EARLIEST_S, LATEST_S = 946_684_800.0, 4_102_444_800.0
"""The years 2000 and 2100: what may be a date, in seconds since 1970."""
_MILLISECONDS_FROM = 1e11
_MOST_W = 1e5
_UNITS = {
    "time": {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3},
    "power": {"w": 1.0, "mw": 1e-3},
    "voltage": {"v": 1.0, "mv": 1e-3},
    "current": {"a": 1.0, "ma": 1e-3},
}
_QUANTITIES = {
    "time": {"time", "timestamp", "date", "datetime", "date time", "t", "ts", "utc", "epoch",
             "epoch time", "unix", "unix time", "unixtime", "unix timestamp"},
    "power": {"power", "p"},
    "voltage": {"voltage", "u", "vbus", "bus voltage"},
    "current": {"current", "i", "ibus"},
}  # fmt: skip
_SPELT_OUT = {
    "watt": ("power", 1.0), "watts": ("power", 1.0), "w": ("power", 1.0), "mw": ("power", 1e-3),
    "volt": ("voltage", 1.0), "volts": ("voltage", 1.0), "v": ("voltage", 1.0),
    "mv": ("voltage", 1e-3), "amp": ("current", 1.0), "amps": ("current", 1.0),
    "ampere": ("current", 1.0), "amperes": ("current", 1.0), "a": ("current", 1.0),
    "ma": ("current", 1e-3),
}  # fmt: skip
"""Columns that are named by their unit."""
_WITH_UNIT = re.compile(r"(.+?)\s*[(\[]\s*(\w+)\s*[)\]]|(.+)[ _/](\w+)")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class PowerTrace:
    """Readings of a power meter; between two, power changes at a constant rate."""

    source: str
    """The file."""
    times_s: NDArray[np.float64]
    """(readings,), seconds since 1970, increasing; two or more."""
    power_w: NDArray[np.float64]
    """(readings,), watts, never negative."""

    @property
    def period_s(self) -> float:
        """From one reading to the next: the median."""
        return float(np.median(np.diff(self.times_s)))

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Return the integral between two times within the recording (trapezoidal rule)."""
        return self._energy_until_j(end_s) - self._energy_until_j(start_s)

    def _energy_until_j(self, moment_s: float) -> float:
        place = int(np.searchsorted(self.times_s, moment_s, "right")) - 1
        place = min(max(place, 0), self.times_s.size - 1)
        power_w = float(np.interp(moment_s, self.times_s, self.power_w))
        beyond_s = moment_s - self.times_s[place]
        return float(self._sums_j[place] + beyond_s * (self.power_w[place] + power_w) / 2)

    @functools.cached_property
    def _sums_j(self) -> NDArray[np.float64]:
        """Energy from the first reading to each: (readings,)."""
        parts = np.diff(self.times_s) * (self.power_w[1:] + self.power_w[:-1]) / 2
        return np.concatenate([[0.0], np.cumsum(parts)])

    def longest_gap_s(self, start_s: float, end_s: float) -> float:
        """Return the longest time without a reading that reaches into an interval.

        Infinite if the interval is not within the recording.
        """
        if start_s < self.times_s[0] or end_s > self.times_s[-1]:
            return math.inf
        first = int(np.searchsorted(self.times_s, start_s, "right")) - 1
        last = int(np.searchsorted(self.times_s, end_s, "left"))
        return float(np.diff(self.times_s[first : last + 1]).max(initial=0.0))


def read_meter(path: Path) -> PowerTrace:
    """Return the readings in a CSV file.

    Its first line that is not empty names the columns: one for the time (RFC 3339 with its offset
    from UTC, or seconds or milliseconds since 1970), and one for power (W or mW) or one each for
    voltage (V or mV) and current (A or mA). The unit is part of the name, in any of the usual ways:
    `power_w`, `Power (mW)`, `Voltage[V]`. Other columns are passed over. Columns are separated by
    commas, semicolons, tabs or, without any of these, by blanks; with semicolons and tabs, numbers
    may have a decimal comma.

    Raises:
        UsageError: The file cannot be read, or is not such a recording.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a CSV file in UTF-8; export it as one") from error
    rows, decimal_comma = _rows(text, path)
    names = rows[0].cells if rows else []
    columns = _Columns(names, path, decimal_comma=decimal_comma)
    readings: list[tuple[float, float]] = []
    for row in rows[1:]:
        where = f"{path}, line {row.line}"
        if len(row.cells) != len(names):
            raise UsageError(
                f"{where}: {len(row.cells)} columns, but the first line names {len(names)}; "
                "remove the line if the recording broke off there"
            )
        readings.append(columns.reading(row.cells, where))
        _check_order(readings, where)
    if len(readings) < 2:
        raise UsageError(f"{path}: it has fewer than two readings; record during the whole run")
    times_s, power_w = np.array(readings, np.float64).T
    return PowerTrace(source=str(path), times_s=times_s, power_w=power_w)


class _Row(NamedTuple):
    line: int
    """Counted from 1."""
    cells: list[str]


def _rows(text: str, path: Path) -> tuple[list[_Row], bool]:
    """Return the lines that are not empty, and whether numbers may have a decimal comma."""
    lines = text.splitlines()
    header = next((line for line in lines if line.strip()), "")
    separator = next((mark for mark in "\t;," if mark in header), None)
    if separator is None:
        cells = ((number, line.split()) for number, line in enumerate(lines, 1))
    else:
        reader = csv.reader(lines, delimiter=separator)
        cells = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
    try:
        rows = [_Row(number, row) for number, row in cells if any(row)]
    except csv.Error as error:
        raise UsageError(f"{path}: not a CSV file: {error}") from error
    return rows, separator in ("\t", ";")


class _Column(NamedTuple):
    """Where a quantity stands."""

    name: str
    place: int
    factor: float | None
    """Times this it is in s, W, V or A; None where the name has no unit."""


class _Columns:
    """Turns the cells of a line into a reading."""

    def __init__(self, names: Sequence[str], path: Path, *, decimal_comma: bool) -> None:
        self._path = path
        self._decimal_comma = decimal_comma
        self._found: dict[str, _Column] = {}
        for place, name in enumerate(names):
            quantity, factor = _quantity_of(name)
            if quantity in self._found:
                raise UsageError(
                    f"{path}: both {self._found[quantity].name!r} and {name!r} could be the "
                    f"{quantity}; remove or rename one of these columns"
                )
            if quantity:
                self._found[quantity] = _Column(name, place, factor)
        if "time" not in self._found:
            raise self._missing("the time")
        if "power" not in self._found and not {"voltage", "current"} <= self._found.keys():
            raise self._missing("power in W, or of voltage and current")

    def reading(self, cells: Sequence[str], where: str) -> tuple[float, float]:
        """Return seconds since 1970, and watts."""
        time_s = self._time_s(cells, where)
        quantities = ["power"] if "power" in self._found else ["voltage", "current"]
        power_w = math.prod(self._value(quantity, cells, where) for quantity in quantities)
        if not 0 <= power_w <= _MOST_W:
            raise UsageError(
                f"{where}: {power_w:g} W cannot be; if it is negative turn the meter round, and if "
                "it is too much see to the units"
            )
        return time_s, power_w

    def _value(self, quantity: str, cells: Sequence[str], where: str) -> float:
        column = self._found[quantity]
        if column.factor is None:
            units = " or ".join(_UNITS[quantity])
            raise UsageError(
                f"{self._path}: the column {column.name!r} does not say its unit; name it "
                f"{quantity}_{next(iter(_UNITS[quantity]))} (units: {units})"
            )
        value = self._number(cells[column.place])
        if value is None:
            raise UsageError(
                f"{where}: {cells[column.place]!r} is no number for the column {column.name!r}"
            )
        return value * column.factor

    def _time_s(self, cells: Sequence[str], where: str) -> float:
        column = self._found["time"]
        cell = cells[column.place]
        value = self._number(cell)
        if value is None:
            time_s = _seconds_of_date(cell, where)
        elif column.factor is not None:
            time_s = value * column.factor
        else:
            time_s = value / 1000 if value >= _MILLISECONDS_FROM else value
        if not EARLIEST_S <= time_s <= LATEST_S:
            raise UsageError(
                f"{where}: the time {cell} does not say which day it was, so that it cannot be "
                "matched with the run; export times as RFC 3339, or in seconds or milliseconds "
                "since 1970, not since the recording began"
            )
        return time_s

    def _number(self, cell: str) -> float | None:
        if self._decimal_comma and "." not in cell:
            cell = cell.replace(",", ".")
        if not _NUMBER.fullmatch(cell):
            return None
        value = float(cell)
        return value if math.isfinite(value) else None

    def _missing(self, what: str) -> UsageError:
        names = ", ".join(column.name for column in self._found.values())
        return UsageError(
            f"{self._path}: its first line names no column of {what}"
            f"{f' (found: {names})' if names else ''}; make it begin like time,power_w"
        )


def _quantity_of(name: str) -> tuple[str, float | None]:
    """Return what a column holds, and its unit's factor; "" for nothing that is needed."""
    plain = name.lower()
    if plain in _SPELT_OUT:
        return _SPELT_OUT[plain]
    found = _WITH_UNIT.fullmatch(plain)
    base, unit = (found[1] or found[3], found[2] or found[4]) if found else ("", "")
    for quantity, words in _QUANTITIES.items():
        if _spaced(base) in words and unit in _UNITS[quantity]:
            return quantity, _UNITS[quantity][unit]
        if _spaced(plain) in words:
            return quantity, None
    return "", None


def _spaced(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name)


def _seconds_of_date(cell: str, where: str) -> float:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise UsageError(
            f"{where}: {cell!r} is no time; write it as in RFC 3339 (2026-11-23T12:00:00.5Z), or "
            "in seconds since 1970"
        ) from None
    if moment.tzinfo is None:
        raise UsageError(
            f"{where}: the time {cell} does not say its offset from UTC; append Z or, for example, "
            "+01:00"
        )
    return moment.timestamp()


def _check_order(readings: Sequence[tuple[float, float]], where: str) -> None:
    if len(readings) > 1 and readings[-1][0] <= readings[-2][0]:
        raise UsageError(
            f"{where}: the time {date_of(readings[-1][0])} is not after the one before, "
            f"{date_of(readings[-2][0])}; sort the lines, and remove those of another recording"
        )


def date_of(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339, UTC."""
    moment = datetime.fromtimestamp(min(max(seconds, EARLIEST_S), LATEST_S), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
