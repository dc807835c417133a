"""Which weights of kernels stay: the largest, one by one or in blocks.

Blocks of four lie along the input channels, the axis that a product is summed over. That is how
2:4 hardware groups them (Mishra et al. 2021, Accelerating sparse deep neural networks,
https://arxiv.org/abs/2104.08378, section 3), and how they lie side by side in TFLite's kernels,
(output channels, height, width, input channels). Where four do not divide the input channels, the
channels that are left over stay whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_recog_converter.sparsity.sections import Pattern

BLOCK: Final = 4


def masks_of(
    kernels: Mapping[str, NDArray[np.floating]],
    share: float,
    *,
    pattern: Pattern,
    together: bool,
) -> dict[str, NDArray[np.bool_]]:
    """Return which weights stay, by kernel, each of its kernel's shape.

    Args:
        kernels: By layer, (…, input channels, output channels).
        share: Of all weights that are to be zero, 0-1, as far as the pattern has weights for it:
            rounded down to whole weights or blocks. For `2:4` it is 0 to 0.5, and only when it is
            0.5 has every group of four its two zeros.
        pattern: Of the zeros.
        together: The share is of all kernels together, not of each.
    """
    grouped = {name: _grouped(kernel, pattern) for name, kernel in kernels.items()}
    sizes = {name: _scores(groups, pattern) for name, groups in grouped.items()}
    gone = _smallest(sizes, share, kernels, together=together, per_score=_per_score(pattern))
    return {
        name: _mask(kernels[name].shape, grouped[name], gone[name], pattern) for name in kernels
    }


def _per_score(pattern: Pattern) -> int:
    """Return how many weights one score decides on."""
    return {"unstructured": 1, "1x4": BLOCK, "2:4": BLOCK // 2}[pattern]


def _grouped(kernel: NDArray[np.floating], pattern: Pattern) -> NDArray[np.floating]:
    """Return the weights that may go: (groups, weights of a group)."""
    if pattern == "unstructured":
        return np.asarray(np.abs(kernel).reshape(-1, 1))
    inputs = kernel.shape[-2] // BLOCK * BLOCK
    whole = np.moveaxis(np.abs(kernel)[..., :inputs, :], -2, -1)
    return np.asarray(whole.reshape(-1, BLOCK))


def _scores(groups: NDArray[np.floating], pattern: Pattern) -> NDArray[np.floating]:
    """Return what each group would lose: (groups,)."""
    if pattern == "2:4":
        # The two smallest of four.
        return np.asarray(np.sort(groups, axis=1)[:, : BLOCK // 2].sum(axis=1))
    return np.asarray(groups.sum(axis=1))


def _smallest(
    scores: Mapping[str, NDArray[np.floating]],
    share: float,
    kernels: Mapping[str, NDArray[np.floating]],
    *,
    together: bool,
    per_score: int,
) -> dict[str, NDArray[np.bool_]]:
    """Return which groups go, by kernel: those with the smallest scores."""
    names = list(scores)
    if not together:
        return {
            name: _lowest(scores[name], int(share * kernels[name].size + 1e-6) // per_score)
            for name in names
        }
    joined = np.concatenate([scores[name] for name in names])
    count = int(share * sum(kernel.size for kernel in kernels.values()) + 1e-6) // per_score
    gone = _lowest(joined, count)
    ends = np.cumsum([scores[name].size for name in names])[:-1]
    return dict(zip(names, np.split(gone, ends), strict=True))


def _lowest(scores: NDArray[np.floating], count: int) -> NDArray[np.bool_]:
    """Return a mask of the `count` lowest; of equal ones the first."""
    chosen = np.zeros(scores.size, np.bool_)
    chosen[np.argsort(scores, kind="stable")[:count]] = True
    return chosen


def _mask(
    shape: tuple[int, ...],
    groups: NDArray[np.floating],
    gone: NDArray[np.bool_],
    pattern: Pattern,
) -> NDArray[np.bool_]:
    if pattern == "unstructured":
        return ~gone.reshape(shape)
    stays = np.ones(groups.shape, np.bool_)
    if pattern == "1x4":
        stays[gone] = False
    else:
        smallest = np.argsort(groups, axis=1, kind="stable")[:, : BLOCK // 2]
        rows = np.flatnonzero(gone)
        stays[rows[:, None], smallest[rows]] = False
    mask = np.ones(shape, np.bool_)
    *outer, inputs, outputs = shape
    inputs = inputs // BLOCK * BLOCK
    whole = stays.reshape(*outer, outputs, inputs)
    mask[..., :inputs, :] = np.moveaxis(whole, -1, -2)
    return mask
