"""Where numbers stand beside the bubbles of a drawing, so that each can be read."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHARACTER, _LINE = 7.0, 11.0
"""Width of a digit and height of a number beside a bubble, in pixels."""
_GAP = 3.0
"""Pixels between a bubble and its number."""
_APART = 3.0
"""Pixels between two numbers, so that they are not read as one."""
_RINGS = 5
"""Distances from a bubble at which a place for its number is looked for."""
_TURNS = (0, -45, 45, -90, 90, -135, 135, 180, -22, 22, -68, 68, -112, 112, -158, 158)
"""Directions in which it is looked for, in degrees below the right; the best one first."""


class Bubble(NamedTuple):
    """A circle of the picture, in pixels."""

    x: float
    y: float
    radius: float


class Box(NamedTuple):
    """What a number takes up, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


class Place(NamedTuple):
    """Where the number of a bubble stands."""

    box: Box
    led: bool
    """Whether it is so far from its bubble that a line has to lead there."""

    @property
    def middle(self) -> tuple[float, float]:
        """Across and down."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


def places(bubbles: Sequence[Bubble], free: Box) -> list[Place]:
    """Return where the numbers 1, 2, ... of bubbles stand.

    Of the places around a bubble each number takes, one after the other, the one that covers the
    least of what is there: first of the numbers that are placed already, then of the bubbles and of
    the line that joins them. None is outside of what is `free`.
    """
    taken: list[Place] = []
    for number, bubble in enumerate(bubbles, 1):
        tried = _around_bubble(bubble, len(str(number)), free)
        best = next(tried)
        least = _cost(best, bubble, bubbles, taken)
        for place in tried:
            if least == 0:
                break
            cost = _cost(place, bubble, bubbles, taken)
            if cost < least:
                best, least = place, cost
        taken.append(best)
    return taken


def _cost(place: Place, of: Bubble, bubbles: Sequence[Bubble], taken: Sequence[Place]) -> float:
    """Return how bad it is to write a number there, 0 or more."""
    line = pairwise(bubble[:2] for bubble in bubbles)
    on_numbers = sum(_common(place.box, other.box) for other in taken)
    on_bubbles = sum(_covered(place.box, bubble) for bubble in bubbles)
    on_line = sum(_crosses(place.box, *piece) for piece in line)
    led_over = place.led and sum(_crosses(one.box, of[:2], place.middle) for one in taken)
    return 1000 * on_numbers + 50 * led_over + 10 * on_bubbles + 4 * on_line


def _around_bubble(bubble: Bubble, characters: int, free: Box) -> Iterator[Place]:
    """Yield places for a number of so many digits, the nearest ones first."""
    wide, high = _CHARACTER * characters / 2, _LINE / 2
    for ring in range(_RINGS):
        for turn in _TURNS:
            across, down = math.cos(math.radians(turn)), math.sin(math.radians(turn))
            # From its middle to its edge in that direction, so that the gap is the same in all.
            edge = min(wide / max(abs(across), 1e-9), high / max(abs(down), 1e-9))
            away = bubble.radius + _GAP + edge + 1.3 * _LINE * ring
            x = min(max(bubble.x + away * across, free.left + wide), free.right - wide)
            y = min(max(bubble.y + away * down, free.top + high), free.bottom - high)
            yield Place(Box(x - wide, y - high, x + wide, y + high), led=ring > 0)


def _common(one: Box, other: Box) -> float:
    """Return the area that two numbers share, in square pixels, or where they stand too close."""
    wide = min(one.right, other.right) - max(one.left, other.left) + _APART
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    return wide * high if wide > 0 and high > 0 else 0.0


def _covered(box: Box, bubble: Bubble) -> float:
    """Return how many pixels a box reaches into a bubble; 0 if they are apart."""
    x = min(max(bubble.x, box.left), box.right)
    y = min(max(bubble.y, box.top), box.bottom)
    return max(0.0, bubble.radius - math.dist((x, y), bubble[:2]))


def _crosses(box: Box, start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Return whether a straight line goes through a box.

    Y.-D. Liang and B. A. Barsky, ACM Transactions on Graphics 3 (1984), p. 1-22.
    """
    enter, leave = 0.0, 1.0
    for origin, way, low, high in (
        (start[0], end[0] - start[0], box.left, box.right),
        (start[1], end[1] - start[1], box.top, box.bottom),
    ):
        if way == 0:
            if not low <= origin <= high:
                return False
            continue
        first, second = sorted(((low - origin) / way, (high - origin) / way))
        enter, leave = max(enter, first), min(leave, second)
    return enter <= leave
