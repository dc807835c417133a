"""Layers that compute otherwise while a training step's graph is made, and as ever afterwards.

What a `tf.function` has traced stays as it was traced, so that one network, with one set of float32
weights, is trained in one way and evaluated and converted in another.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from edge_recog_converter._tensorflow import keras, tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_recog_converter.learning.plans import Precision


def layers_of(network: Any) -> list[Any]:
    """Return all layers, those inside of others too."""
    return list(network._flatten_layers(include_self=False, recursive=True))


def learning_normalisations(network: Any) -> list[Any]:
    """Return the BatchNormalization layers that gather statistics while training."""
    return [
        layer
        for layer in layers_of(network)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


@contextlib.contextmanager
def computing_in(network: Any, precision: Precision) -> Iterator[None]:
    """Have layers compute in a precision; those that give the network's outputs, in float32.

    Variables are not touched: they are float32 under each of these policies.
    """
    if precision == "float32":
        yield
        return
    outputs = set(network.output_names)
    layers = [layer for layer in layers_of(network) if layer.name not in outputs]
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = precision.replace("-", "_")
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy


@contextlib.contextmanager
def as_of_one_batch(network: Any, *, start: Any, stop: Any, whole: Any) -> Iterator[None]:
    """Have layers treat a worker's share as a part of the batch that all workers have.

    BatchNormalization takes the whole batch's statistics; Dropout draws for the whole batch.

    Args:
        network: Its other layers treat each picture by itself.
        start: Of the share, an int32 scalar tensor.
        stop: Its end.
        whole: Pictures in the batch.
    """

    def dropping(layer: Any) -> Callable[..., Any]:
        def call(inputs: Any, training: bool = False) -> Any:
            if not training or layer.rate == 0:
                return inputs
            ones = tf.ones(tf.concat([[whole], tf.shape(inputs)[1:]], 0), inputs.dtype)
            ones = tf.ensure_shape(ones, (None, *inputs.shape[1:]))
            kept = keras.random.dropout(
                ones, layer.rate, noise_shape=layer.noise_shape, seed=layer.seed_generator
            )
            return inputs * kept[start:stop]

        return call

    norms = learning_normalisations(network)
    synchronised = [layer.synchronized for layer in norms]
    dropouts = [one for one in layers_of(network) if type(one) is keras.layers.Dropout]
    try:
        for layer in norms:
            layer.synchronized = True
        for layer in dropouts:
            layer.call = dropping(layer)
        yield
    finally:
        for layer, value in zip(norms, synchronised, strict=True):
            layer.synchronized = value
        for layer in dropouts:
            del layer.call


@contextlib.contextmanager
def averaging_all(norms: list[Any], seen: Any) -> Iterator[None]:
    """Have normalisations' statistics be the mean over all batches, not the last ones'.

    Args:
        norms: BatchNormalization layers.
        seen: Batches before this one, a float32 scalar tensor.
    """
    before = [layer.momentum for layer in norms]
    try:
        for layer in norms:
            layer.momentum = seen / (seen + 1.0)
        yield
    finally:
        for layer, momentum in zip(norms, before, strict=True):
            layer.momentum = momentum
