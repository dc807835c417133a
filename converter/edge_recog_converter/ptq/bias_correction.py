"""What rounding adds to a layer's output in the mean, taken off its bias.

Rounding a kernel changes each output channel by an amount that depends on the inputs; its mean over
many inputs does not, and can be made up for. Measured on calibration inputs, layer after layer, so
that a later one makes up for what the earlier ones have left: Nagel et al. 2019, section 4.2 and
appendix D, https://arxiv.org/abs/1906.04721.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.qat.simplifying import KERNEL_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LOGGER = logging.getLogger(__name__)
_AT_ONCE: Final = 16


def correct_biases(rounding: Any, plain: Any, inputs: Sequence[NDArray[np.float32]]) -> None:
    """Change the biases of a model that rounds so that layers have the mean outputs of `plain`.

    Args:
        rounding: From `with_ranges`; changed in place.
        plain: The simplified model that it was made of.
        inputs: Each (1, height, width, channels); those that have set the ranges will do.
    """
    names = [layer.name for layer in plain.layers if type(layer) in KERNEL_KINDS]
    expected = mean_outputs(plain, names, inputs)
    for name in names:
        layer = rounding.get_layer(name)
        error = mean_outputs(rounding, [name], inputs)[name] - expected[name]
        layer.bias.assign(np.asarray(layer.bias, np.float64) - error)
    _LOGGER.info("corrected the biases of %d layers on %d inputs", len(names), len(inputs))


def mean_outputs(
    model: Any, names: Sequence[str], inputs: Sequence[NDArray[np.float32]]
) -> dict[str, NDArray[np.float64]]:
    """Return the mean of each output channel of some layers, by name."""
    watched = keras.Model(model.inputs[0], {name: model.get_layer(name).output for name in names})
    totals: dict[str, Any] = dict.fromkeys(names, 0.0)
    for start in range(0, len(inputs), _AT_ONCE):
        batch = np.concatenate(inputs[start : start + _AT_ONCE])
        for name, value in watched(batch, training=False).items():
            values = np.asarray(value, np.float64)
            # Every input counts the same, so a mean over positions is enough of each.
            axes = tuple(range(1, values.ndim - 1))
            totals[name] = totals[name] + values.mean(axis=axes).sum(axis=0)
    return {name: total / len(inputs) for name, total in totals.items()}
