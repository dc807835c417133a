"""Drawing faults: the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal[
    "kill",
    "power cut",
    "disk full",
    "disk error",
    "read error",
    "bit flip",
    "truncation",
    "clock jump",
    "two at once",
    "death on trial",
]
Operation = Literal[
    "install",
    "install again",
    "install with eviction",
    "activate",
    "run",
    "commit",
    "fail",
    "roll back",
    "pin",
    "remove",
    "recover",
]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_AT_EACH_OPERATION: Final[dict[Kind, int]] = {
    "kill": 10,
    "power cut": 3,
    "disk full": 2,
    "disk error": 2,
}
"""Kinds of fault that happen at a step, and how many of each there are in a pack."""
_AT_ALL: Final[dict[Kind, int]] = {
    "read error": 4,
    "bit flip": 12,
    "truncation": 7,
    "clock jump": 3,
    "two at once": 7,
    "death on trial": 4,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as it was drawn."""

    number: int
    """From 0; with the seed it says all."""
    kind: Kind
    operation: Operation
    """That it hits, or that comes after it."""
    variant: int
    """For whatever else is drawn."""


def draw(seed: int, count: int, *, kinds: tuple[Kind, ...] = ()) -> list[Fault]:
    """Return faults in their order: packs of cards, each dealt to its end before the next.

    Args:
        seed: Another seed, other faults.
        count: How many.
        kinds: All if empty.
    """
    chance = random.Random(seed)
    pack: list[tuple[Kind, Operation | None]] = [
        (kind, operation)
        for operation in OPERATIONS
        for kind, times in _AT_EACH_OPERATION.items()
        for _ in range(times)
    ]
    pack += [(kind, None) for kind, times in _AT_ALL.items() for _ in range(times)]
    pack = [card for card in pack if not kinds or card[0] in kinds]
    faults: list[Fault] = []
    while pack and len(faults) < count:
        chance.shuffle(pack)
        for kind, hit in pack[: count - len(faults)]:
            operation = chance.choice(OPERATIONS) if hit is None else hit
            faults.append(Fault(len(faults), kind, operation, chance.getrandbits(32)))
    return faults
