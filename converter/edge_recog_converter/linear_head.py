"""Transfer learning with a frozen network: a linear classifier on its features."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.report.document import Epoch
from edge_recog_converter.weight_rounding import round_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_recog_converter.features import Features
    from edge_recog_converter.learning.objectives import Objective
    from edge_recog_converter.learning.sections import Balance
    from edge_recog_converter.stages import HeadStage


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

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (pictures, classes) of (pictures, features)."""
        return features @ self.kernel + self.bias

    def tempered(self, temperature: float) -> LinearClassifier:
        """Return the one whose logits are divided by a temperature."""
        kernel, bias = self.kernel / np.float32(temperature), self.bias / np.float32(temperature)
        return dataclasses.replace(self, kernel=kernel, bias=bias)


def train_classifier(
    train: Features,
    validation: Features,
    *,
    stage: HeadStage,
    objective: Objective,
    balance: Balance,
    seed: int,
    on_epoch: Callable[[Epoch], object],
) -> LinearClassifier:
    """Train logistic regression by Adam with a cosine schedule, keeping the best epoch's weights.

    Features are scaled to mean 0 and variance 1 over the training split, so that one penalty suits
    all; the scale is folded into the weights returned. The same seed gives the same weights on the
    same machine.

    Args:
        train: To learn from.
        validation: To choose the epoch by.
        stage: Epochs, rate and penalty.
        objective: Of the task.
        balance: Of the recipe.
        seed: Of the initial weights and the order of the batches.
        on_epoch: Called after each epoch.

    Raises:
        DatasetError: The balance asked for is not possible with these targets.
        TrainingError: The loss is not a number any more.
    """
    mean, deviation = train.values.mean(axis=0), train.values.std(axis=0) + 1e-3
    scaled = (train.values - mean) / deviation
    held_out = tf.constant((validation.values - mean) / deviation)
    head = keras.layers.Dense(
        train.targets.shape[1],
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        kernel_regularizer=keras.regularizers.L2(stage.l2),
    )
    head.build((None, scaled.shape[1]))
    head.bias.assign(objective.first_bias(balance, train.targets))
    batches = math.ceil(len(scaled) / stage.batch_size)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(stage.learning_rate, stage.epochs * batches)
    )
    loss_of = objective.loss(objective.smoothed(stage.label_smoothing), balance, train.targets)
    weights = objective.weights(balance, train.targets)
    if weights is None:
        weights = np.ones(len(scaled), np.float32)

    step = _step_of(head, optimizer, loss_of)
    history: list[Epoch] = []
    best: tuple[Epoch, list[NDArray[np.float32]]] | None = None
    for number in range(1, stage.epochs + 1):
        start = time.perf_counter()
        order = objective.order(balance, train.targets, seed=seed, epoch=number)
        losses = [
            float(step(*(tf.constant(part[at]) for part in (scaled, train.targets, weights))))
            for at in np.array_split(order, batches)
        ]
        logits = head(held_out).numpy()
        epoch = Epoch(
            number=number,
            loss=float(np.mean(losses)),
            validation_loss=float(loss_of(validation.targets, logits)),
            score=objective.score(logits, validation.targets),
            rate=float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
            seconds=time.perf_counter() - start,
            waiting_s=0.0,
        )
        if not math.isfinite(epoch.loss):
            raise TrainingError(
                f"the loss is {epoch.loss} after epoch {number}; lower learning_rate in the recipe"
            )
        history.append(epoch)
        on_epoch(epoch)
        if best is None or epoch.score > best[0].score:
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


def _step_of(head: Any, optimizer: Any, loss_of: Any) -> Callable[..., Any]:
    """Return what learns from features, targets and weights, and returns the loss."""

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(features: Any, wanted: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(wanted, head(features), sample_weight=weights) + sum(head.losses)
        variables = head.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return cast("Callable[..., Any]", step)


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
    network: Any,
    classifier: LinearClassifier,
    *,
    name: str,
    activation: Literal["softmax", "sigmoid"] | None,
) -> Any:
    """Return a Keras model from pictures to scores, or logits, (batch, classes).

    Args:
        network: The frozen network the classifier was trained on.
        classifier: Its weights.
        name: Of the model.
        activation: What makes scores of logits; None for logits.
    """
    logits = keras.layers.Dense(classifier.bias.size, name="logits")
    x = logits(network.output)
    logits.set_weights([classifier.kernel, classifier.bias])
    if activation is not None:
        x = keras.layers.Activation(activation, name="probabilities")(x)
    return keras.Model(network.input, x, name=name)
