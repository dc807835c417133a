"""From a Keras model to its channels: which must be removed together, and which must stay.

Every tensor's last axis has a unit for each channel. Layers that make channels give them new units;
layers that combine channels (an addition, a grouped convolution) merge theirs; weights are
remembered with the units that lie along their axes. So residuals, concatenations, gates and
flattened maps need no case of their own. Fang et al. 2023, DepGraph: towards any structural
pruning, https://arxiv.org/abs/2301.12900, has the idea for layers; here it is for single channels.

Channels of inputs and outputs stay, and so do those that a layer mixes (attention, softmax,
normalisation over channels): without one of them it would compute something else of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter.pruning.graph import calls, functional, width
from edge_recog_converter.pruning.recording import Recorder
from edge_recog_converter.pruning.rules.rule import Fixed
from edge_recog_converter.pruning.rules.table import rule_of
from edge_recog_converter.pruning.units import FIXED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog_converter.pruning.channels import Channels

_UNCOUNTED: Final = Fixed("has no known number of channels")


def trace(model: Any) -> Channels:
    """Return the channels of a functional or sequential `model`.

    Raises:
        PruningError: It is neither, or has a layer of which nothing is known; it is named.
    """
    graph = functional(model)
    recorder = Recorder()
    units: dict[int, NDArray[np.intp]] = {id(x): _fixed(x) for x in graph.inputs}
    for call in calls(graph):
        rule = rule_of(call)
        inputs = [units[id(tensor)] for tensor in call.inputs]
        made = rule(recorder, call, inputs) if all(map(len, inputs)) else _UNCOUNTED
        if isinstance(made, Fixed):
            for taken in inputs:
                recorder.fix(call.layer.name, taken, f"{type(call.layer).__name__} {made.why}")
            units |= {id(tensor): _fixed(tensor) for tensor in call.outputs}
        else:
            (output,) = call.outputs
            units[id(output)] = made
    for tensor in graph.outputs:
        recorder.fix(
            tensor._keras_history.operation.name, units[id(tensor)], "its channels are an output"
        )
    return recorder.channels()


def _fixed(tensor: Any) -> NDArray[np.intp]:
    return np.full(width(tensor), FIXED, np.intp)
