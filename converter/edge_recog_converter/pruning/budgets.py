"""From what a model may cost to the share of channels that it can keep.

Multiply-accumulates and parameters follow from a cut without making it (`Budget`); latency is
measured (`SpeedUp`, `Milliseconds`; the search for its share is in `iterating`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_recog_converter.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_converter.pruning.costs import Cost

_HALVINGS: Final = 20
"""Of the interval of shares: to a millionth, less than one channel of any network."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a model may cost at most; None is as much as it likes."""

    macs: float | None = None
    """Multiply-accumulates for one image; half the FLOPs."""
    parameters: float | None = None
    """All weights."""

    def __post_init__(self) -> None:
        """Refuse budgets that limit nothing or cannot be met."""
        limits = [limit for limit in (self.macs, self.parameters) if limit is not None]
        if not limits or not all(limit > 0 for limit in limits):
            raise PruningError(
                f"a budget needs macs or parameters, each more than 0, not {self.macs} and "
                f"{self.parameters}"
            )

    def allows(self, cost: Cost) -> bool:
        """Whether `cost` is within the budget."""
        within_macs = self.macs is None or cost.macs <= self.macs
        return within_macs and (self.parameters is None or cost.parameters <= self.parameters)


@dataclass(frozen=True, slots=True)
class SpeedUp:
    """A model's latency, against a reference that is timed alternately with it."""

    times: float
    """The reference's latency over the model's, at least; more than 1."""

    def __post_init__(self) -> None:
        """Refuse what asks for nothing."""
        if not self.times > 1:
            raise PruningError(f"a model cannot be made {self.times:g} times faster: ask over 1")

    def headroom(self, *, ms: float, speed_up: float) -> float:
        """Return how many times faster than asked for a model is; 1 or more is within."""
        del ms
        return speed_up / self.times


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """A model's latency on the machine where it is timed."""

    most: float
    """More than 0."""

    def __post_init__(self) -> None:
        """Refuse what cannot be met."""
        if not self.most > 0:
            raise PruningError(f"no model runs in {self.most:g} ms: allow more than 0")

    def headroom(self, *, ms: float, speed_up: float) -> float:
        """Return how many times faster than asked for a model is; 1 or more is within."""
        del speed_up
        return self.most / ms


LatencyLimit = SpeedUp | Milliseconds


def share_within(budget: Budget, cost_at: Callable[[float], Cost]) -> float:
    """Return the largest share whose cost is within `budget`, to a millionth.

    Args:
        budget: To be met.
        cost_at: The cost of keeping a share of the channels, 0-1; it never falls when the share
            grows.

    Raises:
        PruningError: Not even the least share is within the budget.
    """
    if budget.allows(cost_at(1.0)):
        return 1.0
    least = cost_at(0.0)
    if not budget.allows(least):
        raise PruningError(
            f"the smallest model that can be cut has {least.macs:,} multiply-accumulates and "
            f"{least.parameters:,} parameters: allow more, or keep smaller multiples of channels"
        )
    return edge(lambda share: budget.allows(cost_at(share)), low=0.0, high=1.0)[0]


def edge(allowed: Callable[[float], bool], *, low: float, high: float) -> tuple[float, float]:
    """Return the largest share that is allowed and the least that is not.

    They are a millionth of the interval apart.

    Args:
        allowed: True up to some share and false from there on.
        low: Is allowed.
        high: Is not.
    """
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if allowed(middle):
            low = middle
        else:
            high = middle
    return low, high
