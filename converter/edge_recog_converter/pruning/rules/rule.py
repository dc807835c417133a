"""A rule: from the units of a call's inputs to those of its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from edge_recog_converter.pruning.graph import Call
from edge_recog_converter.pruning.recording import Recorder

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Fixed:
    """All channels that the call takes and gives must stay."""

    why: str


Rule: TypeAlias = Callable[[Recorder, Call, Sequence[Any]], Any]
"""`(recorder, call, units of each input) -> units of the output | Fixed`."""

CHANNELS_FIRST: Final = Fixed("takes another axis than the last for its channels")
MIXES: Final = Fixed("mixes its channels")


def has_channels_first(layer: Any) -> bool:
    """Whether the layer takes another axis than the last for its channels."""
    return getattr(layer, "data_format", None) == "channels_first"


def is_last_axis(axis: Any, rank: int) -> bool:
    """Whether `axis`, a number or a sequence of one, is the last of `rank`."""
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    return len(axes) == 1 and axes[0] in (-1, rank - 1)


def passed(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Return the units of the only input: each channel is made of the same one of the input."""
    return CHANNELS_FIRST if has_channels_first(call.layer) else inputs[0]


def mixed(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Fixed:
    """Let all stay: each channel depends on the others, or on how many there are."""
    return MIXES


def merged(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Merge the units of the inputs, which are broadcast to one another, channel by channel."""
    widest = max(inputs, key=len)
    if any(len(units) not in (1, len(widest)) for units in inputs):
        return Fixed("takes inputs without a channel axis in common")
    if any(np.ndim(value) and np.shape(value)[-1] != 1 for value in call.constants):
        return Fixed("has a constant for each channel")
    for units in inputs:
        if len(units) == len(widest):
            recorder.units.merge(widest, units)
        else:
            # One channel for all: nothing would be left without it.
            why = f"{type(call.layer).__name__} spreads one channel over many"
            recorder.fix(call.layer.name, units, why)
    return widest
