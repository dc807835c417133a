"""A sheet to draw on: SVG that stands in a page and takes its colours from the style sheet.

Only texts of ours are drawn, never a name that a stranger may have given.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from edge_recog.markup import Markup, joined, tag
from edge_recog_converter.pages.placing import Box, Bubble, places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Colour = Literal["c0", "c1", "c2", "faint"]
"""Of the style sheet."""
Point = tuple[float, float]
WIDTH = 340.0
"""Pixels: what a phone shows at full size, and a desktop three times beside each other."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 44.0, 38.0
_RADIUS = 3.2
_CHARACTER = 6.3
"""Width of a letter at the size of font that the style sheet sets, on average."""


class Sheet:
    """A drawing with a horizontal and a vertical axis, both linear."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, height: float) -> None:
        """Take an empty sheet whose axes show these ranges; none is empty."""
        self._x, self._y, self._height = x, y, height
        self._parts: list[Markup] = []
        self._legend = 0.0

    def axes(
        self,
        *,
        below: str,
        above: str,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        text: Callable[[float], str],
        x_text: Callable[[float], str] = "{:.0f}".format,
    ) -> None:
        """Draw the grid, and what the axes mean: below for x, above for y.

        Args:
            below: Of x.
            above: Of y.
            x_ticks: Any values.
            y_ticks: Any values.
            text: What stands at a tick of y.
            x_text: What stands at a tick of x.
        """
        left, right, bottom = _LEFT, WIDTH - _RIGHT, self._height - _BOTTOM
        for value in y_ticks:
            y = self._at(self._x[0], value)[1]
            self._put("line", x1=left, x2=right, y1=y, y2=y, class_="grid")
            self._text(left - 6, y + 4, text(value), "end")
        for value in x_ticks:
            x = self._at(value, self._y[0])[0]
            self._put("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="grid")
            self._text(x, bottom + 17, x_text(value), "middle")
        self._text((left + right) / 2, self._height - 5, below, "middle")
        self._text(2, 12, above, "start")

    def line(self, points: Sequence[Point], colour: Colour, *, dashed: bool = False) -> None:
        """Draw a line through points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self._at(*point) for point in points))
        self._put("polyline", points=places, class_=f"line {colour}{' dashed' if dashed else ''}")

    def dots(
        self, points: Sequence[Point], colour: Colour, says: Sequence[str], *, hollow: bool = False
    ) -> None:
        """Draw a dot at each point, which says something to who points at it."""
        for point, said in zip(points, says, strict=True):
            self.bubble(point, colour, said, radius=_RADIUS, hollow=hollow)

    def bubble(
        self, point: Point, colour: Colour, said: str, *, radius: float, hollow: bool = False
    ) -> None:
        """Draw a dot of some size, in pixels, which says something to who points at it."""
        x, y = self._at(*point)
        kind = f"{'ring' if hollow else 'dot'} {colour}"
        title = tag("title", said)
        self._put("circle", title, cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius, class_=kind)

    def numbers(self, points: Sequence[Point], radii: Sequence[float]) -> None:
        """Write 1, 2, ... beside bubbles, where nothing stands if there is such a place."""
        free = Box(_LEFT - 6, 16.0, WIDTH - 2, self._height - _BOTTOM)
        bubbles = [
            Bubble(*self._at(*point), radius) for point, radius in zip(points, radii, strict=True)
        ]
        for number, (bubble, place) in enumerate(
            zip(bubbles, places(bubbles, free), strict=True), 1
        ):
            x, y = place.middle
            if place.led:
                away = bubble.radius / math.dist((x, y), bubble[:2])
                x1, y1 = bubble.x + away * (x - bubble.x), bubble.y + away * (y - bubble.y)
                self._put("line", x1=x1, y1=y1, x2=x, y2=y, class_="line lead")
            self._text(x, y + 4, str(number), "middle", "strong")

    def upright(self, x: float, said: str) -> None:
        """Draw an upright line, with what it means at its upper end."""
        place, top = self._at(x, self._y[1])
        self._put(
            "line", x1=place, x2=place, y1=top - 5, y2=self._height - _BOTTOM, class_="line mark"
        )
        half = _CHARACTER * len(said) / 2
        inside = min(max(place, _LEFT + half), WIDTH - _RIGHT - half)
        self._text(inside, top - 8, said, "middle", "strong")

    def legend(self, said: str, colour: Colour, *, dashed: bool, hollow: bool) -> None:
        """Say at the upper edge what a line means, after those that were said before."""
        width = _CHARACTER * len(said) + 36
        self._legend += width
        x = WIDTH - _RIGHT - self._legend + 4
        kind = f"line {colour}{' dashed' if dashed else ''}"
        self._put("line", x1=x, x2=x + 25, y1=8, y2=8, class_=kind)
        self._put(
            "circle", cx=x + 12.5, cy=8, r=3.2, class_=f"{'ring' if hollow else 'dot'} {colour}"
        )
        self._text(x + 30, 12, said, "start")

    def svg(self, title: str, description: str) -> Markup:
        """Return the drawing, named and described for those who cannot see it."""
        return tag(
            "svg",
            tag("title", title),
            tag("desc", description),
            joined(self._parts),
            viewBox=f"0 0 {WIDTH:g} {self._height:g}",
            role="img",
        )

    def _at(self, x: float, y: float) -> Point:
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return (
            _LEFT + across * (WIDTH - _LEFT - _RIGHT),
            self._height - _BOTTOM - up * (self._height - _TOP - _BOTTOM),
        )

    def _put(self, element: str, *content: object, **attributes: object) -> None:
        plain = {
            key: f"{value:.4g}" if isinstance(value, float) else value
            for key, value in attributes.items()
        }
        self._parts.append(tag(element, *content, **plain))

    def _text(self, x: float, y: float, text: str, anchor: str, kind: str = "faint") -> None:
        self._put("text", text, x=x, y=y, text_anchor=anchor, class_=kind)


def ticks(low: float, high: float, *, most: int = 5, whole: bool = False) -> list[float]:
    """Return round numbers from low to high, at most so many and one; only integers if whole."""
    least = (high - low) / most
    size = 10.0 ** math.floor(math.log10(least))
    steps = [factor * size for factor in (1, 2, 2.5, 5, 10)]
    step = next((one for one in steps if one >= least * (1 - 1e-9)), steps[-1])
    if whole:
        step = float(max(1, math.ceil(step)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def decimals(values: Sequence[float]) -> int:
    """Return how many decimals tell these values apart, as they are."""
    return next(
        (n for n in range(12) if all(abs(round(v, n) - v) < 1e-9 * max(1, v) for v in values)), 12
    )
