"""What an accelerator would make of a model, before anything is bought or compiled.

mapping = edge_tpu_mapping(tflite)
print(say(mapping))
print(xnnpack_takes(tflite).left)
"""

from edge_recog_converter.compatibility.edge_tpu import (
    EdgeTpuMapping,
    EdgeTpuOperator,
    edge_tpu_mapping,
    say,
)
from edge_recog_converter.compatibility.facts import compatibility_facts
from edge_recog_converter.compatibility.xnnpack import XnnpackOperator, XnnpackShare, xnnpack_takes

__all__ = [
    "EdgeTpuMapping",
    "EdgeTpuOperator",
    "XnnpackOperator",
    "XnnpackShare",
    "compatibility_facts",
    "edge_tpu_mapping",
    "say",
    "xnnpack_takes",
]
