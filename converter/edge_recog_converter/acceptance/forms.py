"""One network in the forms that it can be quantised in: how ranges are chosen, channels scaled.

A form is built of a *plain* model (simplified, perhaps equalised), its twin with rounded weights,
and ranges. The models are kept, as several attempts need them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.ptq.bias_correction import correct_biases
from edge_recog_converter.ptq.calibrating import Method, calibrated_ranges
from edge_recog_converter.ptq.equalization import equalize
from edge_recog_converter.ptq.sensitivities import Sensitivity, sensitivity
from edge_recog_converter.qat.inserting import Range, with_ranges
from edge_recog_converter.qat.kernels import FAKE_QUANT_KINDS
from edge_recog_converter.qat.placing import activation_of
from edge_recog_converter.qat.ranges import FakeQuant
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.qat.walking import producers
from edge_recog_converter.quantization import ROUNDING_INPUTS, checked_inputs
from edge_recog_converter.weight_rounding import round_weights

if TYPE_CHECKING:
    from edge_recog_converter.acceptance.quantizable import Quantizable

_SENSITIVITY_INPUTS: Final = 32
"""Calibration inputs that sensitivities are measured on, at most: each costs a run a layer."""
_KERNEL_KINDS: Final = tuple(FAKE_QUANT_KINDS.values())


@dataclass(frozen=True, slots=True)
class Form:
    """How a network is prepared for integers."""

    method: Method
    """How ranges of activations are chosen."""
    equalized: bool = False
    """Channels are scaled against each other, and biases corrected in the end."""

    def __str__(self) -> str:
        """Say it in some words."""
        ranges = f"ranges by {self.method.value.replace('-', ' ')}"
        return f"equalised channels, corrected biases, {ranges}" if self.equalized else ranges


class Forms:
    """The forms of one network."""

    def __init__(self, quantizable: Quantizable) -> None:
        """Check the calibration inputs.

        Raises:
            ConversionError: They are missing or do not fit.
        """
        self._quantizable = quantizable
        self.inputs = checked_inputs(quantizable.network, quantizable.calibration)
        """Calibration inputs, each (1, height, width, channels)."""
        # On the instance, so that models go with it.
        self._plain = cache(self._make_plain)
        self._rounded = cache(self._make_rounded)
        self._ranges = cache(self._measure_ranges)

    def rounding(self, form: Form, *, floats: frozenset[str] = frozenset()) -> Any:
        """Return a model that computes what the INT8 file of a form will.

        Args:
            form: Which.
            floats: Names of layers that will compute in float: their kernels are not rounded.

        Raises:
            ConversionError: Layers have no form in integers; these are named.
        """
        plain, source = self._plain(form.equalized), self._rounded(form.equalized)
        model = with_ranges(source, self._ranges(form))
        for name in sorted(floats):
            layer = model.get_layer(name)
            layer.set_weights(plain.get_layer(name).get_weights())
            if isinstance(layer, _KERNEL_KINDS):
                layer.active = False
        if form.equalized:
            correct_biases(model, plain, self.inputs)
        return model

    def sensitivities(self, form: Form) -> tuple[Sensitivity, ...]:
        """Return how much each layer suffers from 8 bits, most first; without the input.

        Raises:
            ConversionError: As `rounding`.
        """
        plain = self._plain(form.equalized)
        inputs = self.inputs[:_SENSITIVITY_INPUTS]
        entrance = plain.inputs[0]._keras_history.operation.name
        found = sensitivity(logits_view(plain), inputs, method=form.method)
        return tuple(one for one in found if one.layer != entrance)

    def with_last_activation(self, form: Form, floats: frozenset[str]) -> frozenset[str]:
        """Return the layers, and the softmax or sigmoid at the end if what it takes is among them.

        Otherwise logits would be computed in float only to be rounded at once.
        """
        last = last_activation(self._plain(form.equalized))
        if last is not None and producers(last)[0].name in floats:
            return floats | {last.name}
        return floats

    def _make_plain(self, equalized: bool) -> Any:
        plain = simplified(self._quantizable.network)
        return equalize(plain) if equalized else plain

    def _make_rounded(self, equalized: bool) -> Any:
        given = self._quantizable
        if given.prepared is not None and not equalized:
            return simplified(given.prepared)
        plain = self._plain(equalized)
        if given.sparse:
            return plain
        copy = keras.models.clone_model(plain)
        copy.set_weights(plain.get_weights())
        round_weights(copy, self.inputs[:ROUNDING_INPUTS], seed=given.seed)
        return copy

    def _measure_ranges(self, form: Form) -> dict[str, Range]:
        return calibrated_ranges(self._rounded(form.equalized), self.inputs, method=form.method)


def last_activation(model: Any) -> Any | None:
    """Return the softmax or sigmoid that a simplified or rounding model ends in, or None."""
    layer = model.outputs[0]._keras_history.operation
    if isinstance(layer, FakeQuant):
        layer = producers(layer)[0]
    return layer if activation_of(layer) in ("softmax", "sigmoid") else None


def logits_view(model: Any) -> Any:
    """Return the model up to its logits, of the same layers: training it trains the model."""
    last = last_activation(model)
    return model if last is None else keras.Model(model.inputs[0], last.input)
