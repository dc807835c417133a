"""Scores of the last moments: exponential smoothing that does not care how often frames come."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORGOTTEN: Final = 1e-4
"""A label that is absent and whose score has sunk below this is dropped."""


class Smoother:
    """Exponential smoothing over time, label by label.

    What is older by one half-life counts half as much. A score is taken to have held since the
    frame before, so uneven intervals do no harm ("next-point" weights of Eckner, *Algorithms for
    Unevenly Spaced Time Series: Moving Averages and Other Rolling Operators*, 2012).
    """

    def __init__(self, *, half_life_s: float = 0.3) -> None:
        """Begin without a past.

        Args:
            half_life_s: After which a score counts half; 0 for no smoothing.

        Raises:
            ValueError: It is negative or not finite.
        """
        if not (math.isfinite(half_life_s) and half_life_s >= 0):
            raise ValueError(f"half_life_s is {half_life_s}; it must be 0 or a positive number")
        self._half_life_ns = half_life_s * 1e9
        self._smoothed: dict[str, float] = {}
        self._last_ns: int | None = None

    def update(self, scores: Mapping[str, float], at_ns: int) -> dict[str, float]:
        """Take the scores of a frame in; return the smoothed ones, 0-1.

        The first frame's are taken as they are.

        Args:
            scores: Label → score, 0-1; a label that is absent counts as 0.
            at_ns: The frame's capture, monotonic, not before the last one's. A frame of the same
                instant as the last one has no duration and so no weight.
        """
        weight = self._weight(at_ns)
        self._last_ns = at_ns
        before = self._smoothed
        after: dict[str, float] = {}
        for label in before.keys() | scores.keys():
            old, new = before.get(label, 0.0), scores.get(label, 0.0)
            value = min(max(old + weight * (new - old), 0.0), 1.0)
            if label in scores or value >= _FORGOTTEN:
                after[label] = value
        self._smoothed = after
        return dict(after)

    def reset(self) -> None:
        """Forget the past: the next frame's scores are taken as they are."""
        self._smoothed = {}
        self._last_ns = None

    def _weight(self, at_ns: int) -> float:
        """Return how much a new score counts, 0-1."""
        if self._last_ns is None or self._half_life_ns == 0:
            return 1.0
        passed_ns = max(at_ns - self._last_ns, 0)
        # 1 - 0.5 ** (passed / half-life), exact for small ones too.
        return -math.expm1(-math.log(2) * passed_ns / self._half_life_ns)
