"""A sheet to draw on: SVG that stands in a page and takes its colours from the style sheet.

Nothing that a stranger may have named is drawn: a mark is, and the name takes its place in the
finished SVG, so that no font, no layout and no mathematical notation depends on it.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from edge_recog.markup import Markup, escape, shortened, tag
from edge_recog_benchmarks.report.markup import SERIES
from edge_recog_benchmarks.report.texts import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from matplotlib.axes import Axes

STAGES = 6
"""Colours that it has for stages."""
INK, FAINT, GRID, WARM = "#0100a1", "#0200a1", "#0300a1", "#0400a1"
"""Stand for the style sheet's `--ink`, `--faint`, `--grid` and `--warm`."""

_VARIABLES = {INK: "ink", FAINT: "faint", GRID: "grid", WARM: "warm"}
_VARIABLES |= {f"#c0{index:02x}a1": f"c{index}" for index in range(SERIES)}
_VARIABLES |= {f"#d0{index:02x}a1": f"s{index}" for index in range(STAGES)}
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": FAINT,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}
_LEGEND_LENGTH = 16
_CLEANING = [
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</defs>", ""),
        # Identifiers that nothing refers to, and that recur in the page's other drawings.
        (r' id="[a-zA-Z0-9.]+_\d+"', ""),
        # Fonts are the page's; one size for all.
        (r"font: 700[^;\"]*", "font-weight: 600"),
        (r"font-size:[^;\"]*; font-family:[^;\"]*; ", ""),
        (r' transform="rotate\(-?0 [^"]*"', ""),
        (r"(\d+\.\d\d)\d+", r"\1"),
        (r"\s*\n\s*", "\n"),
    )
]


def series(index: int) -> str:
    """Return what stands for the colour of a contestant."""
    return f"#c0{index % SERIES:02x}a1"


def stage(index: int) -> str:
    """Return what stands for the colour of a stage."""
    return f"#d0{index % STAGES:02x}a1"


class Sheet:
    """A drawing of fixed size in pixels; our settings hold while it is open."""

    def __init__(self, key: str, width: float, height: float) -> None:
        """Take an empty sheet; `key` keeps its parts apart from those of others in one page."""
        self.width, self.height = width, height
        self._key = key
        self._names: list[str] = []
        settings: Any = _SETTINGS | {"svg.hashsalt": key}
        self._settings = mpl.rc_context(settings)
        self._figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        self._figure.patch.set_visible(False)

    def __enter__(self) -> Sheet:
        self._settings.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._settings.__exit__(kind, error, trace)

    def axes(self, *, left: float, right: float, bottom: float, top: float, **more: Any) -> Axes:
        """Return axes that leave these margins, in pixels."""
        box = (
            left / self.width,
            bottom / self.height,
            (self.width - left - right) / self.width,
            (self.height - bottom - top) / self.height,
        )
        axes: Axes = self._figure.add_axes(box, **more)
        axes.patch.set_visible(False)
        return axes

    def text(self, x: float, y: float, text: str, **more: Any) -> None:
        """Write at a place in pixels from the lower left corner."""
        self._figure.text(x / self.width, y / self.height, text, **{"color": FAINT} | more)

    def name(self, axes: Axes, name: str, y: float, *, length: int, colour: str = INK) -> None:
        """Write a name at the left edge of the axes, at height `y` of the data."""
        mark = self._mark(name, length)
        axes.text(0, y, mark, transform=axes.get_yaxis_transform(), color=colour, weight="bold")

    def labels(self, axes: Axes, points: Sequence[tuple[str, float, float, str]]) -> None:
        """Write names, in their colours, beside points of the data, none over another."""
        self._figure.draw_without_rendering()
        taken: list[float] = []
        places = [axes.transData.transform((x, y)) for _, x, y, _ in points]
        for index in sorted(range(len(points)), key=lambda one: float(places[one][1])):
            name, _, _, colour = points[index]
            x, y = (float(value) for value in places[index])
            y += 4
            while taken and y - taken[-1] < 13:
                y += 1
            taken.append(y)
            left = x > self.width / 2
            side = {"ha": "right" if left else "left", "color": colour, "weight": "bold"}
            self.text(x + (-9 if left else 9), y, self._mark(name, 30), **side)

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        """Write names along the upper edge, each behind a square of its colour."""
        x = 12.0
        for name, colour in entries:
            box = (x / self.width, 1 - 20 / self.height, 10 / self.width, 10 / self.height)
            square = self._figure.add_axes(box)
            square.set_axis_off()
            square.barh(0, 1, height=1, color=colour)
            square.set_xlim(0, 1)
            square.set_ylim(-0.5, 0.5)
            self.text(x + 15, self.height - 19, self._mark(name, _LEGEND_LENGTH))
            x += 32 + 6.4 * min(len(name), _LEGEND_LENGTH)

    def svg(self, title: str, description: str) -> Markup:
        """Return the drawing, named and described for those who cannot see it."""
        file = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(self._figure).print_figure(file, format="svg", metadata=nothing)
        body = file.getvalue()
        body = body[body.index(">", body.index("<svg")) + 1 : body.rindex("</svg>")]
        for pattern, replacement in _CLEANING:
            body = pattern.sub(replacement, body)
        for colour, variable in _VARIABLES.items():
            body = body.replace(colour, f"var(--{variable})")
        body = re.sub(r"@name(\d+)@", lambda mark: escape(self._names[int(mark[1])]), body)
        return tag(
            "svg",
            tag("title", title),
            tag("desc", description),
            Markup(body),
            viewBox=f"0 0 {self.width:g} {self.height:g}",
            role="img",
        )

    def _mark(self, name: str, length: int) -> str:
        self._names.append(shortened(name, length))
        return f"@name{len(self._names) - 1}@"


def logarithmic(axes: Axes, *, vertical: bool = False) -> None:
    """Make an axis logarithmic, with plain numbers on it; set its limits before."""
    low, high = axes.get_ylim() if vertical else axes.get_xlim()
    (axes.set_yscale if vertical else axes.set_xscale)("log")
    (axes.set_ylim if vertical else axes.set_xlim)(low, high)
    axis = axes.yaxis if vertical else axes.xaxis
    if high / low > 3:
        steps = (1.0, 2.0, 5.0) if high / low > 12 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        axis.set_major_locator(LogLocator(10, subs=steps, numticks=12))
    else:
        axis.set_major_locator(MaxNLocator(5))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axes.grid(axis="y" if vertical else "x")


def few_ticks(axes: Axes) -> None:
    """Leave at most three intervals on the vertical axis."""
    axes.yaxis.set_major_locator(MaxNLocator(3))
