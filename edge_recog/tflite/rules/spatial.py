"""Operators that resize, pad and rearrange pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_recog.tflite.node import Node

MAX_SIDE = 2**14
"""Of a resized picture or a block: products of two stay within 32 bits."""


def _pad(node: Node) -> None:
    node.arity((2, 3) if node.operator.name == "PADV2" else (2, 2))
    source, pads = node.input(0), node.constant(1)
    node.rank(source, 1, 5)
    node.same_type(source)
    if node.optional(2) is not None and node.input(2).elements != 1:
        node.refuse("has more than one value to pad with")
    rank = len(source.shape)
    if node.input(1).shape != (rank, 2):
        node.refuse(f"has {list(node.input(1).shape)} paddings for {rank} dimensions")
    if pads is None:
        return
    if min(pads) < 0:
        node.refuse("has a negative padding")
    if node.operator.name == "MIRROR_PAD":
        # REFLECT (0) leaves out the edge, SYMMETRIC (1) repeats it.
        edge = 0 if node.option("mode") else 1
        for size, before, after in zip(source.shape, pads[::2], pads[1::2], strict=True):
            if max(before, after) > size - edge:
                node.refuse("mirrors more than there is")
    node.makes(*(a + b + c for a, b, c in zip(source.shape, pads[::2], pads[1::2], strict=True)))


def _resize(node: Node) -> None:
    node.arity((2, 2))
    bilinear = node.operator.name == "RESIZE_BILINEAR"
    node.options("ResizeBilinearOptions" if bilinear else "ResizeNearestNeighborOptions")
    source, size = node.input(0), node.constant(1)
    node.rank(source, 4)
    node.same_type(source)
    if node.option("align_corners") and node.option("half_pixel_centers"):
        node.refuse("aligns both corners and centres")
    if node.input(1).shape != (2,):
        node.refuse("is told no height and width")
    if size is None:
        return
    if not all(1 <= side <= MAX_SIDE for side in (*size, *source.shape[1:3])):
        node.refuse(f"resizes {list(source.shape)} to {list(size)}")
    node.makes(source.shape[0], *size, source.shape[3])


def _depth(node: Node) -> None:
    """Depth to space and back."""
    node.arity((1, 1))
    source, block = node.input(0), node.option("block_size")
    node.rank(source, 4)
    node.same_type(source)
    batch, height, width, channels = source.shape
    if not 1 <= block <= MAX_SIDE:
        node.refuse(f"has blocks of {block}")
    if node.operator.name == "DEPTH_TO_SPACE":
        node.options("DepthToSpaceOptions")
        if channels % block**2:
            node.refuse(f"makes blocks of {block} of {channels} channels")
        node.makes(batch, height * block, width * block, channels // block**2)
        return
    node.options("SpaceToDepthOptions")
    if (height % block or width % block) and not node.dynamic:
        node.refuse(f"cuts {height} x {width} into blocks of {block}")
    node.makes(batch, height // block, width // block, channels * block**2)


def _batches(node: Node) -> None:
    """Space to batch and back."""
    node.arity((3, 3))
    source, blocks, edges = node.input(0), node.constant(1), node.constant(2)
    node.rank(source, 3, 4)
    node.same_type(source)
    spatial = len(source.shape) - 2
    if node.input(1).shape != (spatial,) or node.input(2).shape != (spatial, 2):
        node.refuse(f"does not describe {spatial} spatial dimensions")
    if blocks is None or edges is None:
        return
    if not all(1 <= block <= MAX_SIDE for block in blocks) or min(edges) < 0:
        node.refuse(f"has blocks of {list(blocks)}")
    batch, sides = source.shape[0], source.shape[1:-1]
    count = math.prod(blocks)
    # The file says 1 for a batch that is unknown, before the operator and after it.
    unknown = -1 in source.shape_signature
    if node.operator.name == "SPACE_TO_BATCH_ND":
        padded = [s + a + b for s, a, b in zip(sides, edges[::2], edges[1::2], strict=True)]
        if any(side % block for side, block in zip(padded, blocks, strict=True)):
            if node.dynamic:
                return
            node.refuse(f"cuts {padded} into blocks of {list(blocks)}")
        sizes = [side // block for side, block in zip(padded, blocks, strict=True)]
        node.makes(batch if unknown else batch * count, *sizes, source.shape[-1])
        return
    if batch % count and not unknown:
        node.refuse(f"makes blocks of {list(blocks)} of a batch of {batch}")
    sizes = [
        s * block - a - b
        for s, block, a, b in zip(sides, blocks, edges[::2], edges[1::2], strict=True)
    ]
    if min(sizes) < 0 and not node.dynamic:
        node.refuse("crops more than there is")
    node.makes(batch if unknown else batch // count, *sizes, source.shape[-1])


SPATIAL_RULES: Mapping[str, Callable[[Node], None]] = {
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _pad,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "DEPTH_TO_SPACE": _depth,
    "SPACE_TO_DEPTH": _depth,
    "SPACE_TO_BATCH_ND": _batches,
    "BATCH_TO_SPACE_ND": _batches,
}
