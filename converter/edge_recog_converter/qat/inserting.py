"""From a float Keras model to one that rounds as its INT8 file will, and can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat.kernels import FAKE_QUANT_KINDS, FakeQuantHardSigmoid
from edge_recog_converter.qat.placing import Place, Rounding, activation_of, places
from edge_recog_converter.qat.ranges import DEFAULT_MOMENTUM, FakeQuant, Give
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.qat.tokens import ConstantOperand
from edge_recog_converter.qat.walking import copied, rebuilt
from edge_recog_converter.quantization import checked_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

Range = tuple[float, float]
"""Least and largest value of an activation."""
_AT_ONCE = 16
"""Calibration inputs that the model sees together."""


def fake_quantized(
    model: Any,
    calibration: Iterable[NDArray[np.float32]],
    *,
    momentum: float = DEFAULT_MOMENTUM,
) -> Any:
    """Return a Keras model that computes what the INT8 file of `model` will, and can be trained.

    It is functional, takes and gives what `model` does, and has its batch normalisations folded:
    what it learns are kernels and biases. After each operation of the file stands a `FakeQuant`
    called `NAME_range`, after the last layer that is part of that operation. The input's range is
    fixed, as pixels do not learn.

    Args:
        model: A functional or sequential `keras.Model` of one image input and one output; it is
            left as it is.
        calibration: Network inputs like those to come, each (1, height, width, channels). They
            set the range that each activation begins with. With an all-0 and an all-255 picture
            the input takes pixels unchanged.
        momentum: Of the ranges' moving averages, 0-1.

    Raises:
        ConversionError: The calibration inputs are missing or do not fit, or layers have no form
            in integers; these are named.
    """
    inputs = checked_inputs(model, calibration)
    plain = simplified(model)
    return with_ranges(plain, measured_ranges(plain, inputs), momentum=momentum)


def ranged_tensors(plain: Any) -> dict[str, Any]:
    """Return the tensors whose values set the ranges of a simplified model, by layer.

    Ranges that are fixed are not there; the input's is, as calibration sets it.

    Raises:
        ConversionError: Layers have no form in integers; these are named.
    """
    placed = places(plain)
    return {
        layer.name: layer.output
        for layer in plain.layers
        if placed[layer.name].rounding is Rounding.OWN
    }


def measured_ranges(plain: Any, inputs: Sequence[NDArray[np.float32]]) -> dict[str, Range]:
    """Return the least and the largest value of each layer that has a range.

    Args:
        plain: A simplified model.
        inputs: Each (1, height, width, channels).
    """
    ranges: dict[str, Range] = {}
    for values in observed(plain, inputs):
        for name, tensor in values.items():
            low, high = ranges.get(name, (np.inf, -np.inf))
            ranges[name] = (min(low, float(tensor.min())), max(high, float(tensor.max())))
    return ranges


def observed(
    plain: Any, inputs: Sequence[NDArray[np.float32]]
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the values that set the ranges, by layer, for some inputs at a time."""
    tensors = ranged_tensors(plain)
    watched = keras.Model(plain.inputs[0], tensors)
    for start in range(0, len(inputs), _AT_ONCE):
        batch = np.concatenate(inputs[start : start + _AT_ONCE])
        values = watched(batch, training=False)
        yield {name: np.asarray(value) for name, value in values.items()}


def with_ranges(
    plain: Any, ranges: Mapping[str, Range], *, momentum: float = DEFAULT_MOMENTUM
) -> Any:
    """Return a simplified model that rounds, beginning with these ranges.

    Args:
        plain: A simplified model; it is left as it is.
        ranges: By layer, for those of `ranged_tensors`.
        momentum: Of the moving averages.

    Raises:
        ConversionError: A range is missing, or layers have no form in integers.
    """
    missing = sorted(ranged_tensors(plain).keys() - ranges.keys())
    if missing:
        raise ConversionError(f"no range is given for {', '.join(missing)}")
    return rebuilt(plain, _Inserter(plain, ranges, momentum))


class _Inserter:
    """Makes the copies of layers and what rounds after them, in the graph's order."""

    def __init__(self, plain: Any, ranges: Mapping[str, Range], momentum: float) -> None:
        self._places = places(plain)
        self._ranges = ranges
        self._momentum = momentum
        self._rounders: dict[int, Any] = {}
        """The layer that rounded a tensor, by the tensor's id."""
        self._inputs: dict[int, Any] = {}
        """The rounded inputs, by the input's id."""
        self._shared: dict[str, Any] = {}
        """What rounds at several layers, by the first of them."""
        self._kept: list[Any] = []
        """Tensors whose ids are in use."""

    def __call__(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what takes the place of the layer's output."""
        args = keras.tree.map_structure(self._rounded_input, args)
        place = self._places[layer.name]
        source = self._rounders[id(keras.tree.flatten(args)[0])]
        if type(layer) in FAKE_QUANT_KINDS:
            args = (*args, source(args[0], give=Give.STEP))
        copy = _imitation(layer)
        output = copy(*args, **kwargs)
        copy.set_weights(layer.get_weights())
        if place.rounding is Rounding.AS_INPUT:
            return self._remembered(source(output, give=Give.AVERAGED), source)
        if place.rounding is Rounding.NONE:
            return self._remembered(output, source)
        rounder = self._rounder(layer, place)
        site = place.shared_by.index(layer.name) if place.shared_by else 0
        return self._remembered(rounder(output, site=site), rounder)

    def _rounded_input(self, tensor: Any) -> Any:
        producer = tensor._keras_history.operation
        if not isinstance(producer, keras.layers.InputLayer):
            return tensor
        if id(tensor) not in self._inputs:
            ends = [self._ranges[producer.name]]
            rounder = FakeQuant(ends, fixed=True, name=f"{producer.name}_range")
            self._inputs[id(tensor)] = self._remembered(rounder(tensor), rounder)
        return self._inputs[id(tensor)]

    def _rounder(self, layer: Any, place: Place) -> Any:
        sites = place.shared_by or (layer.name,)
        if sites[0] in self._shared:
            return self._shared[sites[0]]
        rounder = FakeQuant(
            [place.ends or self._ranges[site] for site in sites],
            fixed=place.ends is not None,
            momentum=self._momentum,
            name=f"{sites[0]}_range",
        )
        if place.shared_by:
            self._shared[sites[0]] = rounder
        return rounder

    def _remembered(self, tensor: Any, rounder: Any) -> Any:
        self._kept.append(tensor)
        self._rounders[id(tensor)] = rounder
        return tensor


def _imitation(layer: Any) -> Any:
    """Return a layer without weights that computes what the operation of `layer` does."""
    kind = FAKE_QUANT_KINDS.get(type(layer))
    if kind is not None:
        return kind.from_config(layer.get_config())
    if activation_of(layer) == "hard_sigmoid":
        return FakeQuantHardSigmoid(name=layer.name)
    if isinstance(layer, ConstantOperand):
        return ConstantOperand.from_config(layer.get_config() | {"active": True})
    return copied(layer)
