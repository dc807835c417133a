"""From what a model may cost to the share of channels that it can keep."""

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
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if budget.allows(cost_at(middle)):
            low = middle
        else:
            high = middle
    return low
