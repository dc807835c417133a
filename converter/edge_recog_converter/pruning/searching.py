"""The search for the share of channels whose latency, which is measured, is within a limit.

Each measurement takes seconds, so there are few. That latency is measured at all is NetAdapt's
point (Yang et al. 2018, https://arxiv.org/abs/1804.03230): multiply-accumulates mispredict it, but
between two measured networks they say well which one to try next.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_recog_converter.pruning.budgets import edge

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE: Final = 0.03
"""A network that is less than this share faster than asked for is as large as it can be."""
MEASUREMENTS: Final = 6
_OFFSET: Final = 0.2
"""Share of a network's latency that is there without any multiply-accumulates; a first guess, of
EfficientNet-Lite0 at 128x128."""


@dataclass(frozen=True, slots=True)
class Found:
    """The share of channels that meets a latency."""

    share: float
    """0-1."""
    headroom: float
    """How many times faster than asked for, as measured of this share; at least 1."""
    measurements: int
    """That it took."""


def share_within_latency(
    measure: Callable[[float], float],
    macs_at: Callable[[float], float],
    *,
    largest: float = 1.0,
    tolerance: float = TOLERANCE,
    measurements: int = MEASUREMENTS,
) -> Found | None:
    """Return the largest share of channels found to be fast enough; None if not even 0 is.

    Latency is taken to grow about linearly with multiply-accumulates, from an offset. A line
    through two shares that were measured says which one is next: the fastest two until one is
    within, then the largest known to be within and the smallest known not to be. What is returned
    was itself measured to be within.

    Args:
        measure: Share, 0-1 → how many times faster than asked for the network is, over 0. It may
            be noisy, and falls, but for that, as the share grows.
        macs_at: Share → multiply-accumulates; it never falls when the share grows.
        largest: Share not to exceed, which is measured first.
        tolerance: The search ends at a share that is up to so much faster than asked for.
        measurements: At most, at least 2.
    """
    if measurements < 2:
        raise ValueError(f"{measurements} measurements find nothing: allow at least 2")
    points: list[_Point] = []

    def take(share: float) -> _Point:
        points.append(_Point(share, macs_at(share), 1 / measure(share)))
        return points[-1]

    within, over = None, take(largest)
    if over.latency <= 1:
        return Found(largest, 1 / over.latency, 1)
    goal = 1 / (1 + tolerance / 2)
    while len(points) < measurements:
        is_last = len(points) == measurements - 1
        macs = 0.0 if within is None and is_last else _promising(points, within, over, goal)
        share = _share_between(macs_at, within, over, macs)
        if share is None:
            break
        point = take(share)
        if point.latency > 1:
            over = point
        else:
            within = point
            if within.latency * (1 + tolerance) >= 1:
                break
    return None if within is None else Found(within.share, 1 / within.latency, len(points))


@dataclass(frozen=True, slots=True)
class _Point:
    share: float
    macs: float
    latency: float
    """As a multiple of what is allowed: up to 1 is within."""


def _promising(points: list[_Point], within: _Point | None, over: _Point, goal: float) -> float:
    """Return the multiply-accumulates at which latency might be `goal`; 0 for the fewest."""
    if within is not None:
        return _between(points, within, over, goal)
    nearest = sorted(points, key=lambda point: point.latency)[:2]
    guess = _Point(0, 0, _OFFSET * over.latency)
    for one, other in [*itertools.pairwise(nearest), (guess, over)]:
        if (other.latency - one.latency) * (other.macs - one.macs) > 0:
            slope = (other.latency - one.latency) / (other.macs - one.macs)
            macs = one.macs + (goal - one.latency) / slope
            if 0 < macs < over.macs:
                return macs
    return 0


def _between(points: list[_Point], within: _Point, over: _Point, goal: float) -> float:
    """Return where a line through both sides is at `goal`.

    A side that stood still for two steps counts half, lest it stand there for ever: the Illinois
    method, Dowell, Jarratt 1971, https://doi.org/10.1007/BF01934364.
    """
    below, above = goal - within.latency, over.latency - goal
    last = [point.latency <= 1 for point in points[-2:]]
    if all(last):
        above /= 2
    elif not any(last):
        below /= 2
    return within.macs + below / (below + above) * (over.macs - within.macs)


def _share_between(
    macs_at: Callable[[float], float], within: _Point | None, over: _Point, macs: float
) -> float | None:
    """Return the share with at most `macs`, or else the next larger one; None if none is between.

    Args:
        macs_at: Share → multiply-accumulates.
        within: Only what has more than this is between; 0 and more if there is none.
        over: Only what has fewer is between.
        macs: Fewer than `over` has.
    """
    if within is None:
        if macs_at(0.0) >= over.macs:
            return None
        if macs_at(0.0) > macs:
            return 0.0
        return edge(lambda share: macs_at(share) <= macs, low=0.0, high=over.share)[0]
    low = within.share
    share, _ = edge(lambda share: macs_at(share) <= macs, low=low, high=over.share)
    if macs_at(share) > within.macs:
        return share
    _, share = edge(lambda share: macs_at(share) <= within.macs, low=low, high=over.share)
    return share if macs_at(share) < over.macs else None
