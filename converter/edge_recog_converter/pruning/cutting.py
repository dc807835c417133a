"""The smaller model: Keras's own layers with fewer channels, the weights of those that stay.

What is left computes what the whole model does when nothing reads the removed channels
(`silencing`): up to rounding, since sums have fewer terms.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.graph import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_recog_converter.pruning.channels import Channels


def cut(model: Any, channels: Channels, kept: Mapping[str, NDArray[np.bool_]]) -> Any:
    """Return a copy of `model` without the channels that are not kept.

    The copy is functional. Its layers have the names, types, regularisers, constraints and
    `trainable` flags of the model's, and share no weights with it. It is not compiled.

    Args:
        model: That was traced; left as it is.
        channels: Of `model`.
        kept: By group, (its units,): which stay; a group that is not named stays whole.

    Raises:
        PruningError: A layer cannot be built anew with fewer channels.
        ValueError: `kept` does not fit.
    """
    graph = functional(model)
    copier = _Copier(channels, channels.stays(kept))
    inputs = keras.tree.map_structure(_input_like, graph.input)
    outputs = graph._run_through_graph(
        inputs, operation_fn=lambda operation: functools.partial(copier.call, operation)
    )
    smaller = keras.Model(inputs, outputs, name=model.name)
    if not model.trainable:
        # Reaches the layers too, whose own flags follow.
        smaller.trainable = False
    for original, copy in copier.layers():
        copy.trainable = original.trainable
    return smaller


def _input_like(tensor: Any) -> Any:
    # The tensor has a name of its own, unless the layer was given one.
    name = tensor._keras_history.operation.name
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)


class _Copier:
    """Copies of layers, each made once and cut to size."""

    def __init__(self, channels: Channels, stays: NDArray[np.bool_]) -> None:
        self._channels = channels
        self._stays = stays
        self._copies: dict[int, tuple[Any, Any]] = {}

    def call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the copy of `operation` gives for symbolic tensors."""
        if id(operation) in self._copies:
            _, copy = self._copies[id(operation)]
            return copy(*args, **kwargs)
        copy = type(operation).from_config(self._config(operation))
        self._copies[id(operation)] = (operation, copy)
        output = copy(*args, **kwargs)
        if isinstance(operation, keras.Layer):
            # Only now are its variables there.
            self._fill(operation, copy)
        return output

    def layers(self) -> list[tuple[Any, Any]]:
        """Return every layer with its copy."""
        return [pair for pair in self._copies.values() if isinstance(pair[0], keras.Layer)]

    def _config(self, operation: Any) -> dict[str, Any]:
        config: dict[str, Any] = operation.get_config()
        for setting in self._channels.settings:
            if setting.layer != operation.name:
                continue
            count = int(np.count_nonzero(self._stays[setting.units]))
            if setting.index is None:
                config[setting.key] = count
            else:
                entry = list(np.atleast_1d(np.array(config[setting.key], object)))
                entry[setting.index] = count
                config[setting.key] = tuple(entry)
        return config

    def _fill(self, layer: Any, copy: Any) -> None:
        """Give `copy` what stays of the variables of `layer`, seeds included."""
        values = {id(variable): np.asarray(variable) for variable in layer.variables}
        for axis in self._channels.axes:
            if axis.layer == layer.name:
                place = id(getattr(layer, axis.weight))
                values[place] = np.compress(self._stays[axis.units], values[place], axis.axis)
        for variable, new in zip(layer.variables, copy.variables, strict=True):
            value = values[id(variable)]
            if tuple(new.shape) != value.shape:
                raise PruningError(
                    f"layer {layer.name!r} ({type(layer).__name__}) was built anew with "
                    f"{variable.name} of {tuple(new.shape)} in place of {value.shape}"
                )
            new.assign(value)
        if isinstance(copy, keras.layers.Normalization):
            copy.finalize_state()
