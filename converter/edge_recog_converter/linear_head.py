"""Transfer learning with a frozen network: a linear classifier on its features."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.weight_rounding import round_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_recog_converter.features import Features
    from edge_recog_converter.recipe import HeadStage


@dataclass(frozen=True, slots=True)
class Epoch:
    """How training stood after one epoch."""

    number: int
    """From 1."""
    loss: float
    """Mean over the epoch's batches, penalty included."""
    validation_top1: float
    """0-1."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearClassifier:
    """Weights on raw features: `logits = features @ kernel + bias`."""

    kernel: NDArray[np.float32]
    """(features, classes)."""
    bias: NDArray[np.float32]
    """(classes,)."""
    history: tuple[Epoch, ...]
    best: Epoch
    """The epoch these weights are of: the first of those with the best validation."""


def train_classifier(
    train: Features,
    validation: Features,
    *,
    classes: int,
    stage: HeadStage,
    seed: int,
    on_epoch: Callable[[Epoch], object],
) -> LinearClassifier:
    """Train softmax regression by Adam with a cosine schedule, keeping the best epoch's weights.

    Features are scaled to mean 0 and variance 1 over the training split, so that one penalty suits
    all; the scale is folded into the weights returned. The same seed gives the same weights on the
    same machine.

    Args:
        train: To learn from.
        validation: To choose the epoch by.
        classes: At least 2.
        stage: Epochs, rate and penalty.
        seed: Of the initial weights and the order of the batches.
        on_epoch: Called after each epoch.

    Raises:
        TrainingError: The loss is not a number any more.
    """
    mean, deviation = train.values.mean(axis=0), train.values.std(axis=0) + 1e-3
    scaled = (train.values - mean) / deviation
    held_out = tf.constant((validation.values - mean) / deviation)
    rng = np.random.default_rng(seed)
    head = keras.layers.Dense(
        classes,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        kernel_regularizer=keras.regularizers.L2(stage.l2),
    )
    head.build((None, scaled.shape[1]))
    batches = math.ceil(len(scaled) / stage.batch_size)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(stage.learning_rate, stage.epochs * batches)
    )
    loss_of = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=stage.label_smoothing
    )
    targets = keras.utils.to_categorical(train.labels, classes)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(features: Any, wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(wanted, head(features)) + sum(head.losses)
        variables = head.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    history: list[Epoch] = []
    best: tuple[Epoch, list[NDArray[np.float32]]] | None = None
    for number in range(1, stage.epochs + 1):
        order = rng.permutation(len(scaled))
        losses = [
            float(step(tf.constant(scaled[chosen]), tf.constant(targets[chosen])))
            for chosen in np.array_split(order, batches)
        ]
        guesses = np.argmax(head(held_out), axis=1)
        epoch = Epoch(number, float(np.mean(losses)), float(np.mean(guesses == validation.labels)))
        if not math.isfinite(epoch.loss):
            raise TrainingError(
                f"the loss is {epoch.loss} after epoch {number}; lower learning_rate in the recipe"
            )
        history.append(epoch)
        on_epoch(epoch)
        if best is None or epoch.validation_top1 > best[0].validation_top1:
            best = (epoch, head.get_weights())
    assert best is not None
    kernel, bias = best[1]
    folded = kernel / deviation[:, None]
    return LinearClassifier(
        kernel=folded.astype(np.float32),
        bias=(bias - mean @ folded).astype(np.float32),
        history=tuple(history),
        best=best[0],
    )


def rounded_classifier(classifier: LinearClassifier, features: Features) -> LinearClassifier:
    """Return the classifier with the weights that the INT8 model will have.

    Args:
        classifier: From `train_classifier`.
        features: What it will see; their moments decide how weights are rounded
            (`weight_rounding`).
    """
    values = features.values.astype(np.float64)
    moments = values.T @ values / len(values)
    moments += np.eye(len(moments)) * 0.01 * np.trace(moments) / len(moments)
    kernel = round_rows(classifier.kernel.T, moments).T
    shift = values.mean(axis=0) @ (kernel - classifier.kernel)
    return dataclasses.replace(
        classifier,
        kernel=kernel.astype(np.float32),
        bias=(classifier.bias - shift).astype(np.float32),
    )


def with_classifier(
    network: Any, classifier: LinearClassifier, *, name: str, softmax: bool = True
) -> Any:
    """Return a Keras model from pictures to probabilities, or logits, (batch, classes).

    Args:
        network: The frozen network the classifier was trained on.
        classifier: Its weights.
        name: Of the model.
        softmax: Whether probabilities are wanted.
    """
    logits = keras.layers.Dense(classifier.bias.size, name="logits")
    x = logits(network.output)
    logits.set_weights([classifier.kernel, classifier.bias])
    if softmax:
        x = keras.layers.Softmax(name="probabilities")(x)
    return keras.Model(network.input, x, name=name)
