"""The graph of a functional Keras model: who takes what, and copies with some layers changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable


def consumers(model: Any) -> dict[str, list[Any]]:
    """Return the layers that take the output of each layer of `model`, by its name.

    One that takes it twice is there twice.
    """
    taken: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        for tensor in inputs_of(layer):
            producer = tensor._keras_history.operation
            if producer.name in taken:
                taken[producer.name].append(layer)
    return taken


def inputs_of(layer: Any) -> list[Any]:
    """Return the tensors that `layer` takes where it stands in its model."""
    return list(layer._inbound_nodes[0].input_tensors) if layer._inbound_nodes else []


def producers(layer: Any) -> list[Any]:
    """Return the layers that `layer` takes tensors from."""
    return [tensor._keras_history.operation for tensor in inputs_of(layer)]


def is_output(model: Any, layer: Any) -> bool:
    """Whether `model` returns the output of `layer`."""
    return any(tensor is layer.output for tensor in model.outputs)


def as_functional(model: Any) -> Any:
    """Return `model`, or a functional model of the layers of a sequential one.

    Raises:
        ConversionError: It is neither, or holds what cannot be walked: models within it, layers
            used more than once, operations that are not layers.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    if not hasattr(model, "operations"):
        raise ConversionError(f"{model.name} is no functional model: its graph cannot be walked")
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            raise ConversionError(
                f"{operation.name} is a model within the model: flatten it, so that its layers "
                "are the model's own"
            )
        if not isinstance(operation, keras.layers.Layer):
            raise ConversionError(
                f"{operation.name} is a bare operation: use a layer that does the same"
            )
        if len(operation._inbound_nodes) != 1 and not isinstance(
            operation, keras.layers.InputLayer
        ):
            raise ConversionError(
                f"{operation.name} stands at {len(operation._inbound_nodes)} places: ranges and "
                "folded kernels belong to one place, so give each a layer of its own"
            )
    return model


def rebuilt(model: Any, call: Callable[..., Any]) -> Any:
    """Return a functional model of the same graph, made by calling `call` at each layer.

    Args:
        model: Functional.
        call: Given a layer of `model` and the tensors of the new model in place of those it takes,
            returns what takes the place of its output. Keyword arguments are the layer's own.
    """
    # Layers are not copied here but by `call`, which may make others of them.
    copy: Any = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
    return copy


def copied(layer: Any) -> Any:
    """Return a layer of the same configuration, without weights."""
    return type(layer).from_config(layer.get_config())
