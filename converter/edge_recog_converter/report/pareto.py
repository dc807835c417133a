"""The page's section on what the networks on the way cost, and how good each is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, name, section, tag
from edge_recog_converter.pages.drawing import Sheet, decimals, ticks
from edge_recog_converter.pages.markup import drawing
from edge_recog_converter.pages.tables import table
from edge_recog_converter.pages.texts import megabytes, percent, significant
from edge_recog_converter.report.headline import score_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_converter.report.document import Point, Report

_HEIGHT = 330.0
_LOG_FROM = 4.0
"""Ratio of the slowest to the fastest from which latency is drawn on a logarithmic axis."""
_LARGEST = 11.0
"""Radius of the largest file's bubble, in pixels; areas are as the files' sizes."""
_SMALLEST = 3.0
_FULL = 100.5
"""Per cent; a bubble at 100 % still has room."""


def smaller(report: Report) -> Markup:
    """Return the networks in one picture and one table; nothing if none was made smaller."""
    points = report.points
    if not points:
        return NOTHING
    score = score_name(report)
    best = front(points)
    about = (
        f"Each network as an INT8 file: {score.lower()} on validation against the time of a run "
        "here with one thread, timed alternately with the first. A filled dot is one that no other "
        "beats in both; its area is the size of the file."
    )
    return section(
        "points",
        "Smaller and faster",
        tag("p", _said(points, score)),
        tag("div", drawing(_plot(points, best, score), about), class_="drawings"),
        _table(points, best, score),
    )


def front(points: Sequence[Point]) -> set[int]:
    """Return the numbers of the points that no other one beats in score or time without losing."""
    return {
        at for at, point in enumerate(points) if not any(_beats(other, point) for other in points)
    }


def _beats(one: Point, other: Point) -> bool:
    as_good = one.score >= other.score and one.invoke_ms <= other.invoke_ms
    return as_good and (one.score > other.score or one.invoke_ms < other.invoke_ms)


def _said(points: Sequence[Point], score: str) -> str:
    first, last = points[0], points[-1]
    if len(points) == 1:
        return (
            f"There is one network: it runs in {significant(first.invoke_ms)} ms, with "
            f"{percent(first.score)} % {score.lower()} on validation."
        )
    lost = percent(abs(first.score - last.score))
    more = "less" if first.score > last.score else "more"
    change = "as much" if lost == "0.0" else f"{lost} points {more}"
    return (
        f"The last network runs {significant(last.speed_up)} times as fast as the first, in "
        f"{significant(last.invoke_ms)} ms, with {change} {score.lower()} on validation and "
        f"{percent(last.size_bytes / first.size_bytes, 0)} % of the file."
    )


def _plot(points: Sequence[Point], best: set[int], score: str) -> Markup:
    times = [point.invoke_ms for point in points]
    logarithmic = max(times) > _LOG_FROM * min(times)
    across = [math.log10(one) if logarithmic else one for one in times]
    up = [100 * point.score for point in points]
    x, (low, high) = _around(across), _around(up)
    y = (low, min(high, _FULL))
    sheet = Sheet(x, y, height=_HEIGHT)
    y_ticks = ticks(*y)
    places = decimals(y_ticks)
    x_ticks = _log_ticks(x) if logarithmic else ticks(*x)
    sheet.axes(
        below="ms a run" + (", logarithmic" if logarithmic else ""),
        above=f"{score} on validation, %",
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        text=lambda value: f"{value:.{places}f}",
        x_text=lambda value: f"{10**value if logarithmic else value:.3g}",
    )
    places_of = list(zip(across, up, strict=True))
    sheet.line(places_of, "faint", dashed=True)
    largest = max(point.size_bytes for point in points)
    for at, (point, place) in enumerate(zip(points, places_of, strict=True)):
        radius = max(_SMALLEST, _LARGEST * math.sqrt(point.size_bytes / largest))
        told = f"{at + 1}: {percent(point.score)} %, {significant(point.invoke_ms)} ms"
        sheet.bubble(place, "c0", told, radius=radius, hollow=at not in best)
        sheet.beside(place, str(at + 1), away=radius + 4)
    told = "; ".join(
        f"{at}: {percent(point.score)} % in {significant(point.invoke_ms)} ms"
        for at, point in enumerate(points, 1)
    )
    return sheet.svg(f"{score} against time", f"In the order they were made: {told}")


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Return a range with room around the values, and never empty."""
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _log_ticks(x: tuple[float, float]) -> list[float]:
    """Return logarithms of 1, 2 and 5 times powers of 10."""
    powers = range(math.floor(x[0]), math.ceil(x[1]) + 1)
    marks = [math.log10(digit) + power for power in powers for digit in (1, 2, 5)]
    return [mark for mark in marks if x[0] <= mark <= x[1]]


def _table(points: Sequence[Point], best: set[int], score: str) -> Markup:
    rows = [
        [
            tag("span", f"{at + 1} ", name(point.name)),
            percent(point.score),
            f"{significant(point.invoke_ms)} ms",
            significant(point.speed_up),
            megabytes(point.size_bytes),
            f"{point.macs / 1e6:,.1f} M",
            f"{point.parameters:,}",
            "yes" if at in best else "no",
        ]
        for at, point in enumerate(points)
    ]
    return table(
        ["network", f"{score.lower()}, %", "time", "times as fast", "file",
         "multiply-accumulates", "parameters", "beaten by none"],
        rows,
        caption="Networks on the way, as INT8 files, on validation",
    )  # fmt: skip
