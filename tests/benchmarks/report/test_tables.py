"""Results as CSV and Markdown, and the files that reports are written to."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks.report import csv_table, markdown, write_report
from edge_recog_benchmarks.report.table import COLUMNS

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_benchmarks.results import Result

    MakeResult = Callable[..., Result]

FAST = [[[10.0, 10.1, 10.2]] * 4] * 5


def test_csv_has_a_row_for_each_contestant_and_ends_lines_as_rfc_4180(two: Result) -> None:
    text = csv_table([two, two])
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [row["contestant"] for row in rows] == ["net-float", "net-int8"] * 2
    assert text.count("\r\n") == 5
    assert text.count("\n") == 5
    assert tuple(rows[0]) == COLUMNS
    assert float(rows[0]["p50_ms"]) == pytest.approx(20.1)
    assert float(rows[0]["invoke_p50_ms"]) == pytest.approx(0.65 * 20.1, rel=1e-4)


def test_columns_stay_what_programs_know() -> None:
    assert COLUMNS[:7] == (
        *("created", "device", "board", "scenario", "valid", "complete", "contestant"),
    )
    assert {"p50_ms", "p90_early_stopping_ms", "size_mb", "energy_mj", "top1"} < set(COLUMNS)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_name_becomes_a_formula(make_result: MakeResult, name: str) -> None:
    row = next(csv.DictReader(io.StringIO(csv_table([make_result({name: FAST})]), newline="")))
    assert row["contestant"] == f"'{name}"


def test_a_name_cannot_leave_its_cell_in_markdown(make_result: MakeResult) -> None:
    text = markdown([make_result({"a | b\n# c <img src=x> [d](e)": FAST})])
    line = next(line for line in text.splitlines() if line.startswith("| a"))
    assert line.startswith(r"| a \| b \# c &lt;img src=x\> \[d\]\(e\) |")
    assert "\n# c" not in text


@pytest.mark.parametrize("ending", ["html", "md", "csv"])
def test_the_ending_of_the_path_says_what_is_written(
    two: Result, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "sub" / f"bench.{ending}"
    assert write_report([two], path, force=False) == [path]
    assert path.stat().st_size > 500


def test_a_folder_gets_all_formats(two: Result, tmp_path: Path) -> None:
    written = write_report([two], tmp_path / "report", force=False)
    assert [path.name for path in written] == ["report.html", "report.md", "report.csv"]
    assert all(path.is_file() for path in written)


def test_nothing_is_written_where_one_file_exists(two: Result, tmp_path: Path) -> None:
    (tmp_path / "report.csv").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_report([two], tmp_path, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]
    assert len(write_report([two], tmp_path, force=True)) == 3


@pytest.mark.parametrize(
    ("count", "name", "said"),
    [(1, "report.pdf", "ends in .html, .md or .csv"), (0, "report.md", "no result")],
    ids=["unknown format", "nothing to report"],
)
def test_what_cannot_be_reported_is_refused(
    two: Result, tmp_path: Path, count: int, name: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        write_report([two] * count, tmp_path / name, force=False)


def test_an_undecodable_file_name_is_written_all_the_same(
    make_result: MakeResult, tmp_path: Path
) -> None:
    result = make_result({"net \udcff": FAST})
    for path in write_report([result], tmp_path, force=False):
        assert "net ?" in path.read_text(encoding="utf-8")


def test_text_formats_load_no_drawing_library() -> None:
    code = (
        "import sys, edge_recog_benchmarks.report\n"
        "assert 'matplotlib' not in sys.modules and 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
