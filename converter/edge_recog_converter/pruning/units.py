"""Which channels must go together: disjoint sets of numbered units.

Tarjan 1975, Efficiency of a good but not linear set union algorithm,
https://doi.org/10.1145/321879.321884.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIXED: Final = 0
"""The unit of every channel that must stay."""


class Units:
    """Units, of which some have been merged. Each set is named by its lowest unit."""

    def __init__(self) -> None:
        self._parents = [FIXED]

    def __len__(self) -> int:
        return len(self._parents)

    def fresh(self, count: int) -> NDArray[np.intp]:
        """Return `count` units that go with none yet."""
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def merge(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> None:
        """Let each unit of `first` go with the one at its place in `second`."""
        if len(first) != len(second):
            raise ValueError(f"{len(first)} channels cannot go with {len(second)}")
        differ = first != second
        for one, other in zip(first[differ].tolist(), second[differ].tolist(), strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            self._parents[high] = low

    def fix(self, units: NDArray[np.intp]) -> None:
        """Let `units` stay, and all that go with them."""
        self.merge(units, np.full_like(units, FIXED))

    def are_fixed(self, units: NDArray[np.intp]) -> bool:
        """Whether all of `units` must stay already."""
        return all(self._root(unit) == FIXED for unit in units.tolist())

    def roots(self) -> NDArray[np.intp]:
        """Return, for every unit, the one that names its set."""
        return np.array([self._root(unit) for unit in range(len(self._parents))], np.intp)

    def _root(self, unit: int) -> int:
        parents = self._parents
        while parents[unit] != unit:
            parents[unit] = parents[parents[unit]]
            unit = parents[unit]
        return unit
