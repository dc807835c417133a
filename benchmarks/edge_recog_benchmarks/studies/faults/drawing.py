"""Drawing faults: the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog_benchmarks.studies.faults.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge_recog_benchmarks.studies.faults.kinds import Kind, SourceKind


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as it was drawn."""

    number: int
    """From 0; with the seed it says all."""
    kind: str
    """A key of `KINDS`."""
    source: SourceKind
    settle_s: float
    """That all is well before it."""
    lasts_s: float
    variant: int
    """For whatever else the kind draws: how a JPEG is torn, how far the clock jumps."""

    @property
    def rules(self) -> Kind:
        """What is to be expected."""
        return KINDS[self.kind]


def draw(
    seed: int, count: int, *, sources: Collection[SourceKind], kinds: Collection[str] = ()
) -> list[Fault]:
    """Return faults in the order in which they are begun.

    Every kind comes with every source it is for as often as any other, give or take one: as with a
    pack of cards that is shuffled and dealt to its end before it is shuffled again.

    Args:
        seed: Another seed, other faults.
        count: How many.
        sources: That there are.
        kinds: Names; all if empty.
    """
    chance = random.Random(seed)
    pack = [
        (kind, source)
        for kind in KINDS.values()
        for source in kind.sources
        if source in sources and (not kinds or kind.name in kinds)
    ]
    faults: list[Fault] = []
    while pack and len(faults) < count:
        chance.shuffle(pack)
        for kind, source in pack[: count - len(faults)]:
            faults.append(
                Fault(
                    number=len(faults),
                    kind=kind.name,
                    source=source,
                    settle_s=round(chance.uniform(0.3, 1.2), 3),
                    lasts_s=round(chance.uniform(kind.shortest_s, kind.longest_s), 3),
                    variant=chance.getrandbits(32),
                )
            )
    return faults
