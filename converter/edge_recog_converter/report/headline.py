"""What the page says first: whether the model is good, in one sentence and a few figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, escape, joined, section, tag
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.texts import (
    DASH,
    megabytes,
    percent,
    significant,
)

if TYPE_CHECKING:
    from edge_recog_converter.report.document import ModelFigures, Report

ALLOWED_LOSS = 0.01
"""Of the float model's accuracy; MLPerf Inference asks a quantised model for 99 % of it."""
_Z = 1.959964
"""Quantile of the normal distribution that a 95 % interval needs."""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, 0-1; `count` is at least 1.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927), p. 209-212.
    """
    share, square = hits / count, _Z * _Z / count
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / count + square / count / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def verdict(report: Report) -> Markup:
    """Return how right the INT8 model is, and what it lost against the float one."""
    before, after = (main_score(report, model) for model in report.models)
    name = score_name(report)
    if before is None or after is None:
        said = tag("p", tag("strong", f"No {name}: "), "no test picture has a label.")
        return tag("div", said, class_="verdict warning")
    if report.data.task == "single-label":
        hits, count = right(report, report.models[1])
        low, high = wilson(hits, count)
        lead = f"Right on {percent(after)} % of {count:,} test pictures"
        rest = f" as INT8 (95 % interval {percent(low)} to {percent(high)} %)."
    else:
        lead = f"{name} {percent(after)} %"
        rest = f" as INT8 on {report.data.pictures.get('test', 0):,} test pictures."
    much = before - after > ALLOWED_LOSS * before
    return tag(
        "div",
        tag("p", tag("strong", lead), rest),
        tag("p", f"Float: {percent(before)} %. {_lost(before - after, much=much)}"),
        class_=f"verdict {'warning' if much else 'open'}",
    )


def _lost(difference: float, *, much: bool) -> str:
    if difference <= 0:
        return "Quantisation lost nothing."
    lost = f"Quantisation lost {percent(difference)} points"
    if much:
        return f"{lost}: more than the 1 % of the float score that it may lose."
    return f"{lost}, within the 1 % of the float score that it may lose."


def glance(report: Report) -> Markup:
    """Return the few figures that decide, and all of both models beside each other."""
    return section("glance", "At a glance", _tiles(report), _both(report))


def score_name(report: Report) -> str:
    """Return what the task's main score is called."""
    return "Top-1" if report.data.task == "single-label" else "Mean average precision"


def main_score(report: Report, model: ModelFigures) -> float | None:
    """Return the score that counts for the task, 0-1."""
    return model.top1 if report.data.task == "single-label" else model.mean_average_precision


def right(report: Report, model: ModelFigures) -> tuple[int, int]:
    """Return on how many test pictures a single-label model is right, and how many there are."""
    count = report.data.pictures.get("test", 0)
    if model.confusion is not None:
        count = sum(map(sum, model.confusion))
    return round((model.top1 or 0.0) * count), max(1, count)


def _tiles(report: Report) -> Markup:
    float_, int8 = report.models
    parity, flips = report.parity, len(report.parity.flips)
    before, after = int8.uncalibrated, int8.calibrated
    tiles = [
        ("Macro F1", _share(int8.macro_f1), f"float {_share(float_.macro_f1)}"),
        (
            "INT8 says what float says",
            _share(parity.agreement),
            f"{flips:,} differ" if flips else "none differs",
        ),
        ("File", megabytes(int8.size_bytes), f"float {megabytes(float_.size_bytes)}"),
        (
            "Time of a run, median",
            f"{significant(int8.invoke_ms[0])} ms",
            f"float {significant(float_.invoke_ms[0])} ms, here",
        ),
        (
            "Calibration error",
            _share(after.expected_calibration_error),
            f"{_share(before.expected_calibration_error)} before scaling",
        ),
    ]
    return tag(
        "dl",
        *(
            tag("div", tag("dt", term), tag("dd", value), tag("dd", note, class_="faint"))
            for term, value, note in tiles
        ),
        class_="tiles",
    )


def _both(report: Report) -> Markup:
    columns = [_figures(report, model) for model in reversed(report.models)]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    caption = "Each model as it ships, on the test split"
    parity = report.parity
    about = (
        f"Both say the same of {_share(parity.agreement)} of the pictures; no score differs by "
        f"more than {significant(parity.largest_difference)}. Scores are logits divided by a "
        f"temperature of {significant(report.temperature)}, which was fitted on validation."
    )
    return joined(
        [table(["", "INT8", "float"], rows, caption=caption), tag("p", about), _others(report)]
    )


def _others(report: Report) -> Markup:
    """Return the further kinds of files; nothing if there are none."""
    if not report.others:
        return NOTHING
    rows = [
        [
            other.kind,
            percent(other.score),
            percent(other.agreement),
            f"{significant(other.invoke_ms[0])} ms",
            megabytes(other.size_bytes),
        ]
        for other in report.others
    ]
    score = f"{score_name(report).lower()}, %"
    columns = ["kind", score, "says what float says, %", "time of a run, median", "file"]
    return table(columns, rows, caption="Further kinds of files, on the test split")


def _figures(report: Report, model: ModelFigures) -> dict[str, object]:
    """Return texts by name; the same names for both models."""
    figures: dict[str, object] = {}
    if report.data.task == "single-label":
        hits, count = right(report, model)
        low, high = wilson(hits, count)
        interval = f"{percent(low)} to {percent(high)} %"
        figures["Top-1"] = _cell(_share(model.top1), f"95 % interval {interval}")
        figures["Right"] = f"{hits:,} of {count:,}"
    else:
        figures["Mean average precision"] = _share(model.mean_average_precision)
        figures["Micro F1"] = _share(model.micro_f1)
    figures["Macro F1"] = _share(model.macro_f1)
    before, after = model.uncalibrated, model.calibrated
    figures["Calibration error"] = _cell(
        _share(after.expected_calibration_error),
        f"{_share(before.expected_calibration_error)} before scaling",
    )
    figures["Negative log-likelihood"] = _cell(
        significant(after.negative_log_likelihood),
        f"{significant(before.negative_log_likelihood)} before scaling",
    )
    median, ninth = map(significant, model.invoke_ms)
    figures["File"] = megabytes(model.size_bytes)
    figures["Time of a run"] = _cell(f"{median} ms", f"nine of ten within {ninth} ms")
    return figures


def _cell(text: str, note: str) -> Markup:
    return joined([escape(text), tag("small", note)])


def _share(share: float | None) -> str:
    return DASH if share is None else f"{percent(share)} %"
