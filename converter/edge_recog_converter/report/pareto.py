"""The page's section on what the networks on the way cost, and how good each is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_recog.markup import NOTHING, Markup, joined, name, section, tag
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
_MOST_TICKS = 7
"""Of a logarithmic axis; where there would be more, only powers of 10 have one."""
_LARGEST = 11.0
"""Radius of the largest file's bubble, in pixels; areas are as the files' sizes."""
_SMALLEST = 3.0
_FULL = 100.5
"""Per cent; a bubble at 100 % still has room."""


def smaller(report: Report) -> Markup:
    """Return the networks in one picture and one table; nothing if there are none."""
    points = report.points
    if not points:
        return NOTHING
    score = score_name(report)
    best = front(points)
    picture = drawing(_plot(points, best, score), _caption(score))
    return section(
        "points",
        "Smaller and faster",
        tag("p", _said(points, score)),
        tag("div", picture, class_="scatter"),
        _table(points, best, score),
    )


def front(points: Sequence[Point]) -> set[int]:
    """Return the indices of the points that are Pareto-optimal in score and time.

    Those are the ones for which no other point is at least as good in both and better in one; of
    points that are alike in both, all or none.
    """
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
            f"There is one network: its INT8 file runs in {significant(first.invoke_ms)} ms, with "
            f"{percent(first.score)} % {score.lower()} on validation."
        )
    return (
        f"From the first network to the last, the time of a run went from "
        f"{significant(first.invoke_ms)} ms to {significant(last.invoke_ms)} ms "
        f"({significant(last.speed_up)} times as fast), the file from "
        f"{megabytes(first.size_bytes)} to {megabytes(last.size_bytes)}, and {score.lower()} on "
        f"validation from {percent(first.score)} % to {percent(last.score)} %."
    )


def _caption(score: str) -> Markup:
    parts: list[list[object]] = [
        [f"{score} of each network on validation, against the median time that its INT8 file takes "
         "for a run on this machine with one thread. Up and to the left is better."],
        [_symbol(filled=True), " Pareto-optimal: no other network is better without being slower, "
         "or faster without being worse."],
        [_symbol(filled=False), " Another network is at least as good and as fast, and better in "
         "one of the two."],
        ["The area of a dot is the size of the file. The numbers, and the line, follow the order "
         "in which the networks were made; the table has their names."],
    ]  # fmt: skip
    return joined(tag("p", *part) for part in parts)


def _symbol(*, filled: bool) -> Markup:
    shape = "\N{BLACK CIRCLE}" if filled else "\N{WHITE CIRCLE}"
    return tag("span", shape, class_="symbol", aria_hidden="true")


def _plot(points: Sequence[Point], best: set[int], score: str) -> Markup:
    times = [point.invoke_ms for point in points]
    logarithmic = max(times) > _LOG_FROM * min(times)
    across = [math.log10(one) if logarithmic else one for one in times]
    up = [100 * point.score for point in points]
    x, (low, high) = _around(across), _around(up)
    y = (low, min(high, _FULL))
    x_ticks = _log_ticks(x) if logarithmic else ticks(*x)
    y_ticks = [mark for mark in ticks(*y) if 0 <= mark <= 100]
    x_places, y_places = decimals(x_ticks), decimals(y_ticks)
    sheet = Sheet(x, y, height=_HEIGHT)
    sheet.axes(
        below="ms a run" + (", logarithmic" if logarithmic else ""),
        above=f"{score} on validation, %",
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        text=lambda value: f"{value:.{y_places}f}",
        x_text=lambda value: f"{10**value:,.6g}" if logarithmic else f"{value:,.{x_places}f}",
    )
    at_point = list(zip(across, up, strict=True))
    sheet.line(at_point, "faint", dashed=True)
    largest = max(point.size_bytes for point in points)
    radii = [
        max(_SMALLEST, _LARGEST * math.sqrt(point.size_bytes / largest)) if largest else _SMALLEST
        for point in points
    ]
    # Larger ones first, so that none hides a smaller one.
    for at in sorted(range(len(points)), key=lambda one: -radii[one]):
        point = points[at]
        told = f"{at + 1}: {percent(point.score)} %, {significant(point.invoke_ms)} ms"
        sheet.bubble(at_point[at], "c0", told, radius=radii[at], hollow=at not in best)
    sheet.numbers(at_point, radii)
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
    """Return logarithms of 1, 2 and 5 times powers of 10, or of those alone if they are many."""
    powers = range(math.floor(x[0]), math.ceil(x[1]) + 1)
    for digits in ((1, 2, 5), (1,)):
        marks = [math.log10(digit) + power for power in powers for digit in digits]
        shown = [mark for mark in marks if x[0] <= mark <= x[1]]
        if len(shown) <= _MOST_TICKS:
            break
    return shown


def _table(points: Sequence[Point], best: set[int], score: str) -> Markup:
    rows = [
        [
            joined([f"{at + 1}\N{NO-BREAK SPACE}", name(point.name)]),
            percent(point.score),
            f"{significant(point.invoke_ms)} ms",
            significant(point.speed_up),
            megabytes(point.size_bytes),
            f"{significant(point.macs / 1e6)} M",
            f"{point.parameters:,}",
            joined([_symbol(filled=at in best), " yes" if at in best else " no"]),
        ]
        for at, point in enumerate(points)
    ]
    return table(
        ["network", _words(f"{score.lower()}, %"), "time of a run", "times as fast", "file",
         "multiply-accumulates", "parameters", "Pareto-optimal"],
        rows,
        caption="Networks in the order they were made; times as fast as the first, timed "
        "alternately with it; multiply-accumulates for one picture, in millions",
        kinds=["t", "n", "n", "n", "n", "n", "n", "t"],
    )  # fmt: skip


def _words(text: str) -> Markup:
    """Return text that is broken between words only, not at a hyphen."""
    return joined((tag("span", word, class_="keyed") for word in text.split()), " ")
