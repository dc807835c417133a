"""Batch normalisation folded into the convolutions before it.

The TFLite converter folds too, but later than weights can be looked at: what is rounded to 8 bits
are the folded kernels. Jacob et al. 2018, section 3.2, https://arxiv.org/abs/1712.05877.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_recog_converter._tensorflow import keras


def fold_normalizations(model: Any) -> Any:
    """Return a copy of a functional or sequential `model` with its normalisations folded.

    Every normalisation that alone follows a linear convolution or dense layer stays in place, but
    only adds its bias from now on: its factor has moved into the kernel. The copy computes what
    `model` computes outside of training, and shares no weights with it.
    """
    folded = keras.models.clone_model(model)
    folded.set_weights(model.get_weights())
    for layer in folded.layers:
        follower = normalization_after(folded, layer)
        if follower is not None:
            _fold(layer, follower)
    return folded


def normalization_after(model: Any, layer: Any) -> Any | None:
    """Return the normalisation that can be folded into `layer`, or None."""
    if not (is_linear(layer) and is_used_once(layer)):
        return None
    # Operations too, such as x + y, which are not among the layers.
    followers = [
        other for other in model.operations if any(t is layer.output for t in _taken(other))
    ]
    if len(followers) != 1 or type(followers[0]) is not keras.layers.BatchNormalization:
        return None
    follower = followers[0]
    if len(_taken(follower)) != 1 or any(output is layer.output for output in model.outputs):
        return None
    last = follower.axis in (-1, len(layer.output.shape) - 1)
    # Without gamma and beta there is nowhere to keep the rest; the converter folds it later.
    return follower if last and follower.scale and follower.center else None


def is_used_once(layer: Any) -> bool:
    """Whether `layer` stands at one place of its model only."""
    return len(layer._inbound_nodes) == 1


def is_linear(layer: Any) -> bool:
    """Whether `layer` is a convolution or dense layer without an activation of its own."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    return type(layer) in kinds and layer.activation is keras.activations.linear


def _taken(layer: Any) -> list[Any]:
    """Return the tensors that `layer` takes, at every place where it stands."""
    return [tensor for node in layer._inbound_nodes for tensor in node.input_tensors]


def _fold(layer: Any, normalization: Any) -> None:
    mean, variance = (
        np.asarray(weight, np.float64)
        for weight in (normalization.moving_mean, normalization.moving_variance)
    )
    factor = np.asarray(normalization.gamma) / np.sqrt(variance + normalization.epsilon)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros_like(mean)

    kernel = np.asarray(layer.kernel, np.float64)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    # A depthwise kernel is (height, width, in, multiplier), its outputs in that order.
    layer.kernel.assign(kernel * (factor.reshape(kernel.shape[2:]) if depthwise else factor))
    if layer.use_bias:
        layer.bias.assign(np.zeros_like(bias))
    normalization.beta.assign(np.asarray(normalization.beta) + (bias - mean) * factor)
    normalization.gamma.assign(np.full_like(mean, np.sqrt(1 + normalization.epsilon)))
    normalization.moving_mean.assign(np.zeros_like(mean))
    normalization.moving_variance.assign(np.ones_like(mean))
