"""One plain functional model instead of models within models.

Folding, rounding and unfreezing walk a model's own layers: what is hidden in a model that is used
as a layer would keep its normalisations and be rounded blindly.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.pretrained.keras_archive import AUGMENTATIONS

_TAKEN: Final = frozenset({"image", "logits", "probabilities"})
"""Names that are given to other layers."""


def flattened(model: Any, input_shape: tuple[int, int, int]) -> Any:
    """Return a copy of a functional or sequential `model` without models or augmentation in it.

    The copy takes `image`, (batch, height, width, channels) float32, and computes in float32 what
    `model` computes outside of training. Layers keep their names where those are free; a layer
    used at several places still is. Whether a layer was called in training mode is forgotten:
    freeze it instead. What `Normalization` has learned becomes part of its configuration, so that
    copies of the copy have it too.

    Args:
        model: With one input and one output.
        input_shape: Of the copy: height, width and channels.

    Raises:
        ValueError: A layer or its weights are for another size; or another error of Keras.
    """
    image = keras.Input(input_shape, name="image")
    return keras.Model(image, _Copier().run(model, image), name=model.name)


class _Copier:
    """Copies of layers, each made once, under names of their own."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}
        self._names = set(_TAKEN)

    def run(self, model: Any, inputs: Any) -> Any:
        """Return the output of a copy of `model` on symbolic tensors."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                inputs = self._call(layer, inputs)
            return inputs
        return model._run_through_graph(
            inputs, operation_fn=lambda operation: functools.partial(self._call, operation)
        )

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("training", None)
        if isinstance(operation, keras.Model):
            (inputs,) = args
            return self.run(operation, inputs)
        if type(operation).__name__ in AUGMENTATIONS:
            return args[0]
        if id(operation) in self._copies:
            return self._copies[id(operation)](*args, **kwargs)
        copy = self._copies[id(operation)] = self._copy(operation)
        output = copy(*args, **kwargs)
        if isinstance(copy, keras.Layer) and copy.weights:
            # Only now are they there.
            copy.set_weights(operation.get_weights())
        return output

    def _copy(self, operation: Any) -> Any:
        config = operation.get_config()
        config["name"] = self._free_name(operation.name)
        if isinstance(operation, keras.Layer):
            config |= {"dtype": "float32", "trainable": True}
        if isinstance(operation, keras.layers.Normalization):
            config |= {
                part: np.ravel(np.asarray(getattr(operation, part))).tolist()
                for part in ("mean", "variance")
            }
        return type(operation).from_config(config)

    def _free_name(self, name: str) -> str:
        # TFLite's converter takes names with a leading underscore for its own.
        base = name.lstrip("_") or "layer"
        free, number = base, 0
        while free in self._names:
            number += 1
            free = f"{base}_{number}"
        self._names.add(free)
        return free
