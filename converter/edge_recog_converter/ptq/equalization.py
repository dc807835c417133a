"""Channels of neighbouring layers scaled against each other, so that none dwarfs the rest.

With ReLU or nothing between two layers, a channel that is divided by a factor in the first and
multiplied by it in the second changes nothing. Chosen so that the channel's largest weights in
both are the same, an outlier channel no longer sets the range of all activations. Nagel et al.
2019, section 4.1, https://arxiv.org/abs/1906.04721.

ReLU6 does not scale: `relu6(s x)` is not `s relu6(x)`. By default pairs with one between them are
left alone, and the model computes what it did. The paper puts ReLU in its place first, which
changes the model wherever it clips; that has to be asked for.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.qat.simplifying import KERNEL_KINDS
from edge_recog_converter.qat.walking import consumers, copied, is_output, rebuilt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_LOGGER = logging.getLogger(__name__)
_MOST_ROUNDS: Final = 40
_ENOUGH: Final = 1e-3
"""Largest change of a factor from 1 at which nothing more is to be gained."""
_LEAST_RANGE: Final = 1e-8
"""Of weights: channels below it are dead, and left alone."""
_MOST_FACTOR: Final = 1e4
"""For a channel in one round, and its inverse."""
_BETWEEN: Final = (
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.SpatialDropout2D,
    keras.layers.ZeroPadding2D,
)
"""What a positive factor of a channel passes through, beside ReLU."""


class Pair(NamedTuple):
    """Two layers with nothing between them that a factor would not pass through."""

    first: Any
    second: Any


def equalize(plain: Any, *, replace_relu6: bool = False) -> Any:
    """Return a copy of a simplified model with equal ranges of weights in neighbouring layers.

    Args:
        plain: From `simplified`; it is left as it is.
        replace_relu6: Put ReLU in the place of every ReLU6 first. The copy then computes something
            else where ReLU6 clips.
    """

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if replace_relu6 and type(layer) is keras.layers.ReLU and layer.max_value == 6:
            return keras.layers.ReLU(name=layer.name)(*args)
        copy = copied(layer)
        output = copy(*args, **kwargs)
        copy.set_weights(layer.get_weights())
        return output

    copy = rebuilt(plain, call)
    pairs = tuple(scalable_pairs(copy))
    for done in range(1, _MOST_ROUNDS + 1):
        changes = [_equalize_pair(pair) for pair in pairs]
        if max(changes, default=0.0) < _ENOUGH:
            _LOGGER.info("equalised %d pairs of layers in %d rounds", len(pairs), done)
            break
    return copy


def scalable_pairs(plain: Any) -> Iterator[Pair]:
    """Yield the pairs of a simplified model, in its order."""
    taken = consumers(plain)
    for layer in plain.layers:
        if type(layer) not in KERNEL_KINDS:
            continue
        follower = layer
        while len(taken[follower.name]) == 1 and not is_output(plain, follower):
            follower = taken[follower.name][0]
            if type(follower) in KERNEL_KINDS:
                yield Pair(layer, follower)
                break
            scales = type(follower) is keras.layers.ReLU and follower.max_value is None
            if not (scales or type(follower) in _BETWEEN):
                break


def output_ranges(layer: Any) -> NDArray[np.float64]:
    """Return the largest weight of each output channel of a layer with a kernel."""
    kernel = np.abs(np.asarray(layer.kernel, np.float64))
    if type(layer) is keras.layers.DepthwiseConv2D:
        return np.ravel(kernel.max(axis=(0, 1)))
    channels: NDArray[np.float64] = kernel.max(axis=tuple(range(kernel.ndim - 1)))
    return channels


def input_ranges(layer: Any, channels: int) -> NDArray[np.float64]:
    """Return the largest weight of each input channel of a layer with a kernel."""
    kernel = np.abs(np.asarray(layer.kernel, np.float64))
    if type(layer) is keras.layers.DepthwiseConv2D:
        ranges: NDArray[np.float64] = kernel.max(axis=(0, 1, 3))
        return ranges
    return np.asarray(kernel.reshape(-1, channels, kernel.shape[-1]).max(axis=(0, 2)))


def _equalize_pair(pair: Pair) -> float:
    """Scale the channels between two layers; return the largest change of one."""
    first, second = pair
    given = output_ranges(first)
    taken = input_ranges(second, len(given))
    alive = (given > _LEAST_RANGE) & (taken > _LEAST_RANGE)
    factors = np.ones(len(given))
    factors[alive] = np.sqrt(given[alive] / taken[alive])
    factors = np.clip(factors, 1 / _MOST_FACTOR, _MOST_FACTOR)

    kernel = np.asarray(first.kernel, np.float64)
    shape = kernel.shape[2:] if type(first) is keras.layers.DepthwiseConv2D else (len(given),)
    first.kernel.assign(kernel / factors.reshape(shape))
    first.bias.assign(np.asarray(first.bias, np.float64) / factors)
    kernel = np.asarray(second.kernel, np.float64)
    if type(second) is keras.layers.DepthwiseConv2D:
        second.kernel.assign(kernel * factors[:, np.newaxis])
    else:
        by_channel = kernel.reshape(-1, len(given), kernel.shape[-1])
        second.kernel.assign((by_channel * factors[:, np.newaxis]).reshape(kernel.shape))
    return float(np.max(np.maximum(factors, 1 / factors) - 1))
