"""Post-training quantisation with a choice of ranges, equalised channels and corrected biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_recog_converter.ptq.bias_correction import correct_biases as _correct_biases
from edge_recog_converter.ptq.calibrating import DEFAULT_PERCENTILE, Method, calibrated_ranges
from edge_recog_converter.ptq.equalization import equalize as _equalize
from edge_recog_converter.qat.conversion import convert_fake_quantized
from edge_recog_converter.qat.inserting import with_ranges
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.quantization import checked_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray


def quantize_post_training(
    model: Any,
    calibration: Iterable[NDArray[np.float32]],
    *,
    method: Method | str = Method.MIN_MAX,
    percentile: float = DEFAULT_PERCENTILE,
    equalize: bool = False,
    replace_relu6: bool = False,
    correct_biases: bool = False,
    edges: str = "uint8",
) -> bytes:
    """Return `model` as a TFLite file of batch 1 in 8-bit integers throughout.

    Args:
        model: A functional or sequential `keras.Model`; it is left as it is.
        calibration: Network inputs like those to come, each (1, height, width, channels).
        method: How ranges of activations are chosen.
        percentile: For that method.
        equalize: Scale the channels of neighbouring layers against each other first.
        replace_relu6: For that: put ReLU in the place of ReLU6, which is not the same model.
        correct_biases: Take the mean error off the biases.
        edges: Type of input and output: `uint8`, `int8` or `float32`.

    Raises:
        ConversionError: The calibration inputs are missing or do not fit, or layers have no form
            in integers; these are named.
        ValueError: There is no such method.
    """
    rounding = post_training_model(
        model,
        calibration,
        method=method,
        percentile=percentile,
        equalize=equalize,
        replace_relu6=replace_relu6,
        correct_biases=correct_biases,
    )
    return convert_fake_quantized(rounding, edges=edges)


def post_training_model(
    model: Any,
    calibration: Iterable[NDArray[np.float32]],
    *,
    method: Method | str = Method.MIN_MAX,
    percentile: float = DEFAULT_PERCENTILE,
    equalize: bool = False,
    replace_relu6: bool = False,
    correct_biases: bool = False,
) -> Any:
    """Return the Keras model that computes what the file of `quantize_post_training` will.

    It can be trained on from there. Arguments and errors are those of `quantize_post_training`.
    """
    inputs = checked_inputs(model, calibration)
    plain = simplified(model)
    if equalize:
        plain = _equalize(plain, replace_relu6=replace_relu6)
    ranges = calibrated_ranges(plain, inputs, method=method, percentile=percentile)
    rounding = with_ranges(plain, ranges)
    if correct_biases:
        _correct_biases(rounding, plain, inputs)
    return rounding
