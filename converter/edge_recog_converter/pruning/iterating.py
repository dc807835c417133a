"""Iterative pruning: budgets on the way, whether they can be met, and a network that meets one.

Pruning a little, training, and pruning again loses less than pruning all at once: Han et al. 2015,
Learning both weights and connections for efficient neural networks,
https://arxiv.org/abs/1506.02626, section 3.3.

Measured on x86, 1 thread, EfficientNet-Lite0 at 128x128 with 10 classes and random weights (0.69
ms): a conversion takes 1 to 2.5 s, timing beside the reference 2 s. "2x" takes 2 to 5 measurements
(8 to 27 s) and leaves a network that is 2.0 to 2.1 times faster when it is timed again; "4x" takes
2 to 6 and leaves one that is 3.9 to 4.2 times faster. While others kept all cores busy, both took
up to 6, and 52 s; timed again, networks were 1.95 to 2.13 and 4.05 to 4.6 times faster. Half of the
latency goes with two thirds of the multiply-accumulates, three quarters with 93 to 95 %; the
smallest network of multiples of 8 has 1/52 of them and is 5.9 times faster.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.budgets import Budget, Milliseconds, SpeedUp
from edge_recog_converter.pruning.choosing import MULTIPLE_OF
from edge_recog_converter.pruning.latency import Timing, int8_for_timing, side_by_side
from edge_recog_converter.pruning.scores import l1_scores
from edge_recog_converter.pruning.searching import MEASUREMENTS, TOLERANCE, share_within_latency
from edge_recog_converter.pruning.sections import resolve
from edge_recog_converter.pruning.shrinking import Cuts

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge_recog_converter.pruning.budgets import LatencyLimit
    from edge_recog_converter.pruning.channels import Channels
    from edge_recog_converter.pruning.choosing import Ranking
    from edge_recog_converter.pruning.costs import Cost
    from edge_recog_converter.pruning.latency import Int8File
    from edge_recog_converter.pruning.scores import Scores, Scoring
    from edge_recog_converter.pruning.sections import PruningBudget
    from edge_recog_converter.pruning.shrinking import Summary

_LOGGER = logging.getLogger(__name__)

Stopwatch: TypeAlias = Callable[[Sequence[bytes]], Sequence[Timing]]
"""Times files side by side; the first one is what the others are compared with."""
_ADVICE: Final = "ask for less, or start from a smaller input or width"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a step of iterative pruning is to arrive; all of it holds."""

    latency: LatencyLimit | None = None
    costs: Budget | None = None


def steps_of(
    budget: PruningBudget, steps: int, *, before: Cost, before_ms: float | None = None
) -> tuple[Target, ...]:
    """Return where each of `steps` arrives, the last one at `budget`.

    They are geometric: of a budget that is N times less, step i of n allows N ** (i / n) times
    less than before. So each step takes the same share away.

    Args:
        budget: Of the last step.
        steps: At least 1.
        before: Cost of the network before any pruning.
        before_ms: Its latency; needed where the budget is in milliseconds.

    Raises:
        ValueError: There is no step, or `before_ms` is missing.
    """
    if steps < 1:
        raise ValueError(f"pruning cannot be done in {steps} steps: ask for at least 1")
    costs, latency = resolve(budget, before), budget.latency_limit
    return tuple(
        Target(
            latency=None if latency is None else _latency_on_the_way(latency, part, before_ms),
            costs=None if costs is None else _costs_on_the_way(costs, part, before),
        )
        for part in (step / steps for step in range(1, steps + 1))
    )


def _latency_on_the_way(limit: LatencyLimit, part: float, before_ms: float | None) -> LatencyLimit:
    if isinstance(limit, SpeedUp):
        return SpeedUp(limit.times**part)
    if before_ms is None:
        raise ValueError("steps to a latency in milliseconds need the one before: give before_ms")
    return Milliseconds(_on_the_way(limit.most, part, before_ms))


def _costs_on_the_way(costs: Budget, part: float, before: Cost) -> Budget:
    return Budget(
        macs=None if costs.macs is None else _on_the_way(costs.macs, part, before.macs),
        parameters=None
        if costs.parameters is None
        else _on_the_way(costs.parameters, part, before.parameters),
    )


def _on_the_way(limit: float, part: float, before: float) -> float:
    """Return the limit after `part` of the way, 0-1; `limit` itself where `before` is within."""
    if part == 1 or before <= limit:
        return limit
    return before * math.pow(limit / before, part)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """How a network's INT8 file was timed when it was chosen."""

    file: Int8File
    """Made for timing only: its answers are worthless."""
    timing: Timing
    """Against the reference."""
    reference_ms: float
    measurements: int
    """Networks that were converted and timed to find this one."""


def refuse_infeasible(
    model: Any,
    target: Target,
    *,
    reference: bytes,
    multiple_of: int = MULTIPLE_OF,
    least: int = 1,
    protected: Collection[str] = (),
    stopwatch: Stopwatch = side_by_side,
) -> None:
    """Check, before anything is trained, that some cut of `model` arrives at `target`.

    Scores and ranking do not matter: the smallest cut is the same for all.

    Args:
        model: Functional or sequential; left as it is.
        target: Of the last step.
        reference: INT8 file of the network before any pruning.
        multiple_of: As for `pruned`, like `least` and `protected`.
        least: See there.
        protected: See there.
        stopwatch: Times files side by side.

    Raises:
        ConversionError: The model cannot be converted to INT8.
        PruningError: No cut does, or the model cannot be cut.
    """
    cuts = Cuts(
        model,
        score=_alike,
        multiple_of=multiple_of,
        least=least,
        protected=protected,
    )
    if target.costs is not None:
        _refuse_costs(model.name, cuts.cost(0.0), target.costs)
    if target.latency is not None:
        smallest, _ = cuts.made(0.0)
        _, timing = stopwatch([reference, int8_for_timing(smallest)])
        if target.latency.headroom(ms=timing.ms, speed_up=timing.speed_up) < 1:
            raise _too_slow(model.name, timing, target.latency)


def pruned_to_latency(
    model: Any,
    limit: LatencyLimit,
    *,
    reference: bytes,
    costs: Budget | None = None,
    score: Scoring = l1_scores,
    ranking: Ranking = "global",
    multiple_of: int = MULTIPLE_OF,
    least: int = 1,
    protected: Collection[str] = (),
    tolerance: float = TOLERANCE,
    measurements: int = MEASUREMENTS,
    stopwatch: Stopwatch = side_by_side,
) -> tuple[Any, Summary, Measured]:
    """Return a smaller copy of `model` whose INT8 file is fast enough, and what was removed.

    The copy is the largest that was found, and was itself measured to be within the limit.

    Args:
        model: Functional or sequential; left as it is.
        limit: To be met by the copy.
        reference: INT8 file of the network that `SpeedUp` is relative to: the one before any
            pruning, be `model` itself or already smaller.
        costs: To be met as well.
        score: As for `pruned`, like the next four; called once.
        ranking: See there.
        multiple_of: See there.
        least: See there.
        protected: See there.
        tolerance: As for `share_within_latency`.
        measurements: As there.
        stopwatch: Times files side by side.

    Raises:
        ConversionError: The model cannot be converted to INT8.
        PruningError: As for `pruned`, or the smallest copy is not fast enough.
    """
    cuts = Cuts(
        model,
        score=score,
        ranking=ranking,
        multiple_of=multiple_of,
        least=least,
        protected=protected,
    )
    taken: dict[float, tuple[Any, Summary, Int8File, Timing, Timing]] = {}

    def measure(share: float) -> float:
        copy, summary = cuts.made(share)
        file = int8_for_timing(copy)
        before, timing = stopwatch([reference, file])
        taken[share] = (copy, summary, file, before, timing)
        _LOGGER.info("it runs %.3g times faster, in %.3g ms", timing.speed_up, timing.ms)
        return limit.headroom(ms=timing.ms, speed_up=timing.speed_up)

    found = share_within_latency(
        measure,
        lambda share: cuts.cost(share).macs,
        largest=1.0 if costs is None else cuts.share_within(costs),
        tolerance=tolerance,
        measurements=measurements,
    )
    if found is None:
        *_, timing = taken[min(taken)]
        raise _too_slow(model.name, timing, limit)
    copy, summary, file, before, timing = taken[found.share]
    return copy, summary, Measured(file, timing, before.ms, found.measurements)


def _alike(model: Any, channels: Channels) -> Scores:
    del model
    return {group.name: np.ones(len(group.units)) for group in channels.groups}


def _refuse_costs(name: str, smallest: Cost, costs: Budget) -> None:
    for what, has, asked in (
        ("multiply-accumulates", smallest.macs, costs.macs),
        ("parameters", smallest.parameters, costs.parameters),
    ):
        if asked is not None and has > asked:
            raise PruningError(
                f"the smallest model that can be cut from {name} has {has:,} {what}, and "
                f"{asked:,.0f} are asked for: {_ADVICE}"
            )


def _too_slow(name: str, timing: Timing, limit: LatencyLimit) -> PruningError:
    if isinstance(limit, SpeedUp):
        found = f"runs {timing.speed_up:.3g} times faster here, and {limit.times:.3g}"
    else:
        found = f"takes {timing.ms:.3g} ms here, and {limit.most:.3g}"
    return PruningError(
        f"the smallest model that can be cut from {name} {found} are asked for: {_ADVICE}"
    )
