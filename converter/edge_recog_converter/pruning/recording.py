"""The trace of a model while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog_converter.pruning.channels import (
    Channels,
    Role,
    Setting,
    WeightAxis,
    grouped,
)
from edge_recog_converter.pruning.units import Units

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Recorder:
    """Remembers which weights and settings have which units.

    A layer that stands at several places has its weights once: what it says of an axis the second
    time is merged with what it said first.
    """

    def __init__(self) -> None:
        self.units = Units()
        self._axes: dict[tuple[str, str, int], tuple[Role, NDArray[np.intp]]] = {}
        self._settings: dict[tuple[str, str, int | None], NDArray[np.intp]] = {}
        self._fixed: dict[str, str] = {}

    def makes(self, layer: str, weight: str, axis: int, count: int) -> NDArray[np.intp]:
        """Return the units that the weight makes, new ones at its layer's first place."""
        place = (layer, weight, axis)
        if place not in self._axes:
            self._axes[place] = ("makes", self.units.fresh(count))
        return self._axes[place][1]

    def lie(self, layer: str, weight: str, axis: int, role: Role, units: NDArray[np.intp]) -> None:
        """Say that `units` lie along an axis of a weight."""
        _, first = self._axes.setdefault((layer, weight, axis), (role, units))
        self.units.merge(first, units)

    def count(
        self, layer: str, key: str, units: NDArray[np.intp], *, index: int | None = None
    ) -> None:
        """Say that an entry of the layer's configuration counts `units`."""
        self.units.merge(self._settings.setdefault((layer, key, index), units), units)

    def fix(self, layer: str, units: NDArray[np.intp], why: str) -> None:
        """Let `units` stay because of `layer`, unless all of them must anyhow."""
        if not self.units.are_fixed(units):
            self.units.fix(units)
            self._fixed.setdefault(layer, why)

    def channels(self) -> Channels:
        """Return all that was recorded, each unit replaced by the one that names its set."""
        roots = self.units.roots()
        axes = tuple(
            WeightAxis(layer, weight, axis, role, roots[units])
            for (layer, weight, axis), (role, units) in self._axes.items()
        )
        settings = tuple(
            Setting(layer, key, index, roots[units])
            for (layer, key, index), units in self._settings.items()
        )
        return Channels(grouped(axes), axes, settings, len(roots), dict(self._fixed))
