"""The proof of a cut: the whole model, with nobody reading the channels that were removed.

A cut is right if and only if the smaller model computes what this one does. Whatever the removed
channels hold (a bias, a normalisation's offset, a pooled mean), it ends in kernels that read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter.pruning.cutting import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_recog_converter.pruning.channels import Channels


def silenced(model: Any, channels: Channels, kept: Mapping[str, NDArray[np.bool_]]) -> Any:
    """Return a copy of `model`, of its size, whose kernels read kept channels only.

    Args:
        model: That was traced; left as it is.
        channels: Of `model`.
        kept: By group, (its units,): which stay.
    """
    copy = cut(model, channels, {})
    silence(copy, channels, kept)
    return copy


def silence(model: Any, channels: Channels, kept: Mapping[str, NDArray[np.bool_]]) -> None:
    """Let the kernels of `model` itself read kept channels only.

    Args:
        model: That was traced, or a copy of its size.
        channels: Of `model`.
        kept: By group, (its units,): which stay.
    """
    stays = channels.stays(kept)
    for axis in channels.axes:
        if axis.role == "reads":
            variable = getattr(model.get_layer(axis.layer), axis.weight)
            values = np.moveaxis(np.asarray(variable).copy(), axis.axis, 0)
            values[~stays[axis.units]] = 0
            variable.assign(np.moveaxis(values, 0, axis.axis))
