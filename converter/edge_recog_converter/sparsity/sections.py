"""The recipe's words for magnitude pruning; pure data, importable without TensorFlow."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Pattern = Literal["unstructured", "1x4", "2:4"]
Part = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Sparsity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which weights become zero, and when."""

    target: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] | None = None
    """Share of the kernels' weights that become zero; 0.75 if left out, 0.5 for `2:4`."""
    pattern: Pattern = "unstructured"
    """Weights one by one; in blocks of four neighbours along the input channels, which are zero
    together (`1x4`); or two of each such four (`2:4`)."""
    scope: Literal["layer", "global"] = "layer"
    """Each layer has the target's share of zeros, or all together have: then layers with many
    small weights lose more."""
    begin: Part = 0.1
    """Share of the steps after which the first weights become zero."""
    end: Part = 0.75
    """Share of the steps after which the target is reached and stays."""
    every: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Steps between two choices of weights."""
    skip: tuple[str, ...] = ()
    """Names of layers that keep all weights, beside the first one, which sees pixels, and the
    depthwise ones, which have few."""

    def __post_init__(self) -> None:
        """Check what no single field can.

        Raises:
            ValueError: Fields do not fit each other.
        """
        if self.pattern == "2:4" and self.target not in {None, 0.5}:
            raise ValueError('the pattern "2:4" is half zeros: leave target out')
        if self.begin >= self.end:
            raise ValueError("end must come after begin")

    @property
    def share(self) -> float:
        """Of zeros, in the end."""
        if self.target is not None:
            return self.target
        return 0.5 if self.pattern == "2:4" else 0.75
