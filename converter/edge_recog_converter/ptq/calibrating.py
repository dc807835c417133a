"""Ranges of activations, from what calibration inputs make of a float model.

The widest range clips nothing, and has the largest steps: one outlier makes all others coarse. Two
ways give up some of it. A percentile leaves out a share of the values at either end; the least
mean squared error weighs what is clipped against the size of steps. Nagel et al. 2021, A white
paper on neural network quantization, section 3.1, https://arxiv.org/abs/2106.08295.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.qat.inserting import Range, measured_ranges, observed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BINS: Final = 4096
"""Of a histogram: 16 for each of 256 levels."""
_LEVELS: Final = 255
_SHARES: Final = np.linspace(0.1, 1.0, 46)
"""Of either end, that the least error is looked for among."""
DEFAULT_PERCENTILE: Final = 99.99


class Method(StrEnum):
    """How a range is chosen."""

    MIN_MAX = "min-max"
    """The least and the largest value."""
    PERCENTILE = "percentile"
    """Without the same share of values at either end."""
    MEAN_SQUARED_ERROR = "mean-squared-error"
    """What rounds and clips the values with the least mean squared error."""


def calibrated_ranges(
    plain: Any,
    inputs: Sequence[NDArray[np.float32]],
    *,
    method: Method | str = Method.MIN_MAX,
    percentile: float = DEFAULT_PERCENTILE,
) -> dict[str, Range]:
    """Return the range of each layer that has one, for `with_ranges`.

    The input's is always the widest: pixels are not clipped.

    Args:
        plain: From `simplified`.
        inputs: Each (1, height, width, channels).
        method: How.
        percentile: For that method: below it lie all but the values left out at the upper end,
            50-100.

    Raises:
        ValueError: There is no such method, or the percentile is out of its range.
    """
    method = Method(method)
    if not 50 < percentile <= 100:
        raise ValueError(f"a percentile of {percentile} is not between 50 and 100")
    widest = measured_ranges(plain, inputs)
    if method is Method.MIN_MAX:
        return widest
    counts = _histograms(plain, inputs, widest)
    ranges = {}
    for name, (low, high) in widest.items():
        if isinstance(plain.get_layer(name), keras.layers.InputLayer) or low == high:
            ranges[name] = (low, high)
        elif method is Method.PERCENTILE:
            ranges[name] = percentile_range(counts[name], low, high, percentile)
        else:
            ranges[name] = least_error_range(counts[name], low, high)
    return ranges


def percentile_range(counts: NDArray[Any], low: float, high: float, percentile: float) -> Range:
    """Return the ends between which values lie, but for a share at either end.

    Args:
        counts: Of values in bins of equal width from `low` to `high`.
        low: Least value.
        high: Largest value.
        percentile: 50-100.
    """
    edges = np.linspace(low, high, len(counts) + 1)
    below = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    share = percentile / 100
    return (
        float(edges[np.searchsorted(below, 1 - share, side="right") - 1]),
        float(edges[np.searchsorted(below, share, side="left")]),
    )


def least_error_range(counts: NDArray[Any], low: float, high: float) -> Range:
    """Return the ends, each a share of its full value, that give the least mean squared error.

    Args:
        counts: Of values in bins of equal width from `low` to `high`.
        low: Least value.
        high: Largest value.
    """
    edges = np.linspace(low, high, len(counts) + 1)
    filled = counts > 0
    values, weights = ((edges[:-1] + edges[1:]) / 2)[filled], counts[filled]
    lows = low * _SHARES if low < 0 else np.zeros(1)
    highs = high * _SHARES if high > 0 else np.zeros(1)
    best, least = (low, high), np.inf
    # From wide to narrow: of equals, the one that clips less.
    for lower in lows[::-1]:
        for upper in highs[::-1]:
            error = float(weights @ (_rounded(values, lower, upper) - values) ** 2)
            if error < least:
                best, least = (float(lower), float(upper)), error
    return best


def _rounded(values: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    step = (high - low) / _LEVELS
    zero = np.rint(-low / step)
    rounded: NDArray[Any] = (np.clip(np.rint(values / step) + zero, 0, _LEVELS) - zero) * step
    return rounded


def _histograms(
    plain: Any, inputs: Sequence[NDArray[np.float32]], ends: dict[str, Range]
) -> dict[str, NDArray[np.int64]]:
    counts = {name: np.zeros(_BINS, np.int64) for name in ends}
    for values in observed(plain, inputs):
        for name, tensor in values.items():
            low, high = ends[name]
            if low < high:
                counts[name] += np.histogram(tensor, _BINS, (low, high))[0]
    return counts
