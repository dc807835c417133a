"""Reading, checking and rewriting of TFLite files, without any interpreter."""

from edge_recog.tflite.checks import check_safe, unchecked_operators
from edge_recog.tflite.decoding import read_model
from edge_recog.tflite.structure import Model, Operator, Quantization, Signature, Subgraph, Tensor
from edge_recog.tflite.writer import with_metadata

__all__ = [
    "Model",
    "Operator",
    "Quantization",
    "Signature",
    "Subgraph",
    "Tensor",
    "check_safe",
    "read_model",
    "unchecked_operators",
    "with_metadata",
]
