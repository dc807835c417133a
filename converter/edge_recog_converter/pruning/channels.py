"""What a traced model says of its channels, as data: which weights they are, and which go together.

A *unit* is what can only be removed whole: one channel, or several that are tied to one another. A
*group* is the units that lie in the same axes of the same weights; every traced axis is made of
whole groups and of channels that stay. So a count that is a multiple of 8 in every group is one in
every axis whose channels can all be removed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from edge_recog_converter.pruning.units import FIXED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Role = Literal["makes", "carries", "reads"]
"""A kernel's output axis makes channels, its input axis reads them; what has one value or filter
for each channel (a bias, a normalisation, a depthwise kernel) carries them."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightAxis:
    """An axis of a weight along which there are channels."""

    layer: str
    weight: str
    """The layer's attribute: `kernel`, `gamma`, …"""
    axis: int
    """From the front, 0 or more."""
    role: Role
    units: NDArray[np.intp]
    """(length of the axis,), the unit of each index."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """An entry of a layer's configuration that counts channels."""

    layer: str
    key: str
    """`filters`, `units`, `target_shape`, …"""
    index: int | None
    """Within the entry, where that is a sequence."""
    units: NDArray[np.intp]
    """The unit of each channel that it counts."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Units that lie in the same axes and can be removed one by one."""

    name: str
    """The first layer that makes them; with a number where it makes several groups."""
    units: NDArray[np.intp]
    """Ascending."""
    channels_per_unit: int
    """In the narrowest axis that makes them: 1 unless channels are tied to one another."""
    axes: tuple[WeightAxis, ...]
    """All in which they lie, in the order of the model."""

    @property
    def channels(self) -> int:
        """All channels of the group, in the narrowest axis that makes them."""
        return len(self.units) * self.channels_per_unit

    @property
    def makers(self) -> tuple[str, ...]:
        """The layers that make the channels."""
        return tuple(dict.fromkeys(axis.layer for axis in self.axes if axis.role == "makes"))


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """All traced channels of one model."""

    groups: tuple[Group, ...]
    axes: tuple[WeightAxis, ...]
    settings: tuple[Setting, ...]
    units: int
    """How many units there are, `FIXED` included: all are less."""
    fixed: Mapping[str, str]
    """By layer or operation: why the channels there must stay."""

    def stays(self, kept: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return (units,): which stay.

        Args:
            kept: By group, (its units,); a group that is not named stays whole.

        Raises:
            ValueError: There is no such group, it has another number of units, or none would stay.
        """
        stays = np.ones(self.units, np.bool_)
        named = {group.name: group for group in self.groups}
        for name, keep in kept.items():
            if name not in named:
                raise ValueError(f"there is no group of channels {name!r}")
            if np.shape(keep) != named[name].units.shape or not np.any(keep):
                raise ValueError(
                    f"group {name!r} has {len(named[name].units)} units, of which one at least "
                    f"must stay: it was told {np.count_nonzero(keep)} of {np.size(keep)}"
                )
            stays[named[name].units] = keep
        return stays


def grouped(axes: Sequence[WeightAxis]) -> tuple[Group, ...]:
    """Return the groups of the units in `axes`, in the order in which they are made."""
    lies_in: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, axis in enumerate(axes):
        for unit, times in Counter(axis.units.tolist()).items():
            if unit != FIXED:
                lies_in[unit].append((number, times))
    members: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for unit in sorted(lies_in):
        members[tuple(lies_in[unit])].append(unit)
    names = _Names()
    return tuple(
        _group(names, [(axes[number], times) for number, times in places], units)
        for places, units in members.items()
    )


def _group(names: _Names, places: Iterable[tuple[WeightAxis, int]], units: list[int]) -> Group:
    places = list(places)
    made = [(axis, times) for axis, times in places if axis.role == "makes"]
    return Group(
        name=names.free(made[0][0].layer),
        units=np.array(units, np.intp),
        channels_per_unit=math.gcd(*(times for _, times in made)),
        axes=tuple(axis for axis, _ in places),
    )


class _Names:
    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def free(self, layer: str) -> str:
        self._taken[layer] += 1
        return layer if self._taken[layer] == 1 else f"{layer}:{self._taken[layer]}"
