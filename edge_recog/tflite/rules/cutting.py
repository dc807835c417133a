"""Operators that take a part of a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog.tflite.node import Node


def _strided_slice(node: Node) -> None:
    node.arity((4, 4))
    node.options("StridedSliceOptions")
    source = node.input(0)
    node.rank(source, 1, 5)
    node.same_type(source)
    counts = {node.input(index).elements for index in (1, 2, 3)}
    if len(counts) != 1 or max(counts) > 5:
        node.refuse("has unequal numbers of beginnings, ends and strides")
    strides = node.constant(3)
    if strides is not None and 0 in strides:
        node.refuse("has a stride of 0")
    begins, ends = node.constant(1), node.constant(2)
    options = node.operator.options
    if options["ellipsis_mask"] or options["new_axis_mask"] or options["offset"]:
        return
    if begins is None or ends is None or strides is None:
        return
    if len(begins) > len(source.shape):
        node.refuse("cuts more dimensions than there are")
    shape = []
    for axis, size in enumerate(source.shape):
        if axis >= len(begins):
            shape.append(size)
            continue
        if options["shrink_axis_mask"] >> axis & 1:
            if not -size <= begins[axis] < size and not node.dynamic:
                node.refuse(f"takes element {begins[axis]} of {size}")
            continue
        begin = None if options["begin_mask"] >> axis & 1 else begins[axis]
        end = None if options["end_mask"] >> axis & 1 else ends[axis]
        shape.append(len(range(*slice(begin, end, strides[axis]).indices(size))))
    node.makes(*shape)


def _slice(node: Node) -> None:
    node.arity((3, 3))
    source = node.input(0)
    node.same_type(source)
    node.rank(source, 1, 5)
    rank = len(source.shape)
    begins, sizes = node.constant(1), node.constant(2)
    if node.input(1).elements != rank or node.input(2).elements != rank:
        node.refuse(f"does not say where to cut each of {rank} dimensions")
    if begins is None or sizes is None:
        return
    shape = []
    for begin, size, whole in zip(begins, sizes, source.shape, strict=True):
        length = whole - begin if size == -1 else size
        if not (begin >= 0 and 0 <= length <= whole - begin) and not node.dynamic:
            node.refuse(f"takes {size} elements from {begin} of {whole}")
        shape.append(length)
    node.makes(*shape)


def _split(node: Node) -> None:
    node.arity((2, 2), (1, 2**16))
    node.options("SplitOptions")
    source, axes = node.input(1), node.constant(0)
    node.same_type(source)
    if node.option("num_splits") != len(node.outputs):
        node.refuse(f"splits into {node.option('num_splits')}, and has {len(node.outputs)} outputs")
    if axes is None:
        return
    if len(axes) != 1:
        node.refuse("has more than one axis")
    axis = node.axis(axes[0], len(source.shape))
    size, rest = divmod(source.shape[axis], len(node.outputs))
    if rest and not node.dynamic:
        node.refuse(f"splits {source.shape[axis]} into {len(node.outputs)}")
    for index in range(len(node.outputs)):
        node.makes(*source.shape[:axis], size, *source.shape[axis + 1 :], output=index)


def _split_v(node: Node) -> None:
    node.arity((3, 3), (1, 2**16))
    node.options("SplitVOptions")
    source, sizes, axes = node.input(0), node.constant(1), node.constant(2)
    node.same_type(source)
    if node.option("num_splits") != len(node.outputs) or node.input(1).shape != (
        len(node.outputs),
    ):
        node.refuse(f"has {len(node.outputs)} outputs and another number of sizes")
    if axes is None or sizes is None:
        return
    if len(axes) != 1:
        node.refuse("has more than one axis")
    axis = node.axis(axes[0], len(source.shape))
    known = sum(size for size in sizes if size != -1)
    if (
        sizes.count(-1) > 1
        or min(sizes) < -1
        or known > source.shape[axis]
        or (-1 not in sizes and known != source.shape[axis])
    ) and not node.dynamic:
        node.refuse(f"splits {source.shape[axis]} into {list(sizes[:8])}")
    for index, size in enumerate(sizes):
        length = source.shape[axis] - known if size == -1 else size
        node.makes(*source.shape[:axis], length, *source.shape[axis + 1 :], output=index)


def _unpack(node: Node) -> None:
    node.arity((1, 1), (1, 2**16))
    node.options("UnpackOptions")
    source = node.input(0)
    node.rank(source, 1, 8)
    node.same_type(source)
    axis = node.axis(node.option("axis"), len(source.shape))
    count = len(node.outputs)
    if node.option("num") != count or (source.shape[axis] != count and not node.dynamic):
        node.refuse(f"unpacks {source.shape[axis]} into {count}")
    for index in range(count):
        node.makes(*source.shape[:axis], *source.shape[axis + 1 :], output=index)


def _gather(node: Node) -> None:
    node.arity((2, 2))
    node.options("GatherOptions")
    source, indices = node.input(0), node.input(1)
    node.same_type(source)
    node.rank(source, 1, 8)
    axis = node.axis(node.option("axis"), len(source.shape))
    batches = node.option("batch_dims")
    if batches < 0:
        batches += len(indices.shape)
    if not 0 <= batches <= min(axis, len(indices.shape)) or (
        source.shape[:batches] != indices.shape[:batches] and not node.dynamic
    ):
        node.refuse(f"has {node.option('batch_dims')} batch dimensions")
    if indices.dtype in ("int32", "int64"):
        places = node.constant(1)
        if places and not (min(places) >= 0 and max(places) < source.shape[axis]):
            node.refuse(f"takes elements beyond {source.shape[axis]}")
    elif indices.dtype != "int16":
        node.refuse(f"takes elements by {indices.dtype}")
    node.makes(*source.shape[:axis], *indices.shape[batches:], *source.shape[axis + 1 :])


CUTTING_RULES: Mapping[str, Callable[[Node], None]] = {
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "UNPACK": _unpack,
    "GATHER": _gather,
}
