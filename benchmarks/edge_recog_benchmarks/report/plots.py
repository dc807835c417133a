"""The report's drawings: from plain numbers to SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_benchmarks.report.drawing import (
    FAINT,
    GRID,
    INK,
    WARM,
    Sheet,
    few_ticks,
    logarithmic,
    series,
    stage,
)
from edge_recog_benchmarks.report.texts import plain, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_recog.markup import Markup

    Floats = NDArray[np.float64]

_WIDTH = 420
"""Pixels: a desktop shows two beside each other, a phone one, at three quarters of its size."""
_WIDE = 900
_TAIL = 2.0
"""What takes longer than this many times the slowest p99 is counted, not drawn."""
_BINS = 90
MOST_LABELS = 5
"""Names beside points; more would hide each other, and need a legend."""
_MOST_POINTS = 400
"""Of one line over time; more are merged."""
STAGES = ("decode", "preprocess", "invoke", "postprocess", "rest")
"""Each has its colour in every report; others follow."""
_DASHED = (0, (4, 3))


@dataclass(frozen=True)
class Distribution:
    """Latencies of one contestant."""

    name: str
    colour: int
    """Which contestant it is, from 0: its colour."""
    samples_ms: Floats
    """At least one, all above 0."""
    p50_ms: float
    p90_ms: float
    p99_ms: float | None


@dataclass(frozen=True)
class Stack:
    """How a contestant's time is divided."""

    name: str
    stages_ms: Mapping[str, float]


@dataclass(frozen=True)
class Point:
    """A contestant between accuracy and latency."""

    name: str
    colour: int
    latency_ms: float
    accuracy: tuple[float, float, float]
    """Estimate, low and high, 0-1."""


@dataclass(frozen=True)
class Track:
    """Bursts of one contestant over time; at least one."""

    name: str
    colour: int
    spans_s: Floats
    """(bursts, 2): start and end, in order."""
    medians_ms: Floats


@dataclass(frozen=True)
class Climate:
    """The machine over time; empty where it does not tell."""

    temperature: Sequence[tuple[float, float]]
    """Seconds and degrees Celsius."""
    frequency: Sequence[tuple[float, float]]
    """Seconds and megahertz, of the slowest core."""
    throttled: Sequence[tuple[float, float]]
    """Seconds from and to, while it was throttled."""


@dataclass(frozen=True)
class Reliability:
    """How often a contestant is right where it says that it is this sure."""

    name: str
    colour: int
    bins: Sequence[tuple[float, float, int]]
    """Mean score and accuracy, 0-1, and number of pictures; none is empty."""


def plot_distributions(rows: Sequence[Distribution], *, key: str = "") -> Markup:
    """Draw a histogram of each contestant's latencies over one logarithmic axis."""
    high = _TAIL * max(row.p99_ms or row.p90_ms for row in rows)
    high = 1.03 * min(high, max(float(row.samples_ms.max()) for row in rows))
    low = 0.97 * min(float(row.samples_ms.min()) for row in rows)
    edges = np.geomspace(low, high, _BINS + 1)
    with Sheet(f"{key}distributions", _WIDTH, 52 * len(rows) + 46) as sheet:
        axes = sheet.axes(left=12, right=16, bottom=40, top=6)
        axes.set_xlim(low, high)
        logarithmic(axes)
        for index, row in enumerate(rows):
            base, colour = -index, series(row.colour)
            counts, _ = np.histogram(row.samples_ms, edges)
            heights = base + 0.6 * counts / max(1, counts.max())
            axes.stairs(heights, edges, baseline=base, fill=True, color=colour, alpha=0.5)
            axes.hlines(base, low, high, color=GRID, linewidth=0.7)
            slow = np.sort(row.samples_ms[row.samples_ms > (row.p99_ms or row.p90_ms)])
            rug = slow[slow <= high][-60:]
            axes.vlines(rug, base - 0.05, base + 0.05, color=colour, linewidth=1)
            for value, height in ((row.p50_ms, 0.6), (row.p90_ms, 0.22), (row.p99_ms, 0.22)):
                if value is not None:
                    axes.vlines(value, base, base + height, color=INK, linewidth=1.3)
            sheet.name(axes, row.name, base + 0.7, length=34)
            beyond = int((slow > high).sum())
            far = f", {beyond} more up to {plain(slow[-1])} ms" if beyond else ""
            right = axes.get_yaxis_transform()
            note = f"{significant(row.p50_ms)} ms{far}"
            axes.text(1, base + 0.7, note, transform=right, ha="right", color=FAINT)
        axes.set_ylim(0.9 - len(rows), 1.0)
        axes.set_yticks([])
        axes.set_xlabel("ms, end to end (logarithmic)")
        said = "; ".join(f"{row.name}: median {significant(row.p50_ms)} ms" for row in rows)
        return sheet.svg("Distribution of latencies", said)


def plot_stages(rows: Sequence[Stack], *, key: str = "") -> Markup:
    """Draw each contestant's mean time as a bar of stages."""
    found = dict.fromkeys(one for row in rows for one in row.stages_ms)
    known = [*STAGES, *(one for one in found if one not in STAGES)]
    colours = {one: stage(index) for index, one in enumerate(known)}
    with Sheet(f"{key}stages", _WIDTH, 44 * len(rows) + 76) as sheet:
        axes = sheet.axes(left=12, right=16, bottom=40, top=32)
        for index, row in enumerate(rows):
            left = 0.0
            for one, value in row.stages_ms.items():
                axes.barh(-index, value, left=left, height=0.36, color=colours[one])
                left += value
            sheet.name(axes, row.name, 0.28 - index, length=46)
            right = axes.get_yaxis_transform()
            total = f"{significant(left)} ms"
            axes.text(1, 0.28 - index, total, transform=right, ha="right", color=FAINT)
        axes.set_xlim(0, 1.04 * max(sum(row.stages_ms.values()) for row in rows))
        axes.set_ylim(0.72 - len(rows), 0.64)
        axes.set_yticks([])
        axes.grid(axis="x")
        axes.set_xlabel("ms, mean")
        sheet.legend([(one, colours[one]) for one in known if one in found])
        said = "; ".join(
            f"{row.name}: "
            + ", ".join(f"{one} {significant(value)} ms" for one, value in row.stages_ms.items())
            for row in rows
        )
        return sheet.svg("Mean time of each stage", said)


def plot_pareto(points: Sequence[Point], *, key: str = "") -> Markup:
    """Draw accuracy over latency, and join the points that none beats in both.

    Up to `MOST_LABELS` are named.
    """
    latencies = [point.latency_ms for point in points]
    low, high = (
        100 * pick(point.accuracy[end] for point in points) for pick, end in ((min, 1), (max, 2))
    )
    with Sheet(f"{key}pareto", _WIDTH, 320) as sheet:
        axes = sheet.axes(left=46, right=16, bottom=40, top=28)
        if max(latencies) > 4 * min(latencies):
            axes.set_xlim(min(latencies) / 1.4, max(latencies) * 1.4)
            logarithmic(axes)
        else:
            axes.set_xlim(0, 1.15 * max(latencies))
        margin = 0.08 * (high - low) + 0.2
        axes.set_ylim(max(0.0, low - margin), min(100.5, high + margin))
        axes.grid(visible=True)
        best = sorted(unbeaten(points), key=lambda point: point.latency_ms)
        x, y = ([p.latency_ms for p in best], [100 * p.accuracy[0] for p in best])
        axes.step(x, y, where="post", color=FAINT, linewidth=1, linestyle=_DASHED)
        for point in points:
            colour = series(point.colour)
            estimate, least, most = (100 * value for value in point.accuracy)
            axes.vlines(point.latency_ms, least, most, color=colour, linewidth=1.6, alpha=0.6)
            axes.plot(point.latency_ms, estimate, "o", color=colour, markersize=7)
        axes.set_xlabel("ms, median end to end")
        sheet.text(4, sheet.height - 14, "% right")
        if len(points) <= MOST_LABELS:
            sheet.labels(
                axes,
                [
                    (point.name, point.latency_ms, 100 * point.accuracy[0], series(point.colour))
                    for point in points
                ],
            )
        said = "; ".join(
            f"{point.name}: {100 * point.accuracy[0]:.1f} % in {significant(point.latency_ms)} ms"
            for point in points
        )
        return sheet.svg("Accuracy against latency", said)


def unbeaten(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other matches in one of latency and accuracy and beats in both."""

    def beats(one: Point, other: Point) -> bool:
        mine, yours = ((p.latency_ms, -p.accuracy[0]) for p in (one, other))
        return mine != yours and mine[0] <= yours[0] and mine[1] <= yours[1]

    return [point for point in points if not any(beats(other, point) for other in points)]


def plot_timeline(tracks: Sequence[Track], climate: Climate, *, key: str = "") -> Markup:
    """Draw the median of every burst over time, and the machine's state below it."""
    panels = [
        (label, np.array(values, np.float64))
        for label, values in (("°C", climate.temperature), ("MHz", climate.frequency))
        if values
    ]
    medians = np.concatenate([track.medians_ms for track in tracks])
    long = max(float(track.spans_s.max()) for track in tracks) > 300
    scale = 60.0 if long else 1.0
    height = 260 + 84 * len(panels)
    with Sheet(f"{key}timeline", _WIDE, height) as sheet:
        foot = 40 + 84 * len(panels)
        top = sheet.axes(left=52, right=16, bottom=foot, top=24)
        if medians.max() > 3 * medians.min():
            top.set_ylim(medians.min() / 1.15, medians.max() * 1.15)
            logarithmic(top, vertical=True)
        else:
            top.set_ylim(0.0, 1.1 * medians.max())
        for track in tracks:
            spans, values = _merged(track.spans_s / scale, track.medians_ms)
            x = np.insert(spans, 2, np.nan, axis=1).ravel()
            y = np.repeat(values, 3)
            top.plot(x, y, color=series(track.colour), linewidth=2.6, solid_capstyle="round")
        sheet.text(4, height - 14, "ms, median of each burst")
        drawn = [top]
        for index, (label, values) in enumerate(panels):
            bottom = foot - 84 * (index + 1)
            panel = sheet.axes(
                left=52, right=16, bottom=bottom, top=height - bottom - 60, sharex=top
            )
            x, y = _thinned(values / np.array([scale, 1.0])).T
            panel.plot(x, y, color=WARM, linewidth=1.5)
            spread = max(float(np.ptp(y)), 0.05 * float(y.max()), 1.0)
            panel.set_ylim(float(y.min()) - 0.2 * spread, float(y.max()) + 0.2 * spread)
            few_ticks(panel)
            sheet.text(4, bottom + 66, label)
            drawn.append(panel)
        for panel in drawn:
            panel.grid(axis="y")
            panel.tick_params(labelbottom=panel is drawn[-1])
            for start, end in climate.throttled:
                panel.axvspan(start / scale, end / scale, color=WARM, alpha=0.2, linewidth=0)
        top.margins(x=0.01)
        drawn[-1].set_xlabel(f"{'minutes' if long else 'seconds'} since the run began")
        said = "Median latency of every burst" + "".join(f", {label}" for label, _ in panels)
        return sheet.svg("The run over time", said + (", throttled" if climate.throttled else ""))


def plot_reliability(curves: Sequence[Reliability], *, key: str = "") -> Markup:
    """Draw accuracy over score; on the diagonal a score is what it says."""
    with Sheet(f"{key}reliability", _WIDTH, 320) as sheet:
        axes = sheet.axes(left=46, right=16, bottom=40, top=28)
        axes.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle=_DASHED)
        for curve in curves:
            colour = series(curve.colour)
            scores, right, counts = np.array(curve.bins, np.float64).T
            sizes = 4 + 110 * counts / counts.max()
            axes.plot(100 * scores, 100 * right, color=colour, linewidth=1, alpha=0.6)
            axes.scatter(100 * scores, 100 * right, s=sizes, color=colour, alpha=0.7)
        axes.set_xlim(0, 102)
        axes.set_ylim(0, 103)
        axes.grid(visible=True)
        axes.set_xlabel("score of the best label, %")
        sheet.text(4, sheet.height - 14, "% right")
        said = "; ".join(
            f"{curve.name}: "
            + ", ".join(f"{100 * y:.0f} % right at {100 * x:.0f} %" for x, y, _ in curve.bins)
            for curve in curves
        )
        return sheet.svg("Reliability of the scores", said)


def _merged(spans: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return at most `_MOST_POINTS` spans, each with the median of the values it has swallowed."""
    groups = np.array_split(np.arange(len(values)), min(len(values), _MOST_POINTS))
    joined = np.array([(spans[group[0], 0], spans[group[-1], 1]) for group in groups])
    return joined, np.array([np.median(values[group]) for group in groups])


def _thinned(points: Floats) -> Floats:
    """Return at most `_MOST_POINTS` of (points, 2), each the mean of its neighbours."""
    groups = np.array_split(points, min(len(points), _MOST_POINTS))
    return np.array([group.mean(axis=0) for group in groups])
