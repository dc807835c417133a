"""What can be done for an INT8 model without training it.

    tflite = quantize_post_training(
        model, calibration, method="mean-squared-error", equalize=True, correct_biases=True
    )
    worst = sensitivity(model, calibration)[0].layer
    tflite = convert_variant(model, "int16x8", calibration)

All ways of choosing ranges lead through the model of `edge_recog_converter.qat` that rounds in
float, so that what is measured there is what the file does.
"""

from edge_recog_converter.ptq.bias_correction import correct_biases
from edge_recog_converter.ptq.calibrating import Method, calibrated_ranges
from edge_recog_converter.ptq.equalization import equalize
from edge_recog_converter.ptq.post_training import post_training_model, quantize_post_training
from edge_recog_converter.ptq.sensitivities import Sensitivity, sensitivity
from edge_recog_converter.ptq.variants import Variant, convert_variant

__all__ = [
    "Method",
    "Sensitivity",
    "Variant",
    "calibrated_ranges",
    "convert_variant",
    "correct_biases",
    "equalize",
    "post_training_model",
    "quantize_post_training",
    "sensitivity",
]
