"""What cannot be pruned is named, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.cutting import cut
from edge_recog_converter.pruning.tracing import trace

from edge_recog.errors import EdgeRecogError

if TYPE_CHECKING:
    from collections.abc import Callable

layers = keras.layers


class Turned(layers.Layer):  # type: ignore[misc]
    """A layer of somebody else's: its channels come out in another order."""

    def call(self, x: Any) -> Any:
        return x[..., ::-1]


class TurnedDense(layers.Dense):  # type: ignore[misc]
    """Keras's by descent, yet not what Keras's is."""

    def call(self, x: Any) -> Any:
        return super().call(x)[..., ::-1]


def quantised() -> Any:
    dense = layers.Dense(4, name="culprit")
    dense.build((None, 4))
    dense.quantize("int8")
    return dense


def lora() -> Any:
    dense = layers.Dense(4, name="culprit")
    dense.build((None, 4))
    dense.enable_lora(2)
    return dense


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Turned(name="culprit"),
        lambda: TurnedDense(4, name="culprit"),
        lambda: layers.Lambda(lambda x: x, name="culprit"),
        lambda: layers.Dense(4, activation=lambda x: x, name="culprit"),
        lambda: layers.Activation("glu", name="culprit"),
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="culprit"),
        quantised,
        lora,
    ],
    ids=["custom", "derived", "lambda", "activation", "glu", "model", "quantised", "lora"],
)
def test_a_layer_of_which_nothing_is_known_is_refused_by_name(
    layer: Callable[[], Any],
) -> None:
    image = keras.Input((4,))
    x = layers.Dense(4)(image)
    model = keras.Model(image, layers.Dense(2)(layer()(x)))
    with pytest.raises(PruningError, match="'culprit'"):
        trace(model)


def test_an_operation_of_which_nothing_is_known_is_refused_by_name() -> None:
    image = keras.Input((4,))
    flipped = keras.ops.flip(layers.Dense(4)(image), axis=-1)
    with pytest.raises(PruningError, match=r"\(Flip\)"):
        trace(keras.Model(image, layers.Dense(2)(flipped)))


class Written(keras.Model):  # type: ignore[misc]
    """A model of code, without a graph."""

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    "model", [Written(), keras.Sequential([layers.Dense(2)])], ids=["subclass", "not built"]
)
def test_a_model_without_a_graph_is_refused(model: Any) -> None:
    with pytest.raises(PruningError, match="is not functional"):
        trace(model)


def test_the_error_is_one_that_is_shown_to_users() -> None:
    assert issubclass(PruningError, EdgeRecogError)
    assert issubclass(PruningError, ValueError)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"nothing": np.ones(4, np.bool_)}, "no group of channels 'nothing'"),
        ({"first": np.ones(3, np.bool_)}, "has 4 units"),
        ({"first": np.zeros(4, np.bool_)}, "one at least must stay"),
    ],
    ids=["unknown", "size", "empty"],
)
def test_a_choice_that_does_not_fit_is_refused(kept: Any, message: str) -> None:
    image = keras.Input((4,))
    model = keras.Model(image, layers.Dense(2)(layers.Dense(4, name="first")(image)))
    with pytest.raises(ValueError, match=message):
        cut(model, trace(model), kept)
