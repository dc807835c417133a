"""Weights rounded to 8 bits so that what a layer computes changes least, not each weight.

Rounding every weight to its nearest integer is best for the weights alone. A layer's inputs are
correlated (the pixels of a 3x3 neighbourhood most of all), so errors of several weights add up.
Here weights are rounded one after another, and each rounding error is made up for by those not
yet rounded, by the second moments of the layer's inputs on calibration pictures. What then remains
of the mean error goes into the bias. For a layer `y = W x` this minimises `E |W x - Q x|^2`.

    Frantar and Alistarh 2022, Optimal Brain Compression, https://arxiv.org/abs/2208.11580;
    Frantar et al. 2022, GPTQ, https://arxiv.org/abs/2210.17323;
    Nagel et al. 2019, section 4.2 (bias correction), https://arxiv.org/abs/1906.04721.

Integers are symmetric, -127 to 127, one scale for each output channel, as TFLite's are:
https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec. The TFLite
converter takes a channel's largest weight for 127; so it finds the integers chosen here again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.folding import is_used_once, normalization_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_LOGGER = logging.getLogger(__name__)

_HIGHEST: Final = 127
_DENSE_SAMPLES: Final = 128
"""Positions of a picture that a convolution's moments are taken from."""
_DEPTHWISE_SAMPLES: Final = 64
_DAMPING: Final = 0.01
"""Added to the moments' diagonal, as a share of its mean: section 3.3 of GPTQ has 1 %."""
_SCARCE_DAMPING: Final = 0.1
"""The same where there are fewer samples than weights in a row."""
_RANGES: Final = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Shares of its largest weight that a small filter's range is tried at; the rest saturates."""
_BLOCK: Final = 64
"""Columns whose errors are handed on to the later ones together: GPTQ's lazy batches."""
_PICTURES_AT_ONCE: Final = 16
"""Whose samples are multiplied together: adding up large matrices costs more than making them."""
_MOST_IN_SMALL_FILTER: Final = 49
"""Weights: 7x7. Larger rows share their moments and keep their full range."""


def round_weights(model: Any, calibration: Sequence[NDArray[np.float32]], *, seed: int = 0) -> None:
    """Round the kernels of `model`, in place, to what 8-bit integers can say.

    Args:
        model: A functional or sequential model from `fold_normalizations`. Conv2D without groups
            or dilation, DepthwiseConv2D and Dense are rounded where they are used once; every
            other layer stays.
        calibration: Network inputs, each (1, height, width, channels).
        seed: Of the positions that are looked at.
    """
    layers = [layer for layer in model.layers if _can_round(layer)]
    if not layers:
        return
    moments = _measure(model, layers, calibration, np.random.default_rng(seed))
    for layer in layers:
        _round_layer(model, layer, moments[layer.name])
    _LOGGER.info("rounded the weights of %d layers on %d inputs", len(layers), len(calibration))


def round_rows(weights: NDArray[Any], moments: NDArray[Any]) -> NDArray[np.float64]:
    """Return rows of weights rounded so that their products with the inputs change least.

    Every row comes back as integers from -127 to 127 times a scale of its own, with at least one
    of them ±127 unless the row is all 0.

    Args:
        weights: (rows, size).
        moments: (size, size) mean of `x xᵀ` over the inputs, positive definite; or
            (rows, size, size), each row's own. Small rows are tried at narrower ranges too.
    """
    weights = np.asarray(weights, np.float64)
    rows, size = weights.shape
    if size <= _MOST_IN_SMALL_FILTER:
        own = np.broadcast_to(moments, (rows, size, size))
        return _round_small(weights, own)
    return _round_large(weights, moments)


@dataclass(slots=True)
class _Moments:
    """Running first and second moments of a layer's inputs."""

    count: int = 0
    total: Any = 0.0
    """(size,), or (channels, size) for a depthwise layer."""
    products: Any = field(default=0.0)
    """(size, size), or (channels, size, size)."""
    waiting: list[NDArray[np.float32]] = field(default_factory=list)
    """Taken in but not yet multiplied."""

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take in (samples, size) or (channels, samples, size)."""
        self.waiting.append(samples)
        if len(self.waiting) >= _PICTURES_AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Multiply what waits; the properties need that."""
        if not self.waiting:
            return
        samples = np.concatenate(self.waiting, axis=-2)
        self.waiting.clear()
        self.count += samples.shape[-2]
        self.total = self.total + samples.sum(axis=-2, dtype=np.float64)
        transposed = np.ascontiguousarray(np.swapaxes(samples, -1, -2))
        self.products = self.products + np.matmul(transposed, samples).astype(np.float64)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the inputs."""
        mean: NDArray[np.float64] = self.total / self.count
        return mean

    @property
    def damped(self) -> NDArray[np.float64]:
        """Mean of `x xᵀ`, made safe to invert."""
        # float32 products are not quite symmetric, and inverting would make much of that.
        second = (self.products + np.swapaxes(self.products, -1, -2)) / (2 * self.count)
        size = second.shape[-1]
        damping = _DAMPING if self.count >= size else _SCARCE_DAMPING
        level = damping * np.trace(second, axis1=-2, axis2=-1) / size
        damped: NDArray[np.float64] = second + np.eye(size) * (level + 1e-9)[..., None, None]
        return damped


def _can_round(layer: Any) -> bool:
    if not is_used_once(layer):
        return False
    if isinstance(layer, keras.layers.Dense):
        return type(layer) is keras.layers.Dense and len(layer.input.shape) == 2
    if type(layer) is keras.layers.Conv2D:
        plain = layer.groups == 1
    elif type(layer) is keras.layers.DepthwiseConv2D:
        plain = layer.depth_multiplier == 1
    else:
        return False
    return (
        plain
        and layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.padding in ("same", "valid")
    )


def _measure(
    model: Any,
    layers: Sequence[Any],
    calibration: Iterable[NDArray[np.float32]],
    rng: np.random.Generator,
) -> dict[str, _Moments]:
    watched = keras.Model(model.inputs[0], [layer.input for layer in layers])
    moments = {layer.name: _Moments() for layer in layers}
    for image in calibration:
        values = watched(image, training=False)
        if len(layers) == 1:  # Keras gives no list of one.
            values = [values]
        for layer, value in zip(layers, values, strict=True):
            moments[layer.name].add(_samples(layer, np.asarray(value), rng))
    for measured in moments.values():
        measured.finish()
    return moments


def _samples(
    layer: Any, values: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return what the kernel meets at some positions: (samples, size), depthwise by channel."""
    if isinstance(layer, keras.layers.Dense):
        return values
    kernel, strides = layer.kernel_size, layer.strides
    pads, counts = [], []
    for size, reach, step in zip(values.shape[1:3], kernel, strides, strict=True):
        if layer.padding == "same":
            outputs = -(-size // step)
            missing = max((outputs - 1) * step + reach - size, 0)
        else:
            outputs, missing = (size - reach) // step + 1, 0
        pads.append((missing // 2, missing - missing // 2))
        counts.append(outputs)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    number = min(counts[0] * counts[1], _DEPTHWISE_SAMPLES if depthwise else _DENSE_SAMPLES)
    top, left = np.divmod(rng.choice(counts[0] * counts[1], number, replace=False), counts[1])
    padded = np.pad(values[0], (*pads, (0, 0)))
    rows = (top * strides[0])[:, None, None] + np.arange(kernel[0])[:, None]
    columns = (left * strides[1])[:, None, None] + np.arange(kernel[1])
    patches: NDArray[np.float32] = padded[rows, columns].reshape(number, kernel[0] * kernel[1], -1)
    if depthwise:
        return np.ascontiguousarray(patches.transpose(2, 0, 1))
    return patches.reshape(number, -1)


def _round_layer(model: Any, layer: Any, moments: _Moments) -> None:
    kernel = np.asarray(layer.kernel, np.float64)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # (height, width, channels, 1) to (channels, height * width)
        rows = kernel.reshape(-1, kernel.shape[2]).T
    else:
        rows = kernel.reshape(-1, kernel.shape[-1]).T
    rounded = round_rows(rows, moments.damped)
    layer.kernel.assign(rounded.T.reshape(kernel.shape).astype(np.float32))

    shift = ((rounded - rows) * moments.mean).sum(axis=-1)
    normalization = normalization_after(model, layer)
    if normalization is not None:
        # Folded: it only adds beta.
        normalization.beta.assign(np.asarray(normalization.beta) - shift)
    elif layer.use_bias:
        layer.bias.assign(np.asarray(layer.bias) - shift)


def _round_small(weights: NDArray[np.float64], moments: NDArray[Any]) -> NDArray[np.float64]:
    """Round rows by their own moments, at the best of several ranges."""
    rows, size = weights.shape
    every = np.arange(rows)
    # The largest weight first, as it must come out as ±127; then by weight of the input.
    key = -np.diagonal(moments, axis1=1, axis2=2).copy()
    key[every, np.abs(weights).argmax(axis=1)] = -np.inf
    order = np.argsort(key, axis=1, kind="stable")
    sorted_moments = moments[every[:, None, None], order[:, :, None], order[:, None, :]]
    spread = np.linalg.cholesky(np.linalg.inv(sorted_moments)).swapaxes(1, 2)
    original = np.take_along_axis(weights, order, axis=1)

    best = np.zeros_like(original)
    least = np.full(rows, np.inf)
    for share in _RANGES:
        scale = np.maximum(np.abs(weights).max(axis=1) * share, 1e-12) / _HIGHEST
        remaining, rounded = original.copy(), np.empty_like(original)
        for column in range(size):
            rounded[:, column] = _nearest(remaining[:, column], scale)
            error = (remaining[:, column] - rounded[:, column]) / spread[:, column, column]
            remaining[:, column + 1 :] -= error[:, None] * spread[:, column, column + 1 :]
        change = rounded - original
        loss = np.einsum("ri,rij,rj->r", change, sorted_moments, change)
        better = loss < least
        least[better], best[better] = loss[better], rounded[better]
    result = np.empty_like(best)
    np.put_along_axis(result, order, best, axis=1)
    return result


def _round_large(weights: NDArray[np.float64], moments: NDArray[Any]) -> NDArray[np.float64]:
    """Round rows that share their moments, all rows a column at a time."""
    order = np.argsort(-np.diagonal(moments), kind="stable")
    spread = np.linalg.cholesky(np.linalg.inv(moments[np.ix_(order, order)])).T
    remaining = weights[:, order]
    scale = np.maximum(np.abs(weights).max(axis=1), 1e-12) / _HIGHEST
    # A row's largest weight is 127 exactly, and has to stay so.
    free = np.abs(remaining) < np.abs(weights).max(axis=1)[:, None]
    rounded = np.empty_like(remaining)
    size = weights.shape[1]
    for start in range(0, size, _BLOCK):
        end = min(start + _BLOCK, size)
        errors = np.empty((weights.shape[0], end - start))
        for column in range(start, end):
            rounded[:, column] = _nearest(remaining[:, column], scale)
            error = (remaining[:, column] - rounded[:, column]) / spread[column, column]
            errors[:, column - start] = error
            within = slice(column + 1, end)
            remaining[:, within] -= error[:, None] * spread[column, within] * free[:, within]
        remaining[:, end:] -= (errors @ spread[start:end, end:]) * free[:, end:]
    result = np.empty_like(rounded)
    result[:, order] = rounded
    return result


def _nearest(weights: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    steps: NDArray[np.float64] = np.clip(np.rint(weights / scale), -_HIGHEST, _HIGHEST) * scale
    return steps
