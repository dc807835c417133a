"""The networks on the way to the one that ships: each timed as INT8, beside the first of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_recog_converter.pruning.costs import cost_of
from edge_recog_converter.pruning.latency import int8_for_timing, side_by_side
from edge_recog_converter.report.document import Point

if TYPE_CHECKING:
    from edge_recog_converter.pruning.costs import Cost


@dataclass(slots=True)
class Way:
    """What a report's picture of accuracy against latency is drawn from."""

    points: list[Point] = field(default_factory=list)
    reference: bytes | None = None
    """INT8 file of the first network, made for timing only."""

    def add(self, name: str, network: Any, score: float, *, file: bytes | None = None) -> Point:
        """Time a network and write it down.

        Args:
            name: For people.
            network: A `keras.Model`.
            score: Of validation, 0-1.
            file: Its INT8 file, of which only time and size count; made if None.
        """
        return self.add_file(name, file or int8_for_timing(network), score, cost=cost_of(network))

    def add_file(self, name: str, file: bytes, score: float, *, cost: Cost) -> Point:
        """Time a network's INT8 file and write it down."""
        if self.reference is None:
            self.reference = file
        *_, timing = side_by_side([self.reference, file])
        point = Point(
            name=name,
            score=score,
            invoke_ms=round(timing.ms, 4),
            speed_up=round(timing.speed_up, 3) if self.points else 1.0,
            size_bytes=len(file),
            macs=cost.macs,
            parameters=cost.parameters,
        )
        self.points.append(point)
        return point
