"""litert-quantizer as a `Converter`: a float file, and the range of each activation in it.

Its operations and tensors are told apart by their names, which TFLite's converter makes of those of
layers.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edge_recog.tflite import read_model
from edge_recog_converter.acceptance.converters import inactive, version_of
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat.conversion import settled
from edge_recog_converter.qat.ranges import FakeQuant
from edge_recog_converter.qat.walking import rebuilt
from edge_recog_converter.quantization import convert_float, refuse_floats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LiteRtQuantizer:
    """Google's litert-quantizer, which works on a float file."""

    @property
    def name(self) -> str:
        """See `Converter`."""
        return f"litert-quantizer {version_of('litert-quantizer')}"

    def convert(
        self,
        rounding: Any,
        calibration: Sequence[NDArray[np.float32]],
        *,
        floats: frozenset[str] = frozenset(),
    ) -> bytes:
        """See `Converter`."""
        plain, tokens = _tokenized(rounding)
        missing = sorted(floats - tokens.keys())
        if missing:
            raise ConversionError(f"{rounding.name} has no layer {', '.join(missing)}")
        content = convert_float(plain)
        graph = _Graph(content, rounding, tokens)
        scopes = graph.scopes(floats)
        quantized = _quantized(
            content,
            graph.measured(calibration),
            scopes,
            float_output=graph.output_layer in floats,
        )
        if not floats:
            refuse_floats(quantized)
        return quantized


class _Graph:
    """A float file whose tensors are called after the layers of a model that rounds."""

    def __init__(self, content: bytes, rounding: Any, tokens: Mapping[str, str]) -> None:
        self._content = content
        (graph,) = read_model(content).subgraphs
        self._names = [tensor.name for tensor in graph.tensors]
        self._ranks = [len(tensor.shape) for tensor in graph.tensors]
        (self._input,), (self._output,) = graph.inputs, graph.outputs
        self._made = [at for operator in graph.operators for at in operator.outputs]
        """Tensors that operations give."""
        self._tokens = tokens
        self._ranges = {tokens[name]: ends for name, ends in _ranges(rounding).items()}
        self._input_range = _input_range(rounding)
        last = rounding.outputs[0]._keras_history.operation
        self._output_range = last.range if isinstance(last, FakeQuant) else None
        self.output_layer = last.name.removesuffix("_range")
        """Name of the last layer."""

    def scopes(self, floats: frozenset[str]) -> list[str]:
        """Return names of the outputs of all operations of some layers.

        Raises:
            ConversionError: One has none that could be found.
        """
        found: dict[str, list[str]] = {}
        for index in self._made:
            named = {layer for layer in floats if self._tokens[layer] in self._names[index]}
            if index == self._output and self.output_layer in floats:
                # That is not called after its layer.
                named.add(self.output_layer)
            for layer in named:
                found.setdefault(layer, []).append(self._names[index])
        missing = sorted(floats - found.keys())
        if missing:
            raise ConversionError(
                f"no operation of the file is that of {', '.join(missing)}: it cannot be left in "
                "float"
            )
        return sorted({name for names in found.values() for name in names})

    def measured(
        self, calibration: Sequence[NDArray[np.float32]]
    ) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Return least and largest value of each activation, by name, as the quantizer has it.

        They are those of the model where it has some: what it has been calibrated to, or learned.
        """
        # Without XNNPACK's delegate, which hides the tensors within it.
        interpreter = Interpreter(
            model_content=self._content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        known = {index: self._known(index) for index in (self._input, *self._made)}
        ends = {index: found for index, found in known.items() if found is not None}
        unknown = [index for index, found in known.items() if found is None]
        for values in calibration if unknown else ():
            interpreter.set_tensor(self._input, values)
            interpreter.invoke()
            for index in unknown:
                seen = interpreter.get_tensor(index)
                low, high = ends.get(index, (np.inf, -np.inf))
                ends[index] = (min(low, float(seen.min())), max(high, float(seen.max())))
        return {
            self._names[index]: _as_arrays(found, self._ranks[index])
            for index, found in ends.items()
        }

    def _known(self, index: int) -> tuple[float, float] | None:
        """Return the range that the model has for a tensor."""
        if index == self._input:
            return self._input_range
        if index == self._output and self._output_range is not None:
            return self._output_range
        name = self._names[index]
        known = [ends for token, ends in self._ranges.items() if token in name]
        return known[0] if len(known) == 1 else None


def _quantized(
    content: bytes,
    ends: Mapping[str, Mapping[str, NDArray[np.float32]]],
    scopes: Sequence[str],
    *,
    float_output: bool,
) -> bytes:
    from litert_quantizer import Quantizer, qtyping, recipe  # type: ignore[import-untyped]

    everything, operations = qtyping.TFLOperationName.ALL_SUPPORTED, qtyping.TFLOperationName
    edge = qtyping.OpQuantizationConfig(
        activation_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=False, dtype=qtyping.TensorDataType.UINT
        ),
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE
        ),
        compute_precision=qtyping.ComputePrecision.INTEGER,
    )
    # It reports its progress on both.
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        quantizer = Quantizer(bytearray(content), recipe.static_wi8_ai8())
        for scope in scopes:
            # A later rule wins.
            quantizer.update_quantization_recipe(
                f"(^|;){re.escape(scope)};", everything, algorithm_key="no_quantize"
            )
        quantizer.update_quantization_recipe("^.*", operations.INPUT, edge)
        if float_output:
            quantizer.update_quantization_recipe(
                "^.*", operations.OUTPUT, algorithm_key="no_quantize"
            )
        else:
            quantizer.update_quantization_recipe("^.*", operations.OUTPUT, edge)
        try:
            return bytes(quantizer.quantize(dict(ends)).quantized_model)
        except (KeyError, RuntimeError, ValueError) as error:
            raise ConversionError(f"litert-quantizer cannot express the model: {error}") from error


def _tokenized(rounding: Any) -> tuple[Any, dict[str, str]]:
    """Return the same model without rounding, and what each layer is called in it.

    Tensors of a file are called after layers, with numbers added; these names do not occur within
    one another.
    """
    with inactive([layer for layer in rounding.layers if hasattr(layer, "active")]):
        plain = settled(rounding)
    tokens = {layer.name: f"layer{index:05}x" for index, layer in enumerate(plain.layers)}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        copy = type(layer).from_config(layer.get_config() | {"name": tokens[layer.name]})
        output = copy(*args, **kwargs)
        copy.set_weights(layer.get_weights())
        return output

    return rebuilt(plain, call), tokens


def _ranges(rounding: Any) -> dict[str, tuple[float, float]]:
    """Return the range that the output of each layer is rounded to, by its name."""
    found = {}
    for rounder in rounding.layers:
        if isinstance(rounder, FakeQuant):
            for node in rounder._inbound_nodes:
                producer = node.input_tensors[0]._keras_history.operation
                if not isinstance(producer, FakeQuant):
                    found[producer.name] = rounder.range
    return found


def _input_range(rounding: Any) -> tuple[float, float]:
    name = rounding.inputs[0]._keras_history.operation.name
    ends: tuple[float, float] = rounding.get_layer(f"{name}_range").range
    return ends


def _as_arrays(ends: tuple[float, float], rank: int) -> dict[str, NDArray[np.float32]]:
    shape = (1,) * rank
    return {
        name: np.full(shape, end, np.float32)
        for name, end in zip(("min", "max"), ends, strict=True)
    }
