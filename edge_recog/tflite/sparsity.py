"""Constants stored without their zeros.

The format is described with `SparsityParameters` in the schema; native code walks it without
looking where it leads (lite/kernels/internal/utils/sparsity_format_converter.cc).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.tflite.schema import TYPE_BITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.tflite.structure import Tensor

_DENSE, _CSR = 0, 1
"""`DimensionType` of the schema."""


def is_sound(tensor: Tensor) -> bool:
    """Return whether a sparse constant describes each of its elements once, within its shape."""
    sparsity = tensor.sparsity
    if sparsity is None or tensor.data is None:
        return False
    order, levels = sparsity["traversal_order"], sparsity["dim_metadata"]
    blocks = sparsity["block_map"] or ()
    if order is None or levels is None or len(order) != len(levels):
        return False
    rank = len(tensor.shape)
    if len(order) != rank + len(blocks) or len(blocks) > rank:
        return False
    if sorted(order[:rank]) != list(range(rank)):
        return False
    if sorted(order[rank:]) != list(range(rank, len(order))):
        return False
    sizes = _sizes(tensor, order, levels, blocks)
    if sizes is None:
        return False
    elements = 1
    for axis, level in zip(order, levels, strict=True):
        size = sizes[axis]
        if level["format"] == _DENSE:
            if level["dense_size"] != size:
                return False
            elements *= size
        else:
            count = _compressed(level, elements, size)
            if count is None:
                return False
            elements = count
        if elements > tensor.elements:
            return False
    return len(tensor.data) == (elements * TYPE_BITS[tensor.dtype] + 7) // 8


def _sizes(
    tensor: Tensor,
    order: tuple[int, ...],
    levels: list[Mapping[str, Any]],
    blocks: tuple[int, ...],
) -> list[int] | None:
    """Return the sizes of all dimensions, those within blocks last; None if they do not fit."""
    rank = len(tensor.shape)
    sizes = list(tensor.shape)
    inner = {axis: levels[place] for place, axis in enumerate(order) if axis >= rank}
    for index, axis in enumerate(blocks):
        level = inner[rank + index]
        block = level["dense_size"]
        if level["format"] != _DENSE or block < 1 or not 0 <= axis < rank or sizes[axis] % block:
            return None
        sizes[axis] //= block
        sizes.append(block)
    return sizes


def _compressed(level: Mapping[str, Any], rows: int, size: int) -> int | None:
    """Return how many elements a compressed level has; None if it is not sound."""
    if level["format"] != _CSR or level["array_segments"] is None or level["array_indices"] is None:
        return None
    segments, indices = level["array_segments"]["values"], level["array_indices"]["values"]
    if segments is None or indices is None or len(segments) != rows + 1:
        return None
    segments, indices = segments.astype(np.int64), indices.astype(np.int64)
    if segments[0] != 0 or segments[-1] != len(indices) or (np.diff(segments) < 0).any():
        return None
    if len(indices) and not (indices.min() >= 0 and indices.max() < size):
        return None
    return len(indices)
