"""Layers that make channels of others, and normalisations.

Kernels are as Keras has them: (…, in, out) for convolutions and dense layers, (…, in, multiplier)
for depthwise ones, whose outputs come in that order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter.pruning.rules.activations import activated
from edge_recog_converter.pruning.rules.rule import (
    CHANNELS_FIRST,
    Fixed,
    has_channels_first,
    is_last_axis,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.pruning.graph import Call
    from edge_recog_converter.pruning.recording import Recorder

_NORMALIZATION_WEIGHTS: Final = ("gamma", "beta", "moving_mean", "moving_variance")


def convolution(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Conv1D` and `Conv2D`, grouped ones too.

    A grouped convolution keeps its groups, which must stay equally large: channels at the same
    place in every group are tied to one another. Where each group reads one channel only, whole
    groups are removed instead.
    """
    layer, (units,) = call.layer, inputs
    if has_channels_first(layer):
        return CHANNELS_FIRST
    if layer.groups > 1 and layer.groups == len(units):
        return _convolution_of_each(recorder, call, units)
    name, rank = layer.name, len(layer.kernel.shape)
    by_group = units.reshape(layer.groups, -1)
    for others in by_group[1:]:
        recorder.units.merge(by_group[0], others)
    recorder.lie(name, "kernel", rank - 2, "reads", by_group[0])
    made = recorder.makes(name, "kernel", rank - 1, layer.filters)
    made_by_group = made.reshape(layer.groups, -1)
    for others in made_by_group[1:]:
        recorder.units.merge(made_by_group[0], others)
    return _finished(recorder, call, made, "filters")


def depthwise(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `DepthwiseConv1D` and `DepthwiseConv2D`: an input goes with all made of it."""
    layer, (units,) = call.layer, inputs
    if has_channels_first(layer):
        return CHANNELS_FIRST
    recorder.lie(layer.name, "kernel", len(layer.kernel.shape) - 2, "carries", units)
    return _finished(recorder, call, np.repeat(units, layer.depth_multiplier), None)


def separable(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `SeparableConv1D` and `SeparableConv2D`: a depthwise one and a 1x1 in one."""
    layer, (units,) = call.layer, inputs
    if has_channels_first(layer):
        return CHANNELS_FIRST
    name, rank = layer.name, len(layer.pointwise_kernel.shape)
    between = np.repeat(units, layer.depth_multiplier)
    recorder.lie(name, "depthwise_kernel", rank - 2, "carries", units)
    recorder.lie(name, "pointwise_kernel", rank - 2, "reads", between)
    made = recorder.makes(name, "pointwise_kernel", rank - 1, layer.filters)
    return _finished(recorder, call, made, "filters")


def dense(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Dense`, on any number of axes."""
    recorder.lie(call.layer.name, "kernel", 0, "reads", inputs[0])
    made = recorder.makes(call.layer.name, "kernel", 1, call.layer.units)
    return _finished(recorder, call, made, "units")


def einsum_dense(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `EinsumDense`, where it reads the last axis and makes a new last one."""
    layer, name = call.layer, call.layer.name
    taken, weights, given = _einsum_terms(layer.equation)
    read, made = taken[-1], given[-1]
    settled = isinstance(layer.partial_output_shape, tuple) and bool(layer.partial_output_shape)
    if not (
        settled
        and read in weights
        and read not in given
        and made in weights
        and made not in taken
        and layer.partial_output_shape[-1] is not None
    ):
        return Fixed("does not read and make the last axis only")
    recorder.lie(name, "kernel", weights.index(read), "reads", inputs[0])
    count = int(layer.kernel.shape[weights.index(made)])
    units = recorder.makes(name, "kernel", weights.index(made), count)
    if layer.bias is not None and made in layer.bias_axes:
        # The bias has its axes in the order of the output, the last one last.
        recorder.lie(name, "bias", len(layer.bias.shape) - 1, "carries", units)
    position = len(layer.partial_output_shape) - 1
    recorder.count(name, "output_shape", units, index=position)
    return activated(recorder, call, units)


def batch_normalization(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `BatchNormalization`, which has statistics of its own for each channel."""
    if not is_last_axis(call.layer.axis, len(call.inputs[0].shape)):
        return CHANNELS_FIRST
    for weight in _NORMALIZATION_WEIGHTS:
        if getattr(call.layer, weight, None) is not None:
            recorder.lie(call.layer.name, weight, 0, "carries", inputs[0])
    return inputs[0]


def _convolution_of_each(recorder: Recorder, call: Call, units: NDArray[np.intp]) -> Any:
    """Return what a convolution makes that has as many groups as channels."""
    layer = call.layer
    made = np.repeat(units, layer.filters // layer.groups)
    recorder.lie(layer.name, "kernel", len(layer.kernel.shape) - 1, "carries", made)
    recorder.count(layer.name, "groups", units)
    return _finished(recorder, call, made, "filters")


def _finished(
    recorder: Recorder, call: Call, units: NDArray[np.intp], counted_by: str | None
) -> NDArray[np.intp]:
    """Return `units` after bias and activation."""
    if call.layer.use_bias:
        recorder.lie(call.layer.name, "bias", 0, "carries", units)
    if counted_by is not None:
        recorder.count(call.layer.name, counted_by, units)
    return activated(recorder, call, units)


def _einsum_terms(equation: str) -> tuple[str, str, str]:
    """Return the letters of input, kernel and output, each without `...`."""
    taken, _, rest = equation.replace(" ", "").replace("...", "").partition(",")
    weights, _, given = rest.partition("->")
    return taken, weights, given
