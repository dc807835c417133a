"""Layers that only move values: flattening, reshaping, transposing, putting side by side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter.pruning.graph import width
from edge_recog_converter.pruning.rules.rule import (
    CHANNELS_FIRST,
    MIXES,
    Fixed,
    has_channels_first,
    is_last_axis,
    merged,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.pruning.graph import Call
    from edge_recog_converter.pruning.recording import Recorder

_MOVES = Fixed("moves its channels to another axis")
_UNSIZED = Fixed("takes maps of an open size")


def flatten(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Flatten`: the channels of one position after those of another."""
    source = call.inputs[0].shape[1:]
    if has_channels_first(call.layer):
        return CHANNELS_FIRST
    return _UNSIZED if None in source else np.tile(inputs[0], math.prod(source[:-1]))


def reshape(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Reshape`, whose values keep their order.

    Those that come to lie in one channel of the result are merged: what is left of it is then again
    a whole number of channels.
    """
    source, target = call.inputs[0].shape[1:], call.outputs[0].shape[1:]
    units = inputs[0]
    if target[-1] != len(units):
        if None in source or None in target:
            return _UNSIZED
        rows = np.unique(np.broadcast_to(units, source).reshape(-1, target[-1]), axis=0)
        for others in rows[1:]:
            recorder.units.merge(rows[0], others)
        units = rows[0]
    shape = call.layer.target_shape
    if shape[-1] != -1:
        recorder.count(call.layer.name, "target_shape", units, index=len(shape) - 1)
    return units


def permute(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Permute`."""
    return inputs[0] if call.layer.dims[-1] == len(call.layer.dims) else _MOVES


def concatenate(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Concatenate`, the layer and the operation."""
    rank = len(call.outputs[0].shape)
    if is_last_axis(call.layer.axis, rank):
        return np.concatenate(list(inputs))
    return merged(recorder, call, inputs)


def dropout(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of layers with noise, whose shape may be given."""
    shape = getattr(call.layer, "noise_shape", None)
    if has_channels_first(call.layer):
        return CHANNELS_FIRST
    return inputs[0] if shape is None or shape[-1] in (None, 1) else Fixed("has noise of its own")


def rescaling(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Rescaling`."""
    single = np.ndim(call.layer.scale) == np.ndim(call.layer.offset) == 0
    return inputs[0] if single else Fixed("has a constant for each channel")


def reduce(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of operations over positions, such as `keras.ops.mean(x, axis=(1, 2))`."""
    rank = len(call.inputs[0].shape)
    axis = call.layer.axis
    axes = list(range(rank)) if axis is None else np.atleast_1d(axis).tolist()
    reduced = {number % rank for number in axes}
    return MIXES if reduced & {0, rank - 1} else inputs[0]


def expand_dims(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `keras.ops.expand_dims`."""
    rank = len(call.outputs[0].shape)
    added = {number % rank for number in np.atleast_1d(call.layer.axis).tolist()}
    return _MOVES if added & {0, rank - 1} else inputs[0]


def reshape_operation(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `keras.ops.reshape`, where the last axis stays as it is."""
    shape = call.layer.newshape
    if width(call.outputs[0]) != len(inputs[0]) or not isinstance(shape, (list, tuple)):
        return _MOVES
    if shape[-1] != -1:
        recorder.count(call.layer.name, "newshape", inputs[0], index=len(shape) - 1)
    return inputs[0]
