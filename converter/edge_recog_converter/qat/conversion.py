"""From a model that rounds to the INT8 file that it has imitated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.qat.kernels import FAKE_QUANT_KINDS
from edge_recog_converter.qat.ranges import FakeQuant, Give
from edge_recog_converter.qat.tokens import ConstantOperand, InverseRoot
from edge_recog_converter.qat.walking import rebuilt
from edge_recog_converter.quantization import converted, converter_of, refuse_floats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_BIAS_CHANGE: Final = 2**-21
_PLAIN_KINDS: Final = {imitation: kind for kind, imitation in FAKE_QUANT_KINDS.items()}

_PLAIN_ARGUMENTS: Final[Mapping[Any, Mapping[str, Any]]] = {
    ConstantOperand: {"active": False},
    InverseRoot: {"least": 0.0},
}


def convert_fake_quantized(model: Any, *, edges: str = "uint8") -> bytes:
    """Return a model of `fake_quantized` as a TFLite file of batch 1 in 8-bit integers throughout.

    The file has the ranges and kernels that `model` has now; nothing is calibrated.

    Args:
        model: As `fake_quantized` makes it, trained or not.
        edges: Type of input and output: `uint8`, `int8` or `float32`.

    Raises:
        ConversionError: `model` does not round, or an operation has no integer form.
    """
    if not any(isinstance(layer, FakeQuant) for layer in model.layers):
        raise ConversionError(f"{model.name} has no ranges: it is not from fake_quantized")
    converter = converter_of(settled(model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = getattr(tf, edges)
    content = converted(converter)
    if edges != "float32":
        refuse_floats(content)
    return content


def settled(model: Any) -> Any:
    """Return a copy with constant ranges and plain layers that have the rounded kernels.

    TFLite's converter takes a channel's largest weight for 127, and so finds the integers again;
    its own way with fake-quantised kernels fails at dense layers ("mismatched quantized axes").
    """
    return rebuilt(model, _Settler())


class _Settler:
    """Makes the plain copies of layers, one of each however often it is called."""

    def __init__(self) -> None:
        self._constant: dict[str, Any] = {}

    def __call__(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what takes the place of the layer's output."""
        if isinstance(layer, FakeQuant):
            # The converter takes the scale of what is pooled for the pool's, and needs no step.
            rounded = kwargs.get("give", Give.ROUNDED) == Give.ROUNDED and layer.active
            return self._with_constants(layer)(args[0]) if rounded else args[0]
        config = layer.get_config()
        kind = _PLAIN_KINDS.get(type(layer))
        if kind is None:
            kwargs.pop("training", None)
            # The converter rounds constants itself, and its inverse root copes with 0.
            config |= _PLAIN_ARGUMENTS.get(type(layer), {})
            copy = type(layer).from_config(config)
            output = copy(*args, **kwargs)
            copy.set_weights(layer.get_weights())
            return output
        del config["active"]
        copy = kind.from_config(config)
        output = copy(args[0])
        copy.kernel.assign(layer.rounded_kernel())
        copy.bias.assign(_not_constant(np.asarray(layer.bias)))
        return output

    def _with_constants(self, layer: Any) -> Any:
        if layer.name not in self._constant:
            self._constant[layer.name] = FakeQuant([layer.range], fixed=True, name=layer.name)
        return self._constant[layer.name]


def _not_constant(bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return biases that are not all the same, by about a millionth.

    TFLite's converter (TensorFlow 2.21) keeps one value of biases that are, and gives every channel
    the integer of the first one, whatever its scale: 3 comes out as 2 or 5. That is also what
    becomes of the 3 in hard sigmoid after biases that are all 0.
    """
    if bias.size < 2 or np.ptp(bias) > 0:
        return bias
    changed = bias.copy()
    changed[0] += _BIAS_CHANGE * max(abs(float(bias[0])), 3.0)
    return changed
