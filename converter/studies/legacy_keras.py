"""Networks in the HDF5 files of Keras 2, rebuilt layer by layer.

Keras 3 refuses some of them (a `DepthwiseConv2D` that has `groups`). Only layers of a table are
made, with those of their arguments that decide what is computed; weights are read as plain arrays.
Nothing in the file is run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import h5py  # type: ignore[import-untyped]
import numpy as np
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PretrainedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_CONVOLUTION: Final = (
    "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias",
)  # fmt: skip
_POOL: Final = ("pool_size", "strides", "padding", "data_format")
_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Activation": ("activation",),
    "Add": (),
    "AveragePooling2D": _POOL,
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "Conv2D": ("filters", *_CONVOLUTION),
    "Dense": ("units", "activation", "use_bias"),
    "DepthwiseConv2D": ("depth_multiplier", *_CONVOLUTION),
    "Dropout": ("rate",),
    "Flatten": ("data_format",),
    "GlobalAveragePooling2D": ("data_format",),
    "InputLayer": (),
    "MaxPooling2D": _POOL,
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Reshape": ("target_shape",),
}
"""The layers that are known → their arguments; all others are refused."""


def load_legacy_network(path: Path) -> Any:
    """Return the functional `keras.Model` of an HDF5 file, with its weights, not compiled.

    Args:
        path: As `model.save` of Keras 2 wrote it: one input, one output, a layer at one place each.

    Raises:
        PretrainedError: It is no such file, has a layer that is not known, or weights that do not
            fit.
    """
    try:
        with h5py.File(path, "r") as file:
            configuration = json.loads(file.attrs["model_config"])
            weights = {name: _arrays(group) for name, group in file["model_weights"].items()}
        return network_of(configuration["config"], weights)
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise PretrainedError(
            f"{path}: not a network that can be rebuilt ({error}); it must be a functional model "
            "saved by Keras 2 as HDF5"
        ) from error


def network_of(
    configuration: Mapping[str, Any], weights: Mapping[str, list[NDArray[np.float32]]]
) -> Any:
    """Return the model of a functional configuration.

    Args:
        configuration: `config` of Keras 2's JSON.
        weights: By layer, in the layer's own order.

    Raises:
        KeyError: The configuration lacks something.
        ValueError: A layer is not known or its weights do not fit.
    """
    made: dict[str, Any] = {}
    for entry in configuration["layers"]:
        name, kind = entry["name"], entry["class_name"]
        if kind not in _ARGUMENTS:
            raise ValueError(f"{name} is a {kind}, which is not among the layers that are known")
        if kind == "InputLayer":
            made[name] = keras.Input(entry["config"]["batch_input_shape"][1:], name=name)
            continue
        layer = _layer(kind, entry["config"])
        (node,) = entry["inbound_nodes"]
        inputs = [made[source] for source, *_ in node]
        made[name] = layer(inputs[0] if len(inputs) == 1 else inputs)
        layer.set_weights(weights.get(name, []))
    ((first, *_),) = configuration["input_layers"]
    ((last, *_),) = configuration["output_layers"]
    return keras.Model(made[first], made[last], name=configuration["name"])


def _layer(kind: str, config: Mapping[str, Any]) -> Any:
    if config.get("groups", 1) != 1 and kind == "Conv2D":
        raise ValueError(f"{config['name']} has {config['groups']} groups")
    known = {name: config[name] for name in _ARGUMENTS[kind] if name in config}
    if isinstance(known.get("axis"), list):
        (known["axis"],) = known["axis"]
    return getattr(keras.layers, kind)(name=config["name"], **known)


def _arrays(group: Any) -> list[NDArray[np.float32]]:
    return [np.asarray(group[name], np.float32) for name in group.attrs["weight_names"]]
