"""How many multiply-accumulates a layer makes for one image, by kind of layer."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_recog_converter.pruning.graph import Call

_PLACEHOLDERS: Final = "0123456789"
"""For the axes that an ellipsis stands for."""


class Product(NamedTuple):
    """Multiply-accumulates of one weight."""

    weight: str
    """The layer's attribute."""
    positions: int
    """How often each element of the weight is multiplied."""


class Counted(NamedTuple):
    """Multiply-accumulates of one call."""

    products: tuple[Product, ...] = ()
    unweighted_macs: int = 0
    """Those whose layer keeps all its channels, whatever is removed elsewhere."""


def count(call: Call) -> Counted:
    """Return the work of a call: none, if its layer neither convolves, multiplies nor attends.

    Raises:
        PruningError: Its map has no fixed size.
    """
    counted = _COUNTED.get(type(call.layer))
    return Counted() if counted is None else counted(call)


def _convolution(call: Call) -> Counted:
    return Counted((Product("kernel", _positions(call)),))


def _separable(call: Call) -> Counted:
    positions = _positions(call)
    products = (Product("depthwise_kernel", positions), Product("pointwise_kernel", positions))
    return Counted(products)


def _dense(call: Call) -> Counted:
    return Counted((Product("kernel", _sized(call, call.outputs[0].shape[1:-1])),))


def _einsum_dense(call: Call) -> Counted:
    """Return the kernel's work: once for each place on an axis that is not the kernel's."""
    shape = call.inputs[0].shape
    taken, _, rest = call.layer.equation.replace(" ", "").partition(",")
    weights = rest.partition("->")[0]
    hidden = len(shape) - len(taken.replace("...", ""))
    letters = taken.replace("...", _PLACEHOLDERS[:hidden])
    axes = list(zip(letters, shape, strict=True))[1:]
    outside = [size for letter, size in axes if letter not in weights]
    return Counted((Product("kernel", _sized(call, outside)),))


def _attention(call: Call) -> Counted:
    """Return the four projections and the two products of values with values.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.2.
    """
    config = call.layer.get_config()
    if config.get("use_gate"):
        raise PruningError(f"layer {call.where} has a gate, whose cost is not known")
    query, value = call.inputs[0].shape, call.inputs[1].shape
    key = call.inputs[2].shape if len(call.inputs) > 2 else value
    heads, key_dim = config["num_heads"], config["key_dim"]
    value_dim = config["value_dim"] or key_dim
    asking, asked = _sized(call, query[1:-1]), _sized(call, value[1:-1])
    seen = _sized(call, [value[axis] for axis in config["attention_axes"]])
    macs = (
        asking * (query[-1] * key_dim + value_dim * call.outputs[0].shape[-1])
        + asked * (key[-1] * key_dim + value[-1] * value_dim)
        + asking * seen * (key_dim + value_dim)
    )
    return Counted(unweighted_macs=heads * macs)


def _positions(call: Call) -> int:
    shape = call.outputs[0].shape
    return _sized(call, shape[2:] if call.layer.data_format == "channels_first" else shape[1:-1])


def _sized(call: Call, shape: Sequence[Any]) -> int:
    if None in shape:
        raise PruningError(
            f"layer {call.where} works on a map of an open size: give the model a fixed input shape"
        )
    return math.prod(shape)


_COUNTED: Final[Mapping[type, Callable[[Call], Counted]]] = MappingProxyType(
    {
        keras.layers.Conv1D: _convolution,
        keras.layers.Conv2D: _convolution,
        keras.layers.DepthwiseConv1D: _convolution,
        keras.layers.DepthwiseConv2D: _convolution,
        keras.layers.SeparableConv1D: _separable,
        keras.layers.SeparableConv2D: _separable,
        keras.layers.Dense: _dense,
        keras.layers.EinsumDense: _einsum_dense,
        keras.layers.MultiHeadAttention: _attention,
    }
)
