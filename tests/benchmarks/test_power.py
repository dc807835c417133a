"""Energy of a picture."""

from __future__ import annotations

import contextlib
import math
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_benchmarks.device.events import SystemSample
from edge_recog_benchmarks.power import (
    PowerTrace,
    energy_per_picture,
    rapl_energy_per_picture,
    read_meter,
    with_energy,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_recog_benchmarks.results import ContestantResult, Result

    Read = Callable[[str], PowerTrace]

SECOND = 10**9
EPOCH_S = 1_795_478_400.0
"""2026-11-24T00:00:00Z: the run begins."""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return what reads a text as a meter's file."""

    def parse(text: str) -> PowerTrace:
        path = tmp_path / "meter.csv"
        path.write_text(text, encoding="utf-8")
        return read_meter(path)

    return parse


@pytest.fixture
def contestant(make_result: Callable[..., Result]) -> ContestantResult:
    """Return one with a burst of 10 pictures at 0-1 s and one at 100-101 s."""
    result = make_result({"one": [[[100.0] * 10], [[100.0] * 10]]})
    return result.contestants[0]


def history(*at_s: float, **changes: Any) -> tuple[SystemSample, ...]:
    return tuple(
        SystemSample(**{"at_ns": int(s * SECOND), "wall_clock_s": EPOCH_S + s, **changes})
        for s in at_s
    )


def trace(power: Callable[[float], float], *, period_s: float = 0.1, end_s: float = 120.0) -> Any:
    """Return a recording of a power that is a function of seconds since the run began."""
    times = np.arange(-10.0, end_s, period_s)
    return PowerTrace("meter.csv", EPOCH_S + times, np.array([power(time) for time in times]))


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "time,power_w\n1795478400,2.5\n1795478400.5,3\n",
            "\ufefftime,power_w\r\n1795478400,2.5\r\n1795478400.5,3\r\n",
            "\n\ntime,power_w\n\n1795478400,2.5\n,\n1795478400.5,3\n\n",
            "Timestamp;Power (mW)\n1795478400000;2500\n1795478400500;3000\n",
            "Zeile;time_ms;P[W]\n1;1795478400000;2,5\n2;1795478400500;3,0\n",
            "Unix Time\tWatts\n1795478400\t2,5\n1795478400,5\t3\n",
            "time (s),Voltage(V),Current(A)\n1795478400,5,0.5\n1795478400.5,5,.6\n",
            "timestamp,voltage_mV,current_mA,power_w\n1795478400,0,0,2.5\n1795478400.5,0,0,3e0\n",
            "T;V;mA\n1795478400;5;500\n1795478400,5;5;600\n",
            "timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws\n"
            "1795478400.000 0 5.00000 0.50000 1.184 1.031 30.500 0.000000\n"
            "1795478400.500 1 5.00000 0.60000 1.184 1.033 30.500 0.000000\n",
            "date,power_w\n2026-11-24T00:00:00Z,2.5\n2026-11-24T01:00:00.500+01:00,3\n",
            'date time,"power, all of it",W\n"2026-11-24 00:00:00Z",9,2.5\n'
            '"2026-11-24 00:00:00.5Z",9,3\n',
        ],
        ids=[
            "plain",
            "byte-order mark",
            "empty lines",
            "semicolons and milliwatts",
            "decimal commas",
            "tabs",
            "voltage and current",
            "power counts more",
            "units as names",
            "FNIRSI logger",
            "RFC 3339",
            "quotes",
        ],
    )
    def test_columns_are_found_by_their_names(self, read: Read, text: str) -> None:
        trace = read(text)

        assert trace.times_s.tolist() == [EPOCH_S, EPOCH_S + 0.5]
        assert trace.power_w.tolist() == pytest.approx([2.5, 3.0], rel=1e-12)
        assert trace.period_s == 0.5

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "names no column of the time"),
            ("\n \n", "names no column of the time"),
            ("1795478400,2.5\n1795478401,2.5\n", "names no column of the time"),
            ("power_w\n1\n2\n", "names no column of the time"),
            ("time\n1795478400\n", "no column of power in W, or of voltage and current"),
            ("time,voltage_v\n1795478400,5\n", r"\(found: time, voltage_v\)"),
            ("time,power\n1795478400,5\n", "'power' does not say its unit; name it power_w"),
            ("time,V,current\n1795478400,5,1\n", "'current' does not say its unit"),
            ("Date,Time,power_w\n", "both 'Date' and 'Time' could be the time"),
            ("time,W,power_mw\n", "both 'W' and 'power_mw' could be the power"),
            ("time,power_w\n0,5\n1,5\n", "line 2: the time 0 does not say which day"),
            ("time_ms,power_w\n1795478400,5\n", "line 2: the time 1795478400 does not say which"),
            ("time_s,power_w\n1795478400000,5\n", "does not say which day it was"),
            ("time,power_w\n1999-12-31T23:59:59Z,5\n", "does not say which day it was"),
            ("time,power_w\n2026-11-24T00:00:00,5\n", "does not say its offset from UTC"),
            ("time,power_w\n24.11.2026 00:00:00,5\n", "is no time; write it as in RFC 3339"),
            ("time,power_w\n,5\n", "line 2: '' is no time"),
            ("time,power_w\n1795478400,\n", "line 2: '' is no number for the column 'power_w'"),
            ("time,power_w\n1795478400,5W\n", "'5W' is no number"),
            ("time,power_w\n1795478400,nan\n", "'nan' is no number"),
            ("time,power_w\n1795478400,1e999\n", "'1e999' is no number"),
            ("time;power_w\n1795478400;1.234,5\n", "'1.234,5' is no number"),
            ("time,power_w\n1795478400,2,5\n", "line 2: 3 columns, but the first line names 2"),
            ("time,power_w\n1795478400,5\n17954784", "line 3: 1 columns"),
            ("time,power_w\n1795478400,-5\n", "line 2: -5 W cannot be"),
            ("time,V,A\n1795478400,1e200,1e200\n", "inf W cannot be"),
            ("time,power_w\n1795478400,5\n1795478400,5\n", "line 3: the time .* is not after"),
            ("time,power_w\n1795478401,5\n1795478400,5\n", "sort the lines"),
            ("time,power_w\n1795478400,5\n", "fewer than two readings"),
            (f'time,power_w\n"{"x" * 200_000}",5\n', "not a CSV file: field larger"),
        ],
    )
    def test_what_is_no_recording_is_refused(self, read: Read, text: str, message: str) -> None:
        with pytest.raises(UsageError, match=message) as error:
            read(text)
        assert "meter.csv" in str(error.value)

    def test_another_encoding_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "meter.csv"
        path.write_text("time,power_w\n", encoding="utf-16")

        with pytest.raises(UsageError, match="not a CSV file in UTF-8"):
            read_meter(path)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"nowhere\.csv: cannot be read: No such file"):
            read_meter(tmp_path / "nowhere.csv")


@settings(derandomize=True, deadline=None)
@given(
    readings=st.lists(
        st.tuples(st.integers(1_000_000_000_000, 3_000_000_000_000), st.integers(0, 10**7)),
        min_size=2,
        max_size=20,
        unique_by=lambda reading: reading[0],
    ).map(sorted),
    separator=st.sampled_from([",", ";", "\t"]),
    clock=st.sampled_from(["ms", "s", "rfc3339"]),
    comma=st.booleans(),
)
def test_readings_come_back_however_they_are_written(
    readings: Sequence[tuple[int, int]], separator: str, clock: str, comma: bool
) -> None:
    def write_time(ms: int) -> str:
        if clock == "ms":
            return str(ms)
        if clock == "s":
            return f"{ms // 1000}.{ms % 1000:03d}"
        return datetime.fromtimestamp(ms // 1000, UTC).strftime(f"%FT%T.{ms % 1000:03d}Z")

    lines = [separator.join(["time", "power_mw"])]
    for ms, microwatts in readings:
        milliwatts = f"{microwatts // 1000}.{microwatts % 1000:03d}"
        if comma and separator != ",":
            milliwatts = milliwatts.replace(".", ",")
        lines.append(separator.join([write_time(ms), milliwatts]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meter.csv"
        path.write_text("\n".join(lines))
        trace = read_meter(path)

    assert trace.times_s.tolist() == pytest.approx([ms / 1e3 for ms, _ in readings], abs=1e-6)
    assert trace.power_w.tolist() == pytest.approx([uw / 1e6 for _, uw in readings], rel=1e-12)


_CELLS = st.sampled_from(
    ["1795478400", "1795478401", "2.5", "2,5", "", "x", "-1", "2026-11-24", "1e400", '"', "\0", "é"]
)
_HEADS = st.sampled_from(["time", "power_w", "V", "mA", "power", "Time (ms)", "note", "", "t", "i"])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(_HEADS, max_size=4),
    st.lists(st.lists(_CELLS, max_size=4), max_size=4),
    st.sampled_from([",", ";", "\t", " "]),
    st.binary(max_size=20),
)
def test_whatever_a_file_holds_it_is_read_or_refused(
    heads: list[str], lines: list[list[str]], separator: str, tail: bytes
) -> None:
    text = "\n".join(separator.join(cells) for cells in [heads, *lines])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meter.csv"
        path.write_bytes(text.encode() + tail)
        with contextlib.suppress(UsageError):
            trace = read_meter(path)
            assert (np.diff(trace.times_s) > 0).all()
            assert (trace.power_w >= 0).all()


class TestIntegral:
    @settings(derandomize=True)
    @given(
        slope=st.floats(0, 10),
        start=st.floats(0, 50),
        length=st.floats(0.01, 40),
        times=st.lists(st.floats(0.1, 99.9), max_size=30, unique=True),
    )
    def test_that_of_a_line_is_exact_wherever_the_readings_are(
        self, slope: float, start: float, length: float, times: list[float]
    ) -> None:
        moments = np.array(sorted([0.0, *times, 100.0]))
        assume((np.diff(moments) > 1e-5).all())
        ramp = PowerTrace("", EPOCH_S + moments, 1 + slope * moments)
        end = start + length
        expected = (end - start) + slope * (end**2 - start**2) / 2

        assert ramp.energy_j(EPOCH_S + start, EPOCH_S + end) == pytest.approx(
            expected, rel=1e-5, abs=1e-4
        )

    def test_that_of_a_wave_is_near(self) -> None:
        wave = trace(lambda time: 5 + math.sin(time), period_s=0.01)
        expected = 5 * (7.7 - 1.3) - math.cos(7.7) + math.cos(1.3)

        assert wave.energy_j(EPOCH_S + 1.3, EPOCH_S + 7.7) == pytest.approx(expected, rel=1e-5)

    @settings(derandomize=True)
    @given(st.lists(st.floats(0, 9.99), min_size=3, max_size=3).map(sorted))
    def test_parts_add_up(self, cuts: list[float]) -> None:
        jagged = trace(lambda time: 3 + (round(time * 10) % 3), end_s=11)
        first, middle, last = (EPOCH_S + cut for cut in cuts)
        parts = jagged.energy_j(first, middle) + jagged.energy_j(middle, last)

        assert parts == pytest.approx(jagged.energy_j(first, last), abs=1e-5)

    @pytest.mark.parametrize(
        ("start", "end", "gap"),
        [
            (0.1, 0.2, 1.0),
            (0.0, 1.0, 1.0),
            (0.5, 1.5, 4.0),
            (5.0, 6.0, 1.0),
            (4.9, 5.1, 4.0),
            (-0.1, 1.0, math.inf),
            (5.0, 6.1, math.inf),
        ],
    )
    def test_the_longest_gap_is_of_all_that_reach_in(
        self, start: float, end: float, gap: float
    ) -> None:
        readings = PowerTrace("", EPOCH_S + np.array([0.0, 1.0, 5.0, 6.0]), np.ones(4))

        assert readings.longest_gap_s(EPOCH_S + start, EPOCH_S + end) == gap


class TestMeter:
    def test_only_bursts_count(self, contestant: ContestantResult) -> None:
        def power(time: float) -> float:
            return 6.0 if -0.15 < time < 1.15 or 99.85 < time < 101.15 else 2.0

        energy = energy_per_picture(trace(power), contestant, history(0, 102))

        assert energy == pytest.approx(6.0 * 2 / 20)

    def test_the_devices_clock_is_followed_between_two_looks(
        self, contestant: ContestantResult
    ) -> None:
        """Its date and time run ahead by 0.1 s in 200 s, as while being synchronised."""
        looks = (
            SystemSample(at_ns=0, wall_clock_s=EPOCH_S),
            SystemSample(at_ns=200 * SECOND, wall_clock_s=EPOCH_S + 200.1),
        )
        energy = energy_per_picture(trace(lambda time: 1 + time), contestant, looks)
        second = 1 + (100.05 + 101.0505) / 2

        assert energy == pytest.approx((1.5 + second * 1.0005 - 0.00025) / 20, rel=1e-4)

    def test_a_single_look_tells_date_and_time_for_all(self, contestant: ContestantResult) -> None:
        energy = energy_per_picture(trace(lambda time: 4.0), contestant, history(50))

        assert energy == pytest.approx(4.0 * 2 / 20)

    def test_no_picture_has_no_energy(self, contestant: ContestantResult) -> None:
        idle = msgspec.structs.replace(contestant, bursts=())

        assert energy_per_picture(trace(lambda time: 4.0), idle, history(0)) is None

    def test_a_meter_too_slow_for_the_bursts_is_refused_with_what_to_change(
        self, contestant: ContestantResult
    ) -> None:
        slow = trace(lambda time: 4.0, period_s=1.0)

        with pytest.raises(
            UsageError,
            match=r"a reading every 1 s, but a model was measured for 1 s at a time; measure again "
            r"with --burst-seconds 2\.4",
        ):
            energy_per_picture(slow, contestant, history(0, 102))

    def test_a_meter_just_quick_enough_is_taken(self, contestant: ContestantResult) -> None:
        quick = trace(lambda time: 4.0, period_s=0.5)

        assert energy_per_picture(quick, contestant, history(0, 102)) == pytest.approx(0.4)

    def test_a_gap_in_a_burst_is_refused(self, contestant: ContestantResult) -> None:
        whole = trace(lambda time: 4.0)
        kept = (whole.times_s < EPOCH_S + 99.5) | (whole.times_s > EPOCH_S + 102.5)
        gappy = PowerTrace("meter.csv", whole.times_s[kept], whole.power_w[kept])

        with pytest.raises(UsageError, match=r"no reading for 3.* at 2026-11-24T00:01:40"):
            energy_per_picture(gappy, contestant, history(0, 102))

    def test_a_gap_between_bursts_does_no_harm(self, contestant: ContestantResult) -> None:
        whole = trace(lambda time: 4.0)
        kept = (whole.times_s < EPOCH_S + 2) | (whole.times_s > EPOCH_S + 99)
        gappy = PowerTrace("meter.csv", whole.times_s[kept], whole.power_w[kept])

        assert energy_per_picture(gappy, contestant, history(0, 102)) == pytest.approx(0.4)

    def test_a_recording_of_another_time_is_refused(self, contestant: ContestantResult) -> None:
        early = trace(lambda time: 4.0, end_s=100.5)

        with pytest.raises(
            UsageError, match=r"recorded from 2026-11-23T23:59:50.* but one was measured at"
        ):
            energy_per_picture(early, contestant, history(0, 102))

    @pytest.mark.parametrize(
        "looks",
        [(), (SystemSample(at_ns=0),), (SystemSample(at_ns=0, wall_clock_s=17.0),)],
        ids=["no look", "untold", "1970"],
    )
    def test_a_device_that_knows_no_date_is_refused(
        self, contestant: ContestantResult, looks: tuple[SystemSample, ...]
    ) -> None:
        with pytest.raises(UsageError, match="did not know date and time"):
            energy_per_picture(trace(lambda time: 4.0), contestant, looks)

    def test_a_clock_that_was_set_meanwhile_is_refused(self, contestant: ContestantResult) -> None:
        looks = (*history(0, 50), SystemSample(at_ns=51 * SECOND, wall_clock_s=EPOCH_S + 48.0))

        with pytest.raises(UsageError, match=re.escape("set by -3 s meanwhile")):
            energy_per_picture(trace(lambda time: 4.0), contestant, looks)


class TestRapl:
    def counted(self, *looks: tuple[float, int | None]) -> tuple[SystemSample, ...]:
        return tuple(
            SystemSample(at_ns=int(at_s * SECOND), energy_uj=energy) for at_s, energy in looks
        )

    def test_bursts_that_looks_enclose_count(self, contestant: ContestantResult) -> None:
        looks = self.counted((0, 0), (1.02, 5_000_000), (99.98, 400_000_000), (101, 409_000_000))

        assert rapl_energy_per_picture(contestant, looks) == pytest.approx((5 + 9) / 20)

    def test_a_burst_that_is_not_closely_enclosed_does_not_count(
        self, contestant: ContestantResult
    ) -> None:
        looks = self.counted((0, 0), (1.02, 5_000_000), (99.5, 400_000_000), (101, 409_000_000))

        assert rapl_energy_per_picture(contestant, looks) == pytest.approx(5 / 10)

    @pytest.mark.parametrize(
        "looks",
        [
            (),
            ((0, None), (1, None)),
            ((0.5, 0), (1, 1)),
            ((0, 0), (0.5, 1)),
            ((0, 0), (200, 1)),
        ],
        ids=["none", "untold", "from within", "to within", "around everything"],
    )
    def test_without_such_a_burst_there_is_none(
        self, contestant: ContestantResult, looks: tuple[tuple[float, int | None], ...]
    ) -> None:
        assert rapl_energy_per_picture(contestant, self.counted(*looks)) is None


class TestResult:
    def test_a_meters_recording_gives_every_contestant_its_energy(
        self, make_result: Callable[..., Result]
    ) -> None:
        result = make_result(
            {"one": [[[100.0] * 10]], "two": [[[200.0] * 10]]}, history=history(0, 5)
        )
        measured = with_energy(result, trace(lambda time: 4.0))

        assert [one.energy_j for one in measured.contestants] == pytest.approx([0.4, 0.8])
        assert measured.by_name["two"].energy_j == pytest.approx(0.8)

    def test_without_a_meter_the_processors_counter_is_used(
        self, make_result: Callable[..., Result]
    ) -> None:
        looks = tuple(
            SystemSample(at_ns=at_s * SECOND, energy_uj=at_s * 3_000_000) for at_s in (0, 1)
        )
        measured = with_energy(make_result({"one": [[[100.0] * 10]]}, history=looks))

        assert measured.contestants[0].energy_j == pytest.approx(0.3)

    def test_where_nothing_tells_energy_there_is_none(
        self, make_result: Callable[..., Result]
    ) -> None:
        measured = with_energy(make_result({"one": [[[100.0] * 10]]}))

        assert measured.contestants[0].energy_j is None
