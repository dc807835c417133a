"""Operators that join, reorder, repeat and reduce elements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_recog.tflite.node import MAX_RANK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog.tflite.node import Node
    from edge_recog.tflite.structure import Tensor


def _reshape(node: Node) -> None:
    node.arity((1, 2))
    source = node.input(0)
    node.same_type(source)
    if node.optional(1) is not None:
        wanted = node.constant(1)
    else:
        node.options("ReshapeOptions")
        wanted = node.operator.options["new_shape"]
    if not _same_count(node, source, node.output):
        node.refuse(f"makes {list(node.output.shape)} of {list(source.shape)}")
    if wanted is None or wanted == (0,):  # how old converters wrote a scalar: reshape.cc
        return
    if len(wanted) > MAX_RANK or wanted.count(-1) > 1 or min(wanted, default=0) < -1:
        node.refuse(f"is told the shape {list(wanted[:MAX_RANK])}")
    known = math.prod(size for size in wanted if size != -1)
    fits = known and source.elements % known == 0 if -1 in wanted else known == source.elements
    if not fits and not node.dynamic and -1 not in source.shape_signature:
        node.refuse(f"makes {list(wanted)} of {list(source.shape)}")


def _same_count(node: Node, one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors can have as many elements, unknown sizes apart."""
    if node.dynamic:
        return True
    if -1 in one.shape_signature or -1 in other.shape_signature:
        # An unknown batch stands as 1, and one may be a multiple of the other.
        counts = one.elements, other.elements
        return 0 in counts or max(counts) % min(counts) == 0
    return one.elements == other.elements


def _same_elements(node: Node) -> None:
    """As many elements in another shape."""
    node.arity((1, 2))
    node.same_type(node.input(0))
    if not _same_count(node, node.input(0), node.output):
        node.refuse(f"makes {list(node.output.shape)} of {list(node.input(0).shape)}")
    if node.operator.name == "EXPAND_DIMS":
        axis = node.constant(1)
        if axis is not None:
            if len(axis) != 1:
                node.refuse("has more than one axis")
            node.axis(axis[0], len(node.input(0).shape) + 1)
    else:
        rank = len(node.input(0).shape)
        for axis in node.operator.options.get("squeeze_dims") or ():
            node.axis(axis, rank)


def _join(node: Node) -> None:
    node.arity((1, 2**16))
    node.options("ConcatenationOptions")
    first = node.input(0)
    axis = node.axis(node.option("axis"), len(first.shape))
    size = 0
    for index in range(len(node.inputs)):
        tensor = node.input(index)
        node.same_type(tensor)
        if not node.dynamic and (
            len(tensor.shape) != len(first.shape)
            or tensor.shape[:axis] != first.shape[:axis]
            or tensor.shape[axis + 1 :] != first.shape[axis + 1 :]
        ):
            node.refuse(f"joins {list(first.shape)} with {list(tensor.shape)}")
        size += tensor.shape[axis] if axis < len(tensor.shape) else 0
    if node.output.dtype == "uint8" and any(
        (tensor is None or tensor.quantization is None) != (node.output.quantization is None)
        for tensor in node.inputs
    ):
        node.refuse("joins tensors with and without scales")
    node.makes(*first.shape[:axis], size, *first.shape[axis + 1 :])


def _reduce(node: Node) -> None:
    node.arity((2, 2))
    node.options("ReducerOptions")
    source, axes = node.input(0), node.constant(1)
    node.same_type(source)
    if 0 in source.shape:
        node.refuse("reduces an empty tensor")
    if node.operator.name in ("MEAN", "SUM"):
        node.scaled(source, node.output)
    if axes is None:
        return
    rank = len(source.shape)
    if len(axes) > MAX_RANK:
        node.refuse("has more axes than dimensions")
    gone = {node.axis(axis, rank) for axis in axes} if rank else set()
    if node.option("keep_dims"):
        node.makes(*(1 if axis in gone else size for axis, size in enumerate(source.shape)))
    else:
        node.makes(*(size for axis, size in enumerate(source.shape) if axis not in gone))


def _arg(node: Node) -> None:
    node.arity((2, 2))
    source, axes = node.input(0), node.constant(1)
    node.rank(source, 1, 8)
    if node.output.dtype not in ("int32", "int64"):
        node.refuse(f"makes {node.output.dtype}")
    if axes is None:
        return
    if len(axes) != 1:
        node.refuse("has more than one axis")
    axis = node.axis(axes[0], len(source.shape))
    node.makes(*source.shape[:axis], *source.shape[axis + 1 :])


def _transpose(node: Node) -> None:
    node.arity((2, 2))
    source, order = node.input(0), node.constant(1)
    node.same_type(source)
    rank = len(source.shape)
    if node.input(1).shape != (rank,) and not node.dynamic:
        node.refuse(f"has an order of {list(node.input(1).shape)} for {rank} dimensions")
    if order is None:
        return
    axes = [node.axis(axis, rank) for axis in order]
    if len(set(axes)) != rank:
        node.refuse(f"has the order {list(order)}")
    node.makes(*(source.shape[axis] for axis in axes))


def _pack(node: Node) -> None:
    node.arity((1, 2**16))
    node.options("PackOptions")
    first = node.input(0)
    axis = node.axis(node.option("axis"), len(first.shape) + 1)
    if node.option("values_count") != len(node.inputs):
        node.refuse(f"packs {node.option('values_count')} of {len(node.inputs)} inputs")
    for index in range(len(node.inputs)):
        tensor = node.input(index)
        node.same_type(tensor)
        if tensor.shape != first.shape and not node.dynamic:
            node.refuse(f"packs {list(first.shape)} with {list(tensor.shape)}")
    node.makes(*first.shape[:axis], len(node.inputs), *first.shape[axis:])


def _shape(node: Node) -> None:
    node.arity((1, 1))
    node.makes(len(node.input(0).shape))
    if node.output.dtype not in ("int32", "int64"):
        node.refuse(f"makes {node.output.dtype}")


def _tile(node: Node) -> None:
    node.arity((2, 2))
    source, times = node.input(0), node.constant(1)
    node.same_type(source)
    if node.input(1).shape != (len(source.shape),) and not node.dynamic:
        node.refuse("does not say how often to repeat each dimension")
    if times is None:
        return
    if min(times, default=1) < 0:
        node.refuse("repeats a negative number of times")
    node.makes(*(size * n for size, n in zip(source.shape, times, strict=False)))


def _broadcast_to(node: Node) -> None:
    node.arity((2, 2))
    source, shape = node.input(0), node.constant(1)
    node.same_type(source)
    if shape is None:
        return
    if len(shape) > MAX_RANK or min(shape, default=1) < 0 or len(shape) < len(source.shape):
        node.refuse(f"makes {list(shape[:MAX_RANK])} of {list(source.shape)}")
    if node.broadcast(source.shape, shape) != shape and not node.dynamic:
        node.refuse(f"makes {list(shape)} of {list(source.shape)}")
    node.makes(*shape)


def _fill(node: Node) -> None:
    node.arity((2, 2))
    shape = node.constant(0)
    node.same_type(node.input(1))
    if node.input(1).elements != 1:
        node.refuse("fills with more than one value")
    if shape is not None:
        if len(shape) > MAX_RANK or min(shape, default=0) < 0:
            node.refuse(f"makes {list(shape[:MAX_RANK])}")
        node.makes(*shape)


LAYOUT_RULES: Mapping[str, Callable[[Node], None]] = {
    "RESHAPE": _reshape,
    "SQUEEZE": _same_elements,
    "EXPAND_DIMS": _same_elements,
    "CONCATENATION": _join,
    "MEAN": _reduce,
    "SUM": _reduce,
    "REDUCE_MAX": _reduce,
    "REDUCE_MIN": _reduce,
    "REDUCE_PROD": _reduce,
    "REDUCE_ANY": _reduce,
    "REDUCE_ALL": _reduce,
    "ARG_MAX": _arg,
    "ARG_MIN": _arg,
    "TRANSPOSE": _transpose,
    "PACK": _pack,
    "SHAPE": _shape,
    "TILE": _tile,
    "BROADCAST_TO": _broadcast_to,
    "FILL": _fill,
}
