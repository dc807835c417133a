"""Which activation functions treat each channel by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.rules.rule import MIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.pruning.graph import Call
    from edge_recog_converter.pruning.recording import Recorder

_ELEMENTWISE: Final = (
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
)
_MIXING: Final = ("log_softmax", "softmax", "sparsemax")
"""Over the last axis. (`glu` halves it, and is refused.)"""


def mixes_channels(call: Call) -> bool:
    """Whether the layer's `activation` makes each channel depend on the others.

    Raises:
        PruningError: It is no function of `keras.activations`, or changes the number of channels.
    """
    activation = call.layer.activation
    if activation is None or activation in _functions(_ELEMENTWISE):
        return False
    if activation in _functions(_MIXING):
        return True
    raise PruningError(
        f"layer {call.where} has an activation of which nothing is known, "
        f"{getattr(activation, '__name__', activation)!r}: use one of keras.activations"
    )


def activated(recorder: Recorder, call: Call, units: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return `units` after the activation that is part of a layer with weights."""
    if mixes_channels(call):
        recorder.fix(call.layer.name, units, f"{type(call.layer).__name__} {MIXES.why}")
    return units


def activation_layer(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Activation`."""
    return MIXES if mixes_channels(call) else inputs[0]


def softmax_layer(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `Softmax`, over whichever axes."""
    rank = len(call.inputs[0].shape)
    axes = call.layer.axis if isinstance(call.layer.axis, (list, tuple)) else [call.layer.axis]
    return MIXES if any(axis in (-1, rank - 1) for axis in axes) else inputs[0]


def prelu_layer(recorder: Recorder, call: Call, inputs: Sequence[NDArray[np.intp]]) -> Any:
    """Rule of `PReLU`, whose slope has the shape of one input."""
    slope = call.layer.alpha
    if slope.shape[-1] == len(inputs[0]):
        recorder.lie(call.layer.name, "alpha", len(slope.shape) - 1, "carries", inputs[0])
    return inputs[0]


def _functions(names: Sequence[str]) -> list[Any]:
    found = (getattr(keras.activations, name, None) for name in names)
    return [function for function in found if function is not None]
