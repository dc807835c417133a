"""The kinds of TFLite file that a model can become: how wide weights, activations and edges are.

https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quantization
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter._tensorflow import tf
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.quantization import checked_inputs, converted, converter_of, refuse_floats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray


class Variant(StrEnum):
    """What a file holds and computes in."""

    FLOAT32 = "float32"
    """Everything in float32."""
    FLOAT16 = "float16"
    """Weights in float16, made float32 when the file is loaded; half the size."""
    DYNAMIC_RANGE = "dynamic-range"
    """Kernels in int8; activations in float32, or rounded to 8 bits as they come, by kernels that
    can. A quarter of the size, without calibration."""
    INT16X8 = "int16x8"
    """Kernels in int8, activations in int16 with 0 in the middle, biases in int64: experimental,
    with few and slow kernels. Input and output are float32."""
    INT8 = "int8"
    """Everything in 8-bit integers, input and output int8."""
    INT8_UINT8_EDGES = "int8-uint8-edges"
    """The same with uint8 input and output, which takes pixels as they are."""
    INT8_FLOAT_EDGES = "int8-float-edges"
    """The same with float32 input and output, rounded within the file."""


_EDGES: Final[Mapping[Variant, Any]] = {
    Variant.INT8: tf.int8,
    Variant.INT8_UINT8_EDGES: tf.uint8,
    Variant.INT8_FLOAT_EDGES: tf.float32,
}


def convert_variant(
    model: Any,
    kind: Variant | str,
    calibration: Iterable[NDArray[np.float32]] | None = None,
) -> bytes:
    """Return `model` as a TFLite file of batch 1 and of some kind, by TFLite's own converter.

    Args:
        model: A `keras.Model` of one image input and one output; it is left as it is.
        kind: Of `Variant`.
        calibration: Network inputs like those to come, each (1, height, width, channels); needed
            where activations are integers, and not looked at elsewhere.

    Raises:
        ConversionError: There are no calibration inputs where they are needed, they do not fit, or
            the model has an operation that this kind has not.
        ValueError: There is no such kind.
    """
    kind = Variant(kind)
    converter = converter_of(model)
    if kind is Variant.FLOAT32:
        return converted(converter)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind is Variant.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if kind in (Variant.FLOAT16, Variant.DYNAMIC_RANGE):
        return converted(converter)
    if calibration is None:
        raise ConversionError(f"{kind} needs calibration inputs: they set the ranges")
    inputs = checked_inputs(model, calibration)
    converter.representative_dataset = lambda: ([values] for values in inputs)
    operations = tf.lite.OpsSet
    if kind is Variant.INT16X8:
        wanted = operations.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    else:
        wanted = operations.TFLITE_BUILTINS_INT8
        converter.inference_input_type = converter.inference_output_type = _EDGES[kind]
    converter.target_spec.supported_ops = [wanted]
    content = converted(converter)
    if kind in (Variant.INT8, Variant.INT8_UINT8_EDGES):
        refuse_floats(content)
    return content
