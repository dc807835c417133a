"""The recipe's words for what an INT8 file must reach; pure data.

accept = { max_drop = 0.5, min_agreement = 0.97, confidence = 0.95 }
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

Rung = Literal[
    "post-training", "calibration", "equalisation", "mixed-precision", "quantisation-aware"
]

RUNGS: Final[tuple[Rung, ...]] = (
    "post-training",
    "calibration",
    "equalisation",
    "mixed-precision",
    "quantisation-aware",
)
"""In the order in which they are tried: what costs least, to make and to run, comes first."""


class Accept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an INT8 file is good enough, judged beside the float network on validation."""

    max_drop: Annotated[float, msgspec.Meta(ge=0.0, le=100.0)] = 0.5
    """Percentage points that top-1, or mean average precision for multi-label, may be lower."""
    min_agreement: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.97
    """Least share of pictures of which both say the same."""
    confidence: Annotated[float, msgspec.Meta(gt=0.5, lt=1.0)] = 0.95
    """At which a loss must not be shown to be real, and of the intervals."""
    rungs: tuple[Rung, ...] = RUNGS
    """What may be tried, in this order."""
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 4
    """Of quantisation-aware training; ranges of activations stand still in the last one."""
    learning_rate: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 2e-5
    """Of quantisation-aware training, with Adam."""

    def __post_init__(self) -> None:
        """Check the rungs; msgspec turns the ValueError into its own when decoding.

        Raises:
            ValueError: There is none, or they are not in their order.
        """
        if not self.rungs:
            raise ValueError(f"rungs is empty: leave it out, or name some of {', '.join(RUNGS)}")
        in_order = tuple(rung for rung in RUNGS if rung in self.rungs)
        if self.rungs != in_order:
            raise ValueError(f"rungs must each be named once, in the order {', '.join(in_order)}")
