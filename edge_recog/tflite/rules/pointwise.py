"""Operators that treat every element alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_recog.tflite.rules.windows import MAX_STEP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog.tflite.node import Node

_ADDITION_BITS = {"int8": 20, "uint8": 20, "int16": 15}
"""`left_shift` of addition and subtraction: lite/kernels/add.cc, PrepareGeneralAdd."""
_DIFFERENCE_BITS = 14
"""Twice `left_shift` of squared differences: lite/kernels/squared_difference.cc, Prepare."""


def _unary(node: Node) -> None:
    """One input, one output of the same shape and type."""
    node.arity((1, 1))
    node.same_type(node.input(0))
    node.makes(*node.input(0).shape)


def _scaled_unary(node: Node) -> None:
    """As `_unary`, on real numbers that may be quantised."""
    _unary(node)
    node.scaled(node.input(0), node.output)


def _leaky(node: Node) -> None:
    node.options("LeakyReluOptions")
    if not math.isfinite(node.operator.options["alpha"]):
        node.refuse("has a slope that is not finite")
    _scaled_unary(node)


def _normalization(node: Node) -> None:
    node.rank(node.input(0), 1, 4)
    _scaled_unary(node)


def _response(node: Node) -> None:
    node.options("LocalResponseNormalizationOptions")
    node.rank(node.input(0), 4)
    if not 0 <= node.option("radius") <= MAX_STEP:
        node.refuse(f"has a radius of {node.option('radius')}")
    _unary(node)


def _softmax(node: Node) -> None:
    node.options("SoftmaxOptions")
    source = node.input(0)
    node.rank(source, 1, 6)
    node.arity((1, 1))
    node.makes(*source.shape)
    # int8 in, int16 or int8 out: lite/kernels/activations.cc, SoftmaxPrepare.
    if source.dtype not in ("float32", "int8", "uint8", "int16") or (
        node.output.dtype not in (source.dtype, "int16")
    ):
        node.refuse(f"makes {node.output.dtype} of {source.dtype}")
    node.scaled(source, node.output)
    beta = node.operator.options["beta"]
    if not math.isfinite(beta):
        node.refuse(f"has a steepness of {beta}")


def _cast(node: Node) -> None:
    node.arity((1, 1))
    node.makes(*node.input(0).shape)


def _quantize(node: Node) -> None:
    node.arity((1, 1))
    if node.output.quantization is None:
        node.refuse("has no scale to quantise to")
    source = node.input(0)
    if source.dtype != "float32" and source.quantization is None:
        node.refuse("has no scale to quantise from")
    node.makes(*source.shape)


def _dequantize(node: Node) -> None:
    node.arity((1, 1))
    source = node.input(0)
    if source.quantization is None and source.dtype not in ("float16", "bfloat16", "float32"):
        node.refuse("has no scale to dequantise from")
    if source.is_sparse:
        return
    node.makes(*source.shape)


def _binary(node: Node) -> None:
    """Two inputs of one type that repeat to one shape."""
    node.arity((2, 2))
    left, right = node.input(0), node.input(1)
    if left.dtype != right.dtype:
        node.refuse(f"combines {left.dtype} with {right.dtype}")
    if max(len(left.shape), len(right.shape)) > 6:
        node.refuse("has more than 6 dimensions")
    node.makes(*node.broadcast(left.shape, right.shape))


def _arithmetic(node: Node) -> None:
    _binary(node)
    left, right = node.input(0), node.input(1)
    if node.output.dtype != left.dtype and node.operator.name != "MUL":
        node.refuse(f"makes {node.output.dtype} of {left.dtype}")
    if node.option("fused_activation_function") not in range(6):
        node.refuse("has an activation the schema does not know")
    node.scaled(left, right, node.output)
    bits = _ADDITION_BITS.get(left.dtype)
    p, q, out = left.quantization, right.quantization, node.output.quantization
    if bits is None or p is None or q is None or out is None:
        return
    # The kernels abort where this multiplier is 1 or more: QuantizeMultiplierSmallerThanOneExp.
    twice, to = 2 * max(float(p.scales[0]), float(q.scales[0])), float(out.scales[0])
    if (node.operator.name in ("ADD", "SUB") and twice / to >= 2.0**bits) or (
        node.operator.name == "SQUARED_DIFFERENCE" and twice**2 / to >= 2.0**_DIFFERENCE_BITS
    ):
        node.refuse(f"has scales of {twice / 2:.3g} in and {to:.3g} out")


def _comparison(node: Node) -> None:
    _binary(node)
    if node.output.dtype != "bool":
        node.refuse(f"makes {node.output.dtype}")
    node.scaled(node.input(0), node.input(1))


def _extremum(node: Node) -> None:
    _binary(node)
    node.same_type(node.input(0))


def _slopes(node: Node) -> None:
    _binary(node)
    node.same_type(node.input(0))
    node.scaled(node.input(0), node.input(1), node.output)


def _select(node: Node) -> None:
    node.arity((3, 3))
    condition, yes, no = (node.input(index) for index in range(3))
    if condition.dtype != "bool":
        node.refuse(f"decides by {condition.dtype}")
    node.same_type(yes, no)
    if node.operator.name == "SELECT_V2":
        node.makes(*node.broadcast(condition.shape, yes.shape, no.shape))
        return
    if yes.shape != no.shape or (
        condition.shape not in (yes.shape, yes.shape[:1], ()) and not node.dynamic
    ):
        node.refuse(f"chooses by {list(condition.shape)} among {list(yes.shape)}")
    node.makes(*yes.shape)


POINTWISE_RULES: Mapping[str, Callable[[Node], None]] = {
    **dict.fromkeys(
        ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "FLOOR", "CEIL", "ROUND", "NEG", "SQRT",
         "SIN", "COS", "SQUARE", "LOGICAL_NOT", "ZEROS_LIKE", "SIGN"),
        _unary,
    ),
    **dict.fromkeys(
        ("LOGISTIC", "TANH", "ELU", "HARD_SWISH", "GELU", "ABS", "EXP", "LOG", "RSQRT"),
        _scaled_unary,
    ),
    **dict.fromkeys(("L2_NORMALIZATION", "LOG_SOFTMAX"), _normalization),
    **dict.fromkeys(
        ("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "POW", "FLOOR_DIV", "FLOOR_MOD",
         "LOGICAL_AND", "LOGICAL_OR"),
        _arithmetic,
    ),
    **dict.fromkeys(
        ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"), _comparison
    ),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), _extremum),
    **dict.fromkeys(("SELECT", "SELECT_V2"), _select),
    "LEAKY_RELU": _leaky,
    "LOCAL_RESPONSE_NORMALIZATION": _response,
    "PRELU": _slopes,
    "SOFTMAX": _softmax,
    "CAST": _cast,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
}  # fmt: skip
