"""Operators that multiply with weights or slide a window: convolution, pooling, dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog.tflite.node import Node
    from edge_recog.tflite.structure import Tensor

MAX_STEP = 2**14
"""Largest stride, dilation or window: products of two stay within 32 bits."""
MAX_MULTIPLICATIONS = 2**40
"""Of one operator. A Raspberry Pi 4 takes a few minutes for so many; EfficientNet-B7 has 2**36."""

_SAME, _VALID = 0, 1
"""`Padding` of the schema."""
_ACTIVATIONS = range(6)
"""`ActivationFunctionType` of the schema."""

_WEIGHT_TYPES = {
    "float32": ("float32", "float16", "int8", "uint8", "int4", "int2"),
    "int8": ("int8", "int4", "int2"),
    "uint8": ("uint8",),
    "int16": ("int8", "int4", "int16"),
}
"""Types of weights that kernels take with each type of input."""
_BIAS_TYPES = {
    "float32": ("float32", "float16"),
    "int8": ("int32",),
    "uint8": ("int32",),
    "int16": ("int64", "int32"),
}


def _window(node: Node, size: int, stride: int, window: int, dilation: int, padding: int) -> int:
    """Return how often a window fits: ComputeOutSize of lite/kernels/padding.h."""
    for value in (stride, window, dilation):
        if not 1 <= value <= MAX_STEP:
            node.refuse(f"has {value} for a stride, window or dilation")
    extent = (window - 1) * dilation + 1
    if padding == _SAME:
        return -(-size // stride)
    if padding != _VALID:
        node.refuse(f"has padding {padding}, which the schema does not know")
    if extent > size and not node.dynamic:
        node.refuse(f"has a window of {extent} on {size}")
    return -(-(size - extent + 1) // stride)


def _activation(node: Node) -> None:
    if node.option("fused_activation_function") not in _ACTIVATIONS:
        node.refuse("has an activation the schema does not know")


def _weights(node: Node, index: int, bias: int, channels: int, axis: int) -> None:
    """Require types that belong together, and as many biases and scales as output channels."""
    weights, source = node.input(index), node.input(0 if index else 2)
    if weights.dtype not in _WEIGHT_TYPES.get(source.dtype, ()):
        node.refuse(f"multiplies {source.dtype} with {weights.dtype}")
    node.same_type(source)
    node.scaled(source, node.output)
    q = weights.quantization
    if weights.dtype not in ("float32", "float16"):
        if q is None:
            node.refuse("has integer weights without scales")
        if q.per_channel and (q.axis != axis or len(q.scales) != channels):
            node.refuse(f"has {len(q.scales)} scales along axis {q.axis} of its weights")
    biases = node.optional(bias)
    if biases is None:
        return
    if biases.dtype not in _BIAS_TYPES[source.dtype]:
        node.refuse(f"adds {biases.dtype} to products of {source.dtype}")
    if biases.elements != channels or max(biases.shape, default=1) != channels:
        node.refuse(f"has {list(biases.shape)} biases for {channels} channels")


def _affordable(node: Node, per_output: int) -> None:
    if node.output.elements * per_output > MAX_MULTIPLICATIONS:
        node.refuse("would take hours")


def _convolution(node: Node) -> None:
    node.arity((2, 3))
    if len(node.inputs) == 3:
        node.input(2)
    node.options("Conv2DOptions")
    source, weights = node.input(0), node.input(1)
    node.rank(source, 4)
    node.rank(weights, 4)
    _activation(node)
    batch, height, width, channels = source.shape
    count, rows, columns, depth = weights.shape
    # Grouped convolution: each group of outputs sees `depth` of the input's channels.
    if channels % depth or count % (channels // depth):
        node.refuse(f"has weights {list(weights.shape)} for {channels} channels")
    _weights(node, 1, 2, count, 0)
    padding = node.option("padding")
    node.makes(
        batch,
        _window(
            node, height, node.option("stride_h"), rows, node.option("dilation_h_factor"), padding
        ),
        _window(
            node, width, node.option("stride_w"), columns, node.option("dilation_w_factor"), padding
        ),
        count,
    )
    _affordable(node, rows * columns * depth)


def _depthwise(node: Node) -> None:
    # The float kernel reads biases that are not there.
    node.arity((3, 3))
    node.input(2)
    node.options("DepthwiseConv2DOptions")
    source, weights = node.input(0), node.input(1)
    node.rank(source, 4)
    node.rank(weights, 4)
    _activation(node)
    batch, height, width, channels = source.shape
    one, rows, columns, count = weights.shape
    multiplier = node.option("depth_multiplier")
    if one != 1 or channels * multiplier != count:
        node.refuse(
            f"has weights {list(weights.shape)} for {channels} channels, each {multiplier} times"
        )
    _weights(node, 1, 2, count, 3)
    padding = node.option("padding")
    node.makes(
        batch,
        _window(
            node, height, node.option("stride_h"), rows, node.option("dilation_h_factor"), padding
        ),
        _window(
            node, width, node.option("stride_w"), columns, node.option("dilation_w_factor"), padding
        ),
        count,
    )
    _affordable(node, rows * columns)


def _transposed(node: Node) -> None:
    """Transposed convolution: inputs are the output's shape, weights, source and biases."""
    node.arity((3, 4))
    node.options("TransposeConvOptions")
    weights, source = node.input(1), node.input(2)
    node.rank(source, 4)
    node.rank(weights, 4)
    node.rank(node.output, 4)
    _activation(node)
    count, rows, columns, depth = weights.shape
    if source.shape[3] != depth:
        node.refuse(f"has weights {list(weights.shape)} for {source.shape[3]} channels")
    if source.dtype not in _WEIGHT_TYPES or weights.dtype not in _WEIGHT_TYPES[source.dtype]:
        node.refuse(f"multiplies {source.dtype} with {weights.dtype}")
    node.same_type(source)
    node.scaled(source, node.output)
    q = weights.quantization
    if weights.dtype not in ("float32", "float16") and (
        q is None or (q.per_channel and (q.axis != 0 or len(q.scales) != count))
    ):
        node.refuse("has weights whose scales do not fit")
    biases = node.optional(3)
    if biases is not None and (
        biases.elements != count or biases.dtype not in _BIAS_TYPES[source.dtype]
    ):
        node.refuse(f"has {biases.dtype} biases {list(biases.shape)} for {count} channels")
    batch, height, width, channels = node.output.shape
    padding = node.option("padding")
    back = (
        _window(node, height, node.option("stride_h"), rows, 1, padding),
        _window(node, width, node.option("stride_w"), columns, 1, padding),
    )
    if not node.dynamic and (
        channels != count or batch != source.shape[0] or back != source.shape[1:3]
    ):
        node.refuse(f"makes {list(node.output.shape)} of {list(source.shape)}")
    shape = node.constant(0)
    if shape is not None and len(shape) != 4:
        node.refuse(f"is told the output shape {list(shape[:8])}")
    if shape is not None:
        node.makes(*shape)
    _affordable(node, rows * columns * depth)


def _pool(node: Node) -> None:
    node.arity((1, 1))
    node.options("Pool2DOptions")
    source = node.input(0)
    node.rank(source, 4)
    node.same_type(source)
    _activation(node)
    batch, height, width, channels = source.shape
    rows, columns = node.option("filter_height"), node.option("filter_width")
    padding = node.option("padding")
    node.makes(
        batch,
        _window(node, height, node.option("stride_h"), rows, 1, padding),
        _window(node, width, node.option("stride_w"), columns, 1, padding),
        channels,
    )
    _affordable(node, rows * columns)


def _dense(node: Node) -> None:
    node.arity((2, 3), (1, 2))
    node.options("FullyConnectedOptions")
    source, weights = node.input(0), node.input(1)
    node.rank(source, 1, 6)
    node.rank(weights, 2)
    _activation(node)
    count, depth = weights.shape
    if node.option("weights_format") or len(node.outputs) != 1:
        node.refuse("has shuffled weights")
    if source.elements % depth and not node.dynamic:
        node.refuse(f"has weights {list(weights.shape)} for {list(source.shape)}")
    _weights(node, 1, 2, count, 0)
    if node.option("keep_num_dims"):
        if source.shape[-1] != depth and not node.dynamic:
            node.refuse(f"has weights {list(weights.shape)} for {list(source.shape)}")
        node.makes(*source.shape[:-1], count)
    else:
        node.makes(source.elements // depth, count)
    _affordable(node, depth)


def _matrices(node: Node) -> None:
    """Batched product of matrices, either of which may be transposed and may repeat."""
    node.arity((2, 2))
    left, right = node.input(0), node.input(1)
    node.options("BatchMatMulOptions")
    for tensor in (left, right):
        node.rank(tensor, 2, 5)
    _matrix_types(node, left, right)
    rows, depth = left.shape[-2:]
    if node.option("adj_x"):
        rows, depth = depth, rows
    inner, columns = right.shape[-2:]
    if node.option("adj_y"):
        inner, columns = columns, inner
    if inner != depth and not node.dynamic:
        node.refuse(f"multiplies {list(left.shape)} with {list(right.shape)}")
    batches = node.broadcast(left.shape[:-2], right.shape[:-2])
    node.makes(*batches, rows, columns)
    _affordable(node, depth)


def _matrix_types(node: Node, left: Tensor, right: Tensor) -> None:
    if left.dtype not in ("float32", "int8", "int16") or right.dtype not in (left.dtype, "int8"):
        node.refuse(f"multiplies {left.dtype} with {right.dtype}")
    if left.dtype == "int16" and right.dtype != "int16":
        node.refuse("multiplies int16 with int8")
    node.scaled(left)
    if left.dtype == "float32" and right.dtype == "int8" and right.quantization is None:
        node.refuse("has integer weights without scales")
    elif left.dtype != "float32":
        node.scaled(right)
    if node.output.dtype != left.dtype and node.output.dtype != "int32":
        node.refuse(f"makes {node.output.dtype} of {left.dtype}")
    node.scaled(node.output)


WINDOW_RULES: Mapping[str, Callable[[Node], None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "L2_POOL_2D": _pool,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _matrices,
}
