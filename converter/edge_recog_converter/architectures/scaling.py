"""Wider and narrower networks: how many channels a multiplier leaves."""

from __future__ import annotations

from typing import Final

_FILTER_DIVISOR: Final = 8


def scaled_filters(filters: int, width: float) -> int:
    """Return `filters * width`, rounded to a multiple of 8 but never down by more than 10 %.

    A width of 1 leaves `filters` as they are, whatever they are: LeNet-5 has 6.
    `round_filters` of https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/efficientnet_model.py.
    """
    if width == 1:
        return filters
    wanted = filters * width
    rounded = int(wanted + _FILTER_DIVISOR / 2) // _FILTER_DIVISOR * _FILTER_DIVISOR
    rounded = max(_FILTER_DIVISOR, rounded)
    return rounded + _FILTER_DIVISOR if rounded < 0.9 * wanted else rounded
