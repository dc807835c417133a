"""Which operators the Edge TPU compiler maps, and on which conditions.

The rules are those of https://coral.ai/docs/edgetpu/models-intro/: "Model requirements" and the
table of supported operations with its known limitations. How far each could be checked:

- Rows from Add to ResizeBilinear, and the requirements on types, sizes and dimensions: against
  https://developer.axis.com/computer-vision/on-device/system-on-chip/artpec-7/supported-ops/ and
  `optimization-tips/` beside it (a camera with an Edge TPU inside), which say the same.
- ResizeNearestNeighbor, Slice, Softmax, SpaceToDepth, Split, Squeeze, StridedSlice, Sub and Tanh:
  against copies of an older edition of the table. It has stricter limits for Mean and Pad (only
  along x and y); those here are of the newer edition.
- Those in `UNCHECKED` are from memory: no copy of their rows was at hand, and limits they may have
  are not known here.
- Transpose is left out: the compiler calls it "not supported" in
  https://github.com/google-coral/edgetpu/issues/342.

The compiler refuses more than its documentation tells: large tensors ("unspecified limitation",
https://github.com/google-coral/edgetpu/issues/461) and versions of operators newer than itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.tflite import Tensor
    from edge_recog.tflite.node import Node

MAX_SOFTMAX_ELEMENTS: Final = 16_000
MAX_DIMENSIONS: Final = 3
"""Innermost dimensions that may be larger than 1."""
EIGHT_BITS: Final = ("int8", "uint8")
_CONSTANT_TYPES: Final = (*EIGHT_BITS, "int32")
"""Of parameters: weights, and biases, axes or sizes."""


def limitation(node: Node) -> str:
    """Return why the compiler would not map an operator; empty if it would.

    The text goes on from its name: "operator 3 (CONV_2D) …".
    """
    name = node.operator.name
    if node.operator.is_custom or name not in RULES:
        return "is not in the table of supported operations"
    for rule in (_constant_sizes, _eight_bits, *RULES[name], _dimensions):
        if reason := rule(node):
            return reason
    return ""


def _constant_sizes(node: Node) -> str:
    return "has sizes that are known only when the model runs" if node.dynamic else ""


def _eight_bits(node: Node) -> str:
    for tensor in (*node.inputs, *node.outputs):
        if tensor is None:
            continue
        is_computed = tensor.data is None
        if tensor.dtype not in (EIGHT_BITS if is_computed else _CONSTANT_TYPES):
            return f"works on {tensor.dtype}, not on 8-bit integers"
        if tensor.dtype in EIGHT_BITS and tensor.quantization is None:
            return f"works on {tensor.dtype} that are not quantised"
    return ""


def _dimensions(node: Node) -> str:
    for tensor in (*node.inputs, *node.outputs):
        if tensor is not None and tensor.data is None:
            outer = tensor.shape[:-MAX_DIMENSIONS]
            if any(size > 1 for size in outer):
                return (
                    f"has a tensor of shape {list(tensor.shape)}, of which only the innermost "
                    f"{MAX_DIMENSIONS} dimensions may be larger than 1"
                )
    return ""


def _constant(*indices: int) -> Callable[[Node], str]:
    """Return the rule that these inputs, as far as there are any, are parameters."""

    def rule(node: Node) -> str:
        for index in indices:
            tensor = node.optional(index)
            if tensor is not None and tensor.data is None:
                return f"computes its input {index}, which must be constant"
        return ""

    return rule


def _no_activation(node: Node) -> str:
    return "has a fused activation" if node.option("fused_activation_function") else ""


def _same_dilation(node: Node) -> str:
    across, down = node.option("dilation_w_factor"), node.option("dilation_h_factor")
    return "" if across == down else f"is dilated by {across} in x and by {down} in y"


def _concatenation(node: Node) -> str:
    constants = [tensor for tensor in node.inputs if tensor is not None and tensor.data is not None]
    if constants and len(node.inputs) != 2:
        return f"has a constant among {len(node.inputs)} inputs, and may have one of 2 only"
    if not all(map(_is_zero, constants)):
        return "has a constant input that is not all zeros"
    return ""


def _is_zero(tensor: Tensor) -> bool:
    q = tensor.quantization
    zero = int(q.zero_points[0]) if q is not None and q.zero_points.size else 0
    assert tensor.data is not None
    return bool((np.frombuffer(tensor.data, tensor.dtype) == zero).all())


def _default_weights(node: Node) -> str:
    return "has weights in another format than the default" if node.option("weights_format") else ""


def _one_dimensional(tensor: Tensor, what: str) -> str:
    if any(size > 1 for size in tensor.shape[:-1]):
        return f"has an {what} of shape {list(tensor.shape)}, which must be one-dimensional"
    return ""


def _one_dimensional_output(node: Node) -> str:
    return _one_dimensional(node.output, "output")


def _one_dimensional_alpha(node: Node) -> str:
    return _one_dimensional(node.input(1), "alpha")


def _softmax(node: Node) -> str:
    elements = node.input(0).elements
    if elements > MAX_SOFTMAX_ELEMENTS:
        return f"has {elements} elements, and may have {MAX_SOFTMAX_ELEMENTS} at most"
    return _one_dimensional(node.input(0), "input")


def _axes(node: Node) -> tuple[int, ...]:
    rank = len(node.input(0).shape)
    return tuple(node.axis(axis, rank) for axis in node.constant(1) or ())


def _keeps_batch(node: Node) -> str:
    return "reduces the batch dimension" if 0 in _axes(node) else ""


def _mean_of_channels(node: Node) -> str:
    shape = node.input(0).shape
    if len(shape) - 1 in _axes(node) and shape[-1] % 4:
        return f"averages over {shape[-1]} channels, which is no multiple of 4"
    return ""


def _packs_within(node: Node) -> str:
    is_batch = node.axis(node.option("axis"), len(node.output.shape)) == 0
    return "packs along the batch dimension" if is_batch else ""


def _pads_within(node: Node) -> str:
    return "pads the batch dimension" if any((node.constant(1) or ())[:2]) else ""


def _squeezes_leading(node: Node) -> str:
    before, after = (_without_leading_ones(t.shape) for t in (node.input(0), node.output))
    return "" if before == after else "removes dimensions that are not the leading ones"


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _plain_slice(node: Node) -> str:
    if any(stride != 1 for stride in node.constant(3) or ()):
        return "has strides other than 1"
    if node.option("ellipsis_mask") or node.option("new_axis_mask"):
        return "uses an ellipsis or a new axis"
    return ""


RULES: Final[dict[str, tuple[Callable[[Node], str], ...]]] = {
    "ADD": (),
    "AVERAGE_POOL_2D": (_no_activation,),
    "CONCATENATION": (_no_activation, _concatenation),
    "CONV_2D": (_constant(1, 2), _same_dilation),
    "DEPTHWISE_CONV_2D": (_constant(1, 2), _same_dilation),
    "EXPAND_DIMS": (_constant(1),),
    "FULLY_CONNECTED": (_constant(1, 2), _default_weights, _one_dimensional_output),
    "L2_NORMALIZATION": (),
    "LOGISTIC": (),
    "MAXIMUM": (),
    "MAX_POOL_2D": (_no_activation,),
    "MEAN": (_constant(1), _keeps_batch, _mean_of_channels),
    "MINIMUM": (),
    "MUL": (),
    "PACK": (_packs_within,),
    "PAD": (_constant(1), _pads_within),
    "PRELU": (_constant(1), _one_dimensional_alpha),
    "QUANTIZE": (),
    "REDUCE_MAX": (_constant(1), _keeps_batch),
    "REDUCE_MIN": (_constant(1), _keeps_batch),
    "RELU": (),
    "RELU6": (),
    "RELU_N1_TO_1": (),
    "RESHAPE": (_constant(1),),
    "RESIZE_BILINEAR": (_constant(1),),
    "RESIZE_NEAREST_NEIGHBOR": (_constant(1),),
    "RSQRT": (),
    "SLICE": (_constant(1, 2),),
    "SOFTMAX": (_softmax,),
    "SPACE_TO_DEPTH": (),
    "SPLIT": (_constant(0),),
    "SQUARED_DIFFERENCE": (),
    "SQUEEZE": (_squeezes_leading,),
    "STRIDED_SLICE": (_constant(1, 2, 3), _plain_slice),
    "SUB": (),
    "SUM": (_constant(1), _keeps_batch),
    "TANH": (),
    "TRANSPOSE_CONV": (_constant(0, 1, 3),),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (),
}
"""Operators of the table, and what each asks for beyond what all do.

"Certain reshapes might not be mapped for large tensor sizes" and the same of resizing name no
sizes, so that nothing here stands for them.
"""
UNCHECKED: Final = frozenset({"RSQRT", "SQUARED_DIFFERENCE", "SUM", "TRANSPOSE_CONV"})
"""Operators whose row of the table could not be checked."""
