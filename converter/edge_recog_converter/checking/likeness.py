"""Pictures that look the same although their files differ: scaled, packed again, brightened a bit.

A 64-bit difference hash (N. Krawetz, "Kind of Like That", 2013: is each cell of a 9x8 grey picture
brighter than its neighbour?) finds candidates, and small colour pictures are compared to confirm:
pictures on plain ground have hashes that say little. Turned, mirrored or cut pictures are not
found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MOST_BITS = 10
"""Of 64 that may differ."""
MOST_DIFFERENCE = 4.0
"""Mean over the cells and channels of two small pictures, of 255; measured on copies that were
scaled by half and packed as JPEG of quality 50."""
_SIDE = 16
_BLOCK = 256
_PAIRS_AT_ONCE = 1 << 15


def difference_hash(pixels: NDArray[np.uint8]) -> int:
    """Return the 64 bits of a picture of (height, width, 3)."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA), np.int16)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def small_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (16, 16, 3) uint8, the aspect ratio left aside."""
    import cv2

    return np.asarray(cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def near_sets(hashes: NDArray[np.uint64], small: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Return sets of two or more pictures that look alike, as ascending indices.

    Likeness is passed on: with A like B and B like C, all three are one set. All pairs are
    compared, block by block: 50,000 pictures are some seconds.

    Args:
        hashes: (n,) of `difference_hash`.
        small: (n, 16, 16, 3) of `small_picture`.
    """
    parents = list(range(len(hashes)))
    flat = small.reshape(len(small), -1)
    for start in range(0, len(hashes), _BLOCK):
        rows = hashes[start : start + _BLOCK, None]
        close = _bits(rows ^ hashes[None, start:]) <= MOST_BITS
        ones, others = np.nonzero(np.triu(close, 1))
        for part in range(0, len(ones), _PAIRS_AT_ONCE):
            one = ones[part : part + _PAIRS_AT_ONCE] + start
            other = others[part : part + _PAIRS_AT_ONCE] + start
            apart = np.abs(flat[one].astype(np.int16) - flat[other]).mean(axis=1)
            alike = apart <= MOST_DIFFERENCE
            _join(parents, zip(one[alike].tolist(), other[alike].tolist(), strict=True))
    return _sets(parents)


if hasattr(np, "bitwise_count"):  # NumPy 2.

    def _bits(values: NDArray[np.uint64]) -> NDArray[Any]:
        return np.asarray(np.bitwise_count(values))
else:
    _COUNTS = np.array([value.bit_count() for value in range(1 << 16)], np.uint8)

    def _bits(values: NDArray[np.uint64]) -> NDArray[Any]:
        words = np.ascontiguousarray(values).view(np.uint16).reshape(*values.shape, 4)
        return np.asarray(_COUNTS[words].sum(axis=-1, dtype=np.uint8))


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _join(parents: list[int], pairs: Iterable[tuple[int, int]]) -> None:
    for one, other in pairs:
        first, second = sorted((_root(parents, one), _root(parents, other)))
        parents[second] = first


def _sets(parents: list[int]) -> list[tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for index in range(len(parents)):
        found.setdefault(_root(parents, index), []).append(index)
    several: Sequence[list[int]] = [one for one in found.values() if len(one) > 1]
    return [tuple(one) for one in several]
