"""Where TFLite's full-INT8 converter rounds activations, decided on a simplified model.

An operation takes integers and gives integers, so what it gives is rounded, once:

- a convolution or dense layer, a sum, difference or product after its fused ReLU or ReLU6, not
  before;
- what only moves or selects values (reshaping, the maximum) has its input's scale and rounds
  nothing; average pooling has its input's scale too, and does round;
- a concatenation and all that it joins have one scale in common;
- softmax, sigmoid, hard sigmoid and tanh have a fixed scale.

https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec; hard
sigmoid, which is not in it, is a sixth of ReLU6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat.simplifying import KERNEL_KINDS
from edge_recog_converter.qat.tokens import ConstantOperand, InverseRoot, MatrixProduct
from edge_recog_converter.qat.walking import consumers, is_output, producers


class Rounding(Enum):
    """What happens to the output of a layer."""

    NONE = auto()
    """Nothing: it is fused with the layer that follows, or has values of its input only."""
    OWN = auto()
    """It has a range of its own."""
    FIXED = auto()
    """It has a range that follows from what it computes."""
    AS_INPUT = auto()
    """It is rounded to the levels of its input."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is done at one layer."""

    rounding: Rounding
    ends: tuple[float, float] | None = None
    """The range if it is fixed."""
    shared_by: tuple[str, ...] = ()
    """All layers that have this range in common, in order; none if it is the layer's alone."""


_JUST_BELOW: Final = 255 / 256
FIXED_ENDS: Final = {
    "softmax": (0.0, _JUST_BELOW),
    "sigmoid": (0.0, _JUST_BELOW),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 127 / 128),
}
"""By activation: scales of 1/256, 1/255 (a sixth of ReLU6's 6/255) and 1/128."""
_LEARNED: Final = frozenset({"hard_silu", "hard_swish", "gelu"})
"""Activations that TFLite computes at once, with a range of their own."""

_SAME_VALUES: Final = (
    keras.layers.Concatenate,
    keras.layers.Cropping2D,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.Permute,
    keras.layers.Reshape,
    keras.layers.SpatialDropout2D,
    keras.layers.ZeroPadding2D,
)
_FUSES_RELU: Final = (
    *KERNEL_KINDS,
    keras.layers.Add,
    keras.layers.Multiply,
    keras.layers.Subtract,
)
_OWN_RANGE: Final = (
    *_FUSES_RELU,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    ConstantOperand,
    InverseRoot,
    MatrixProduct,
)
_SUMS: Final = (keras.layers.Add, keras.layers.Multiply)


def places(model: Any) -> dict[str, Place]:
    """Return what is rounded at each layer of a simplified model, by name.

    Raises:
        ConversionError: Some layers have no known integer form, all of which are named; or a
            concatenation joins what cannot share a scale.
    """
    taken = consumers(model)
    placed: dict[str, Place] = {}
    refused: list[str] = []
    for layer in model.layers:
        reason = _refusal(layer)
        if reason:
            refused.append(f"{layer.name} ({reason})")
        else:
            placed[layer.name] = _place(model, layer, taken[layer.name])
    if refused:
        raise ConversionError(
            f"{len(refused)} layers have no form in 8-bit integers that can be trained: "
            f"{'; '.join(refused)}"
        )
    _share(model, placed)
    return placed


def _share(model: Any, placed: dict[str, Place]) -> None:
    """Have all that meets in a concatenation share a range.

    Raises:
        ConversionError: The range of one is fixed.
    """
    group_of: dict[str, set[str]] = {}
    for layer in model.layers:
        if type(layer) is not keras.layers.Concatenate:
            continue
        joined = set().union(*(_sources(each, placed) for each in producers(layer)))
        for name in sorted(joined):
            is_input = isinstance(model.get_layer(name), keras.layers.InputLayer)
            if placed[name].rounding is Rounding.FIXED or is_input:
                raise ConversionError(
                    f"{layer.name} joins {name}, whose scale is fixed, with other values: TFLite "
                    "has one scale for all of them"
                )
            joined |= group_of.get(name, set())
        for name in joined:
            group_of[name] = joined
    order = {layer.name: index for index, layer in enumerate(model.layers)}
    for name, group in group_of.items():
        if len(group) > 1:
            shared_by = tuple(sorted(group, key=order.__getitem__))
            placed[name] = replace(placed[name], shared_by=shared_by)


def _sources(layer: Any, placed: dict[str, Place]) -> set[str]:
    """Return the layers whose ranges the output of `layer` has."""
    rounding = placed[layer.name].rounding
    if rounding in (Rounding.OWN, Rounding.FIXED):
        return {layer.name}
    return set().union(*(_sources(each, placed) for each in producers(layer)))


def _place(model: Any, layer: Any, following: list[Any]) -> Place:
    kind = type(layer)
    fused = len(following) == 1 and not is_output(model, layer) and _is_fused(layer, following[0])
    if fused or kind in _SAME_VALUES:
        return Place(Rounding.NONE)
    if kind is keras.layers.AveragePooling2D:
        return Place(Rounding.AS_INPUT)
    ends = FIXED_ENDS.get(activation_of(layer) or "")
    return Place(Rounding.OWN) if ends is None else Place(Rounding.FIXED, ends)


def _is_fused(layer: Any, following: Any) -> bool:
    """Whether `layer` and the activation that alone follows it are one operation."""
    if type(layer) in _FUSES_RELU and type(following) is keras.layers.ReLU:
        return True
    return type(layer) in KERNEL_KINDS and activation_of(following) == "hard_sigmoid"


def activation_of(layer: Any) -> str | None:
    """Return the name of the activation that `layer` is, or None; ReLU is none here."""
    if type(layer) is keras.layers.Softmax:
        return "softmax"
    if type(layer) is keras.layers.Activation:
        activation = keras.activations.serialize(layer.activation)
        return activation if isinstance(activation, str) else "a function of its own"
    return None


def _refusal(layer: Any) -> str | None:
    """Return why `layer` cannot be imitated, or None."""
    kind = type(layer)
    if kind is keras.layers.ReLU:
        plain = layer.max_value in (None, 6) and not layer.negative_slope and not layer.threshold
        return None if plain else "TFLite fuses ReLU and ReLU6 only"
    activation = activation_of(layer)
    if activation is not None:
        known = activation in FIXED_ENDS or activation in _LEARNED
        return None if known else f"no integer form of {activation} is imitated"
    if kind in KERNEL_KINDS:
        return _kernel_refusal(layer)
    if kind in _SUMS and len(producers(layer)) != 2:
        return f"{len(producers(layer))} inputs are several operations: use layers of two"
    known_kinds = (
        keras.layers.InputLayer,
        keras.layers.AveragePooling2D,
        *_SAME_VALUES,
        *_OWN_RANGE,
    )
    return None if kind in known_kinds else f"{kind.__name__} is not imitated"


def _kernel_refusal(layer: Any) -> str | None:
    if getattr(layer, "groups", 1) != 1:
        return f"{layer.groups} groups"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return "channels come first"
    return None
