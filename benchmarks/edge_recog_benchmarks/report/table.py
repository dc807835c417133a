"""Results as rows for programs and spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from edge_recog_benchmarks.figures import END_TO_END
from edge_recog_benchmarks.report.digest import digest
from edge_recog_benchmarks.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_benchmarks.report.digest import Digest
    from edge_recog_benchmarks.results import ContestantResult, Result

STAGES = ("decode", "preprocess", "invoke", "postprocess")
COLUMNS = (
    *("created", "device", "board", "scenario", "valid", "complete", "contestant", "failed"),
    *("model_file", "model_id", "runner", "threads", "runtime", "generations", "samples"),
    *("p50_ms", "p50_low_ms", "p50_high_ms", "p90_ms", "p90_early_stopping_ms"),
    *("p99_ms", "p99_early_stopping_ms", "mean_ms", "min_ms"),
    *(f"{stage}_p50_ms" for stage in STAGES),
    *("pictures_per_s", "dropped_share", "first_10s_p50_ms", "last_quarter_p50_ms"),
    *("load_ms", "first_answer_ms", "peak_rss_mb", "steady_rss_mb", "size_mb", "energy_mj"),
    *("pictures", "top1", "top1_low", "top1_high", "top5", "map", "calibration_error"),
)
"""Of `csv_table`. MB are 10^6 bytes, shares are 0-1, times of day RFC 3339."""

_LATENCIES = (
    *("samples", "p50_ms", "p90_ms", "p90_early_stopping_ms", "p99_ms"),
    *("p99_early_stopping_ms", "mean_ms", "min_ms"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_table(results: Sequence[Result]) -> str:
    """Return a row for each contestant of each result, as RFC 4180 has it; empty: not measured.

    Text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for result in results:
        about = digest(result)
        for one in result.contestants:
            row = _row(about, one)
            writer.writerow([_text(row.get(column)) for column in COLUMNS])
    return file.getvalue()


def _row(about: Digest, one: ContestantResult) -> Mapping[str, object]:
    result, figures = about.result, about.figures[one.name]
    row: dict[str, object] = {
        "created": result.created,
        "device": result.device,
        "board": result.system.board,
        "scenario": result.plan.scenario,
        "valid": result.valid,
        "complete": result.complete,
        "contestant": one.name,
        "failed": one.failed.reason if one.failed else None,
        "model_file": one.model.file,
        "model_id": one.model.id,
        "runner": one.contestant.runner,
        "threads": one.contestant.threads,
        "runtime": one.runtime,
        "generations": figures.generations,
        "pictures_per_s": figures.throughput,
        "dropped_share": figures.dropped_share,
        "load_ms": figures.load_ms,
        "first_answer_ms": figures.first_answer_ms,
        "peak_rss_mb": figures.peak_rss_mb,
        "steady_rss_mb": figures.steady_rss_mb,
        "size_mb": figures.size_mb,
        "energy_mj": figures.energy_mj,
    }
    for stage in STAGES:
        if stage in figures.stages:
            row[f"{stage}_p50_ms"] = figures.stages[stage].p50_ms
    total = figures.stages.get(END_TO_END)
    if total is not None:
        row |= {field: getattr(total, field) for field in _LATENCIES}
        if total.p50_ms.bounded:
            row |= {"p50_low_ms": total.p50_ms.low, "p50_high_ms": total.p50_ms.high}
    if figures.sustained is not None:
        row["first_10s_p50_ms"] = figures.sustained.first_p50_ms
        row["last_quarter_p50_ms"] = figures.sustained.last_p50_ms
    right = about.accuracies.get(one.name)
    if right is not None:
        row |= {"pictures": right.count, "top1": right.top1, "top5": right.top5}
        row |= {"map": right.mean_average_precision, "calibration_error": right.calibration_error}
        if right.top1 is not None:
            row |= {"top1_low": right.top1.low, "top1_high": right.top1.high}
    return row


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Interval):
        value = value.estimate
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value).encode(errors="replace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
