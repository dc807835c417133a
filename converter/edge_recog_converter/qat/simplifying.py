"""A model taken apart into what TFLite computes: one layer for each operation, nothing else.

Batch normalisations become part of the kernel and bias before them (Jacob et al. 2018, section
3.2, https://arxiv.org/abs/1712.05877), or a 1x1 depthwise convolution where there is none.
Activations of other layers become layers, since each is a place where values may be rounded; so do
the parts of attention.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat.tokens import (
    attended,
    einsum_dense,
    root_mean_square_normalized,
)
from edge_recog_converter.qat.walking import (
    as_functional,
    consumers,
    copied,
    inputs_of,
    is_output,
    producers,
    rebuilt,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

KERNEL_KINDS: Final = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
"""Exactly these have kernels in a simplified model, and a bias, and no activation of their own."""


def simplified(model: Any) -> Any:
    """Return a copy of `model` that computes the same outside of training, of simple layers.

    Kernels and biases keep the names of their layers. Weights are not shared with `model`.

    Args:
        model: A functional or sequential `keras.Model`.

    Raises:
        ConversionError: The graph cannot be walked, or a normalisation not be folded.
    """
    model = as_functional(model)
    taken = consumers(model)
    followers = {
        layer.name: taken[layer.name][0]
        for layer in model.layers
        if type(layer) in KERNEL_KINDS and _is_followed(model, layer, taken)
    }
    return rebuilt(model, functools.partial(_simplify, followers))


def kernel_shape_of(layer: Any, factor: NDArray[Any]) -> NDArray[Any]:
    """Return one value for each output channel of `layer`, shaped so that it multiplies a kernel.

    A depthwise kernel is (height, width, in, multiplier), its outputs in that order.
    """
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return factor.reshape(layer.kernel.shape[2:])
    return factor


def _is_followed(model: Any, layer: Any, taken: dict[str, list[Any]]) -> bool:
    """Whether a normalisation can be folded into `layer`."""
    following = taken[layer.name]
    return (
        layer.activation is keras.activations.linear
        and len(following) == 1
        and type(following[0]) is keras.layers.BatchNormalization
        and following[0].axis in (-1, len(layer.output.shape) - 1)
        and not is_output(model, layer)
    )


def _simplify(followers: dict[str, Any], layer: Any, *args: Any, **kwargs: Any) -> Any:
    kind = type(layer)
    if kind in KERNEL_KINDS:
        return _apart(layer, followers.get(layer.name), args[0])
    if kind is keras.layers.BatchNormalization:
        if any(follower is layer for follower in followers.values()):
            return args[0]
        return _as_depthwise(layer, args[0])
    if kind is keras.layers.Activation:
        return activated(args[0], keras.activations.serialize(layer.activation), layer.name)
    kwargs.pop("training", None)
    if kind is keras.layers.MultiHeadAttention:
        return attended(layer, *args, **kwargs)
    if kind is keras.layers.RMSNormalization:
        return root_mean_square_normalized(layer, args[0])
    if kind is keras.layers.EinsumDense:
        x = einsum_dense(layer, args[0])
        return activated(x, layer.get_config()["activation"], f"{layer.name}_activation")
    copy = copied(layer)
    output = copy(*args, **kwargs)
    copy.set_weights(layer.get_weights())
    return output


def activated(x: Any, activation: Any, name: str) -> Any:
    """Return an activation of `x` as layers called after `name`, ReLU and SiLU in TFLite's form."""
    if activation == "linear":
        return x
    if activation in ("relu", "relu6"):
        return keras.layers.ReLU(6.0 if activation == "relu6" else None, name=name)(x)
    if activation in ("silu", "swish"):
        gate = keras.layers.Activation("sigmoid", name=f"{name}_gate")(x)
        return keras.layers.Multiply(name=name)([x, gate])
    return keras.layers.Activation(activation, name=name)(x)


def _apart(layer: Any, normalization: Any | None, x: Any) -> Any:
    """Return a linear layer with a bias, applied to `x`, and its activation as another layer."""
    config = layer.get_config()
    activation = config.pop("activation")
    plain = type(layer).from_config(config | {"activation": "linear", "use_bias": True})
    x = plain(x)
    kernel = np.asarray(layer.kernel, np.float64)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros(plain.bias.shape)
    if normalization is not None:
        factor, offset = _affine(normalization)
        kernel = kernel * kernel_shape_of(layer, factor)
        bias = bias * factor + offset
    plain.kernel.assign(kernel)
    plain.bias.assign(bias)
    return activated(x, activation, f"{layer.name}_activation")


def _affine(normalization: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each channel is multiplied by outside of training, and what is then added."""
    mean, variance = (
        np.asarray(weight, np.float64)
        for weight in (normalization.moving_mean, normalization.moving_variance)
    )
    factor = 1 / np.sqrt(variance + normalization.epsilon)
    if normalization.scale:
        factor = factor * np.asarray(normalization.gamma)
    offset = -mean * factor
    return factor, offset + np.asarray(normalization.beta) if normalization.center else offset


def _as_depthwise(normalization: Any, x: Any) -> Any:
    if len(x.shape) != 4 or normalization.axis not in (-1, 3):
        before = ", ".join(layer.name for layer in producers(normalization))
        shape = tuple(inputs_of(normalization)[0].shape)
        raise ConversionError(
            f"{normalization.name} normalises {shape} after {before}, where there is neither a "
            "kernel to fold it into nor a map to filter: let it follow a linear convolution or "
            "dense layer that nothing else takes from"
        )
    factor, offset = _affine(normalization)
    layer = keras.layers.DepthwiseConv2D(1, name=normalization.name)
    output = layer(x)
    layer.kernel.assign(factor.reshape(layer.kernel.shape))
    layer.bias.assign(offset)
    return output
