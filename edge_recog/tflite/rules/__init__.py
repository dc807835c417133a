"""What each operator takes, so that native code neither crashes nor writes past a tensor.

A rule refuses an operator whose number of inputs, options, types or shapes its native kernel does
not survive. Kernels are those of https://github.com/tensorflow/tensorflow/tree/master/tensorflow/lite/kernels
and, where XNNPACK takes the operator, those of lite/delegates/xnnpack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_recog.tflite.rules.arities import ARITIES
from edge_recog.tflite.rules.cutting import CUTTING_RULES
from edge_recog.tflite.rules.layout import LAYOUT_RULES
from edge_recog.tflite.rules.pointwise import POINTWISE_RULES
from edge_recog.tflite.rules.spatial import SPATIAL_RULES
from edge_recog.tflite.rules.windows import WINDOW_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog.tflite.node import Node

__all__ = ["ARITIES", "RULES"]

RULES: Mapping[str, Callable[[Node], None]] = {
    **WINDOW_RULES,
    **POINTWISE_RULES,
    **LAYOUT_RULES,
    **CUTTING_RULES,
    **SPATIAL_RULES,
}
"""By operator. Each raises NotATfliteModelError."""
