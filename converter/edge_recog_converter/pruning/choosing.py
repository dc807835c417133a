"""Which units stay, from scores alone. Ties go to the unit that comes first; nothing is random."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from edge_recog_converter.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.pruning.channels import Group

Ranking = Literal["global", "uniform"]
"""`global` ranks the channels of all groups together; `uniform` keeps the same share of each."""
MULTIPLE_OF: Final = 8
"""The divisor of the MobileNets (`architectures.scaling`). XNNPACK's 8-bit kernels for aarch64 make
16 channels at a time (https://github.com/google/XNNPACK, `qs8-qc8w-gemm-4x16c4-…-neondot`)."""


def choose(
    groups: Sequence[Group],
    scores: Mapping[str, NDArray[np.float64]],
    *,
    keep: float,
    ranking: Ranking = "global",
    multiple_of: int = MULTIPLE_OF,
    least: int = 1,
) -> dict[str, NDArray[np.bool_]]:
    """Return, by group, (its units,): which stay.

    A group keeps a multiple of `multiple_of` channels, the one nearest to its share, or all that it
    has. So a group with no more channels than that stays whole. A larger `keep` never keeps less of
    any group.

    Args:
        groups: To choose from.
        scores: By group, (its units,): the lowest go first.
        keep: Share of the channels, 0 ≤ keep ≤ 1. Because of the multiples it is met roughly.
        ranking: Over all groups or within each.
        multiple_of: At least 1.
        least: Channels that a group keeps, unless it has fewer; at least 1.

    Raises:
        PruningError: An argument out of its range, or scores that do not fit or are not finite.
    """
    if not (0 <= keep <= 1 and multiple_of >= 1 and least >= 1):
        raise PruningError(
            f"cannot keep {keep} of the channels, at least {least}, in multiples of {multiple_of}: "
            "keep must be 0 to 1, the others at least 1"
        )
    for group in groups:
        found = scores.get(group.name)
        if found is None or found.shape != group.units.shape or not np.isfinite(found).all():
            raise PruningError(
                f"group {group.name!r} needs {len(group.units)} finite scores, one for each unit"
            )
    if ranking == "uniform":
        wanted = {group.name: keep * len(group.units) for group in groups}
    else:
        wanted = _wanted_of_all(groups, scores, keep)
    return {
        group.name: _best(
            scores[group.name], _allowed(group, wanted[group.name], multiple_of, least)
        )
        for group in groups
    }


def _wanted_of_all(
    groups: Sequence[Group], scores: Mapping[str, NDArray[np.float64]], keep: float
) -> dict[str, float]:
    """Return how many units of each group are among the best of all."""
    if not groups:
        return {}
    owners = np.repeat(np.arange(len(groups)), [len(group.units) for group in groups])
    widths = np.array([group.channels_per_unit for group in groups])[owners]
    order = np.argsort(-np.concatenate([scores[group.name] for group in groups]), kind="stable")
    reached = np.cumsum(widths[order])
    # The share of a float may miss a whole number by its rounding.
    best = order[reached <= keep * reached[-1] + 1e-6]
    counts = np.bincount(owners[best], minlength=len(groups))
    return {group.name: float(count) for group, count in zip(groups, counts, strict=True)}


def _allowed(group: Group, wanted: float, multiple_of: int, least: int) -> int:
    """Return the number of units nearest to `wanted` that the group may keep; rather more."""
    units, width = len(group.units), group.channels_per_unit
    step = multiple_of // math.gcd(multiple_of, width)
    lowest = min(units, math.ceil(least / width))
    counts = [count for count in range(step, units, step) if count >= lowest] + [units]
    return min(counts, key=lambda count: (abs(count - wanted), -count))


def _best(scores: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    keep = np.zeros(len(scores), np.bool_)
    keep[np.argsort(-scores, kind="stable")[:count]] = True
    return keep
