"""The calls of which a functional or sequential Keras model is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Call:
    """One place in the model where a layer or operation stands."""

    layer: Any
    """A `keras.Layer` or `keras.Operation`."""
    inputs: tuple[Any, ...]
    """Symbolic tensors, in the order of the arguments."""
    outputs: tuple[Any, ...]
    constants: tuple[Any, ...]
    """Arguments that are numbers or arrays."""

    @property
    def where(self) -> str:
        """What to call it in a message."""
        return f"{self.layer.name!r} ({type(self.layer).__name__})"


def functional(model: Any) -> Any:
    """Return the graph of `model`: itself, or what a sequential model is made of.

    Raises:
        PruningError: It has none: it is a subclass with code of its own, or not built yet.
    """
    graph = model
    if isinstance(model, keras.Sequential):
        graph = model._functional
    if not isinstance(graph, keras.Function):
        raise PruningError(
            f"model {getattr(model, 'name', model)!r} is not functional or has no input shape yet: "
            "make it with keras.Model(inputs, outputs)"
        )
    return graph


def calls(model: Any) -> Iterator[Call]:
    """Yield every call but inputs, each after those that it takes from.

    Raises:
        PruningError: As `functional`.
    """
    graph = functional(model)
    known = {id(tensor) for tensor in graph.inputs}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            # As in `keras.Function`: what does not follow from the inputs is left out.
            if node.is_input or any(id(tensor) not in known for tensor in node.input_tensors):
                continue
            known |= {id(tensor) for tensor in node.outputs}
            arguments = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
            yield Call(
                layer=node.operation,
                inputs=tuple(node.input_tensors),
                outputs=tuple(node.outputs),
                constants=tuple(value for value in arguments if _is_number(value)),
            )


def width(tensor: Any) -> int:
    """Return the length of a tensor's last axis, its channels; 0 where it has none or is open."""
    shape = tensor.shape
    return 0 if len(shape) < 2 or shape[-1] is None else int(shape[-1])


def _is_number(value: Any) -> bool:
    if value is None or isinstance(value, (bool, str, keras.KerasTensor)):
        return False
    return bool(np.issubdtype(np.asarray(value).dtype, np.number))
