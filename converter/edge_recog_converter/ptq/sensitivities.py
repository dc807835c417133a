"""How much each layer alone suffers from 8 bits: which ones to leave in float, or look at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter.ptq.calibrating import Method, calibrated_ranges
from edge_recog_converter.qat.inserting import with_ranges
from edge_recog_converter.qat.kernels import FakeQuantHardSigmoid
from edge_recog_converter.qat.ranges import FakeQuant
from edge_recog_converter.qat.simplifying import simplified
from edge_recog_converter.qat.walking import consumers
from edge_recog_converter.quantization import checked_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What becomes of the model's output when one layer is rounded, and nothing else."""

    layer: str
    """Name of the layer. What is fused with it belongs to it."""
    mean_squared_error: float
    """Of the outputs, against the float model's."""
    divergence: float
    """Mean Kullback-Leibler divergence of the softmax of the outputs from the float model's, in
    nats; ≥ 0."""


def sensitivity(
    model: Any,
    calibration: Iterable[NDArray[np.float32]],
    *,
    method: Method | str = Method.MIN_MAX,
) -> tuple[Sensitivity, ...]:
    """Return the sensitivity of every layer that is rounded, the largest squared error first.

    A layer's kernel, bias and output are rounded; layers without a kernel have their output alone.

    Args:
        model: A functional or sequential `keras.Model` from images to logits.
        calibration: Network inputs, each (1, height, width, channels), that set the ranges and are
            compared on.
        method: How ranges are chosen.

    Raises:
        ConversionError: As `fake_quantized`.
    """
    inputs = checked_inputs(model, calibration)
    plain = simplified(model)
    rounding = with_ranges(plain, calibrated_ranges(plain, inputs, method=method))
    units = _units(rounding)
    for members in units.values():
        _switch(members, active=False)
    expected = _outputs(rounding, inputs)
    found = []
    for name, members in units.items():
        _switch(members, active=True)
        outputs = _outputs(rounding, inputs)
        _switch(members, active=False)
        error = float(np.mean(np.square(outputs - expected)))
        found.append(Sensitivity(name, error, _divergence(expected, outputs)))
    return tuple(sorted(found, key=lambda one: -one.mean_squared_error))


def _units(rounding: Any) -> dict[str, list[Any]]:
    """Return the layers that round, by the name of the operation that they belong to."""
    taken = consumers(rounding)
    units: dict[str, list[Any]] = {}
    owners: dict[str, str] = {}
    for layer in rounding.layers:
        if not hasattr(layer, "active"):
            continue
        if isinstance(layer, FakeQuant):
            owner = owners.get(layer.name, layer.name.removesuffix("_range"))
        else:
            owner = owners.get(layer.name, layer.name)
            # What rounds its output follows at once, or after the activation that is fused.
            follower = layer
            while len(taken[follower.name]) == 1 and not isinstance(follower, FakeQuant):
                follower = taken[follower.name][0]
                if isinstance(follower, FakeQuant | FakeQuantHardSigmoid):
                    owners[follower.name] = owner
        units.setdefault(owner, []).append(layer)
    return units


def _switch(members: Iterable[Any], *, active: bool) -> None:
    for layer in members:
        layer.active = active


def _outputs(model: Any, inputs: list[Any] | Any) -> NDArray[np.float64]:
    parts = [
        np.asarray(model(np.concatenate(inputs[start : start + _AT_ONCE]), training=False))
        for start in range(0, len(inputs), _AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.float64)


def _divergence(expected: NDArray[np.float64], outputs: NDArray[np.float64]) -> float:
    true, other = _log_softmax(expected), _log_softmax(outputs)
    return float(np.mean(np.sum(np.exp(true) * (true - other), axis=-1)))


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
