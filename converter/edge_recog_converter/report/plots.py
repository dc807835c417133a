"""The page's drawings: from figures of the document to SVG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from edge_recog_converter.pages.drawing import Sheet, decimals, ticks
from edge_recog_converter.pages.texts import MINUS, percent, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.markup import Markup
    from edge_recog_converter.pages.drawing import Colour, Point
    from edge_recog_converter.report.document import Bin, Calibration, Stage

_CURVE_HEIGHT = 230.0
_SQUARE_HEIGHT = 330.0
_MOST_DOTS = 60
"""Of one line; more would hide it."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class _Curve(NamedTuple):
    """One line over epochs; `said` is empty where the drawing has only one."""

    said: str
    values: Sequence[float]
    colour: Colour
    second: bool
    """Dashed and with hollow dots, so that it can be told from the first without its colour."""


def plot_loss(stage: Stage) -> Markup:
    """Draw the loss in training and on validation, by epoch."""
    curves = [
        _Curve("training", [epoch.loss for epoch in stage.epochs], "c0", second=False),
        _Curve("validation", [epoch.validation_loss for epoch in stage.epochs], "c1", second=True),
    ]
    return _curves(stage, "Loss", curves)


def plot_score(stage: Stage, name: str) -> Markup:
    """Draw the score on validation, by epoch, under the name that its task gives it."""
    values = [100 * epoch.score for epoch in stage.epochs]
    return _curves(stage, f"{name} on validation, %", [_Curve("", values, "c1", second=True)])


def plot_rate(stage: Stage) -> Markup:
    """Draw the learning rate, by epoch."""
    values = [epoch.rate for epoch in stage.epochs]
    most = max((value for value in values if math.isfinite(value)), default=0.0)
    power = min(0, math.floor(math.log10(most))) if most > 0 else 0
    scaled = [value / 10.0**power for value in values]
    unit = f", 10{str(power).translate(_SUPERSCRIPT)}" if power else ""
    curve = _Curve("", scaled, "c2", second=False)
    return _curves(stage, f"Learning rate{unit}", [curve], from_zero=True)


def plot_reliability(model: str, before: Calibration, after: Calibration) -> Markup:
    """Draw how often a model is right over how sure it is, before and after scaling."""
    bins = [*before.bins, *after.bins]
    least = min((min(one.confidence, one.accuracy) for one in bins), default=0.0)
    low = 10.0 * math.floor(10 * min(least, 0.89))
    sheet = Sheet((low, 101.0), (low, 101.0), height=_SQUARE_HEIGHT)
    marks = ticks(low, 100.0, whole=True)
    sheet.axes(
        below="score, %", above="right, %", x_ticks=marks, y_ticks=marks, text=lambda v: f"{v:.0f}"
    )
    sheet.line([(low, low), (100.0, 100.0)], "faint", dashed=True)
    both: tuple[tuple[str, Sequence[Bin], Colour, bool], ...] = (
        ("after", after.bins, "c0", False),
        ("before", before.bins, "c1", True),
    )
    for said, those, colour, second in reversed(both):
        points = [(100 * one.confidence, 100 * one.accuracy) for one in those]
        sheet.line(points, colour, dashed=second)
        sheet.dots(points, colour, [f"{said}: {_bin(one)}" for one in those], hollow=second)
    for said, _, colour, second in both:
        sheet.legend(said, colour, dashed=second, hollow=second)
    told = "; ".join(f"{said}: {', '.join(map(_bin, those))}" for said, those, *_ in both)
    return sheet.svg(f"Reliability of {model}'s scores", told)


def _curves(
    stage: Stage, title: str, curves: Sequence[_Curve], *, from_zero: bool = False
) -> Markup:
    numbers = [epoch.number for epoch in stage.epochs]
    values = [value for curve in curves for value in curve.values if math.isfinite(value)]
    bottom, top = _range(values, from_zero=from_zero)
    first, last = numbers[0], max(numbers[-1], numbers[0] + 1)
    sheet = Sheet((first - 0.02 * (last - first), last), (bottom, top), height=_CURVE_HEIGHT)
    marks = ticks(bottom, top)
    places = decimals(marks)
    sheet.axes(
        below="epoch",
        above=title,
        x_ticks=[one for one in ticks(first, last, whole=True) if one <= numbers[-1]],
        y_ticks=marks,
        text=lambda value: f"{value:,.{places}f}".replace("-", MINUS),
    )
    if stage.best in numbers:
        sheet.upright(stage.best, f"best: {stage.best}")
    for curve in curves:
        points: list[Point] = [
            (number, value)
            for number, value in zip(numbers, curve.values, strict=True)
            if math.isfinite(value)
        ]
        sheet.line(points, curve.colour, dashed=curve.second)
        if len(points) <= _MOST_DOTS:
            says = [f"epoch {number:.0f}: {significant(value)}" for number, value in points]
            sheet.dots(points, curve.colour, says, hollow=curve.second)
    for curve in reversed(curves):
        if curve.said:
            sheet.legend(curve.said, curve.colour, dashed=curve.second, hollow=curve.second)
    told = "; ".join(
        f"{curve.said} from {significant(curve.values[0])} to {significant(curve.values[-1])}"
        for curve in curves
    )
    return sheet.svg(
        title, f"{told.strip()} in {len(numbers)} epochs; the best is epoch {stage.best}"
    )


def _range(values: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    """Return a range that leaves a little room around the values, and is never empty."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if from_zero:
        return 0.0, 1.08 * high if high > 0 else 1.0
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _bin(one: Bin) -> str:
    right, score = percent(one.accuracy), percent(one.confidence)
    return f"{right} % of {one.count:,} right at {score} %"
