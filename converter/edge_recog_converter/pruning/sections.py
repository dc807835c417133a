"""The recipe's words for pruning; pure data, importable without TensorFlow.

budget = { latency = "2x" }
budget = { latency = "3.5ms", parameters = 1_000_000 }
budget = { macs = "2.5x" }
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from edge_recog_converter.pruning.budgets import Budget, Milliseconds, SpeedUp

if TYPE_CHECKING:
    from edge_recog_converter.pruning.budgets import LatencyLimit
    from edge_recog_converter.pruning.costs import Cost

Score = Literal["l1", "gamma", "taylor"]
"""How much a channel matters: `pruning.scores` has a function of each name."""

_AMOUNT: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(x|ms)", re.ASCII)


class PruningBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the smaller network may cost; at least one limit, and all of them hold."""

    latency: str | None = None
    """Of its INT8 file on the machine that builds, 1 thread: `2x` is at least twice as fast as the
    network before any pruning, `3.5ms` at most that long."""
    macs: int | str | None = None
    """Multiply-accumulates for one picture: at most so many, or `2x` for half of those before."""
    parameters: int | str | None = None
    """Weights: at most so many, or `2x` for half of those before."""

    def __post_init__(self) -> None:
        """Check what no type can.

        Raises:
            ValueError: Nothing is limited, or a limit cannot be read.
        """
        if self.latency is None and self.macs is None and self.parameters is None:
            raise ValueError('a budget needs latency, macs or parameters, such as latency = "2x"')
        if self.latency is not None:
            latency_of(self.latency)
        for name, limit in (("macs", self.macs), ("parameters", self.parameters)):
            if limit is not None:
                _most(name, limit, before=1)

    @property
    def latency_limit(self) -> LatencyLimit | None:
        """What `latency` asks for."""
        return None if self.latency is None else latency_of(self.latency)


def latency_of(text: str) -> LatencyLimit:
    """Return what a text such as `2x` or `3.5ms` asks for.

    Raises:
        ValueError: It asks for nothing that can be read or met.
    """
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ValueError(f'latency must be like "2x" or "3.5ms", not "{text}"')
    amount, unit = float(found[1]), found[2]
    if unit == "x":
        return SpeedUp(_factor("latency", text, amount))
    if amount == 0:
        raise ValueError(f'latency must be more than 0 ms, not "{text}"')
    return Milliseconds(amount)


def resolve(budget: PruningBudget, before: Cost) -> Budget | None:
    """Return the multiply-accumulates and parameters that `budget` allows; None if it limits none.

    Args:
        budget: Whose latency is not looked at.
        before: Cost of the network before any pruning, which `2x` is relative to.
    """
    if budget.macs is None and budget.parameters is None:
        return None
    return Budget(
        macs=None if budget.macs is None else _most("macs", budget.macs, before=before.macs),
        parameters=None
        if budget.parameters is None
        else _most("parameters", budget.parameters, before=before.parameters),
    )


def _most(name: str, limit: int | str, *, before: int) -> float:
    """Return the largest amount that is within `limit`."""
    if isinstance(limit, str):
        found = _AMOUNT.fullmatch(limit)
        if found is None or found[2] != "x":
            raise ValueError(f'{name} must be like "2x" or a whole number, not "{limit}"')
        return before / _factor(name, limit, float(found[1]))
    if limit < 1:
        raise ValueError(f"{name} must be at least 1, not {limit}")
    return limit


def _factor(name: str, text: str, factor: float) -> float:
    if factor <= 1:
        raise ValueError(f'{name} must be like "2x", over 1 times less than before, not "{text}"')
    return factor
