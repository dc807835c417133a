"""Training a network by gradient descent, epoch by epoch, so that it can be killed and go on.

Pictures stay uint8 until they are in the graph: augmented as float32 pixels 0-255, then normalised
as the model's contract says. Batches are gathered in a thread of their own while the last one is
learned from. Which pictures an epoch has, in which order, and what is done to them follows from the
seed and the numbers of epoch and step alone, so a training that goes on from a checkpoint sees what
one that was never interrupted sees.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.learning.checkpoints import read_checkpoint, write_checkpoint
from edge_recog_converter.learning.optimizers import averaged_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

EVALUATED_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pictures to learn from, or to be measured on."""

    pixels: NDArray[np.uint8]
    """(pictures, height, width, channels)."""
    targets: NDArray[np.float32]
    """(pictures, classes): one-hot, or 1 for each label that a picture has."""


class Augment(Protocol):
    """Changes a batch in the graph."""

    def __call__(self, pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        """Return pictures (batch, height, width, channels) float32 0-255 and their targets."""


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """How training stood after one epoch."""

    number: int
    """From 1."""
    loss: float
    """Mean over the epoch's batches, of augmented pictures, penalties included."""
    validation_loss: float
    score: float
    """On validation, 0-1, higher is better: what the best epoch is chosen by."""
    rate: float
    """Learning rate at the end."""
    seconds: float
    """Of the whole epoch."""
    waiting_s: float
    """Of them, waiting for pictures."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training was like; the network has the best epoch's weights."""

    history: tuple[EpochFigures, ...]
    best: EpochFigures
    resumed_after: int
    """Epochs that had been done before; 0 for none."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training needs beside the network and the pictures."""

    loss: Any
    """A `keras.losses.Loss` of (targets, logits), which takes sample weights."""
    optimizer: Any
    """A `keras.optimizers.Optimizer` with its schedule."""
    epochs: int
    batch_size: int
    mean: float
    """Subtracted from pixels."""
    std: float
    """Then divided by."""
    order: Callable[[int], NDArray[np.integer]]
    """Epoch, from 1 → indices of its pictures, in order."""
    score: Callable[[NDArray[np.float32], NDArray[np.float32]], float]
    """Of (logits, targets) on validation, 0-1."""
    augment: Augment
    weights: NDArray[np.float32] | None = None
    """(pictures,) of each picture in the loss."""
    patience: int | None = None
    """Epochs without a better score after which it ends."""


def fit(
    network: Any,
    train: Samples,
    validation: Samples,
    plan: Plan,
    *,
    checkpoint: Path | None = None,
    fingerprint: str = "",
    on_epoch: Callable[[EpochFigures], object] = lambda epoch: None,
) -> Fitted:
    """Train `network` in place and leave the best epoch's weights in it.

    Args:
        network: A `keras.Model` from normalised pixels to logits. Layers whose `trainable` is false
            are left alone; a BatchNormalization of which that is true uses its moving averages.
        train: At least one batch's worth is not needed: a last, smaller batch is learned from too.
        validation: Chooses the epoch.
        plan: How.
        checkpoint: File that is written after every epoch and gone on from if it is of the same
            `fingerprint`.
        fingerprint: Of all that must be the same to go on.
        on_epoch: Called after each epoch, and for those of a checkpoint.

    Raises:
        TrainingError: The loss is not a number any more.
    """
    return _Fitting(network, train, validation, plan, checkpoint, fingerprint).run(on_epoch)


class _Fitting:
    def __init__(
        self,
        network: Any,
        train: Samples,
        validation: Samples,
        plan: Plan,
        checkpoint: Path | None,
        fingerprint: str,
    ) -> None:
        self._network = network
        self._train = train
        self._validation = validation
        self._plan = plan
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint
        self._history: list[EpochFigures] = []
        self._best: tuple[EpochFigures, list[NDArray[Any]]] | None = None
        if not plan.optimizer.built:
            plan.optimizer.build(network.trainable_variables)
        self._step = tf.function(self._learn, reduce_retracing=True, autograph=False)
        self._infer = inference_of(network, mean=plan.mean, std=plan.std)

    def run(self, on_epoch: Callable[[EpochFigures], object]) -> Fitted:
        resumed = self._resume()
        for epoch in self._history:
            on_epoch(epoch)
        while not self._done():
            loss, start, waiting_s = self._learn_epoch(len(self._history) + 1)
            with averaged_weights(self._plan.optimizer, self._network.trainable_variables):
                validation_loss, score = self._validate()
                epoch = EpochFigures(
                    number=len(self._history) + 1,
                    loss=loss,
                    validation_loss=validation_loss,
                    score=score,
                    rate=float(keras.ops.convert_to_numpy(self._plan.optimizer.learning_rate)),
                    seconds=time.perf_counter() - start,
                    waiting_s=waiting_s,
                )
                if self._best is None or score > self._best[0].score:
                    self._best = (epoch, self._network.get_weights())
            self._history.append(epoch)
            self._keep()
            on_epoch(epoch)
        assert self._best is not None
        self._network.set_weights(self._best[1])
        return Fitted(tuple(self._history), self._best[0], resumed)

    def _done(self) -> bool:
        done = len(self._history)
        if done >= self._plan.epochs:
            return True
        patience = self._plan.patience
        return (
            patience is not None
            and self._best is not None
            and (done - self._best[0].number >= patience)
        )

    def _learn_epoch(self, number: int) -> tuple[float, float, float]:
        """Return the mean loss, when it began, and how long pictures were waited for."""
        start = time.perf_counter()
        waiting_s = 0.0
        losses: list[Any] = []
        sizes: list[int] = []
        batches = self._batches(number)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            waiting_s += time.perf_counter() - asked
            if batch is None:
                break
            losses.append(self._step(*batch, self._plan.optimizer.iterations.value))
            sizes.append(len(batch[0]))
        loss = float(np.average([float(one) for one in losses], weights=sizes))
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} after epoch {number}; lower learning_rate in the recipe, or "
                "set clip_norm"
            )
        return loss, start, waiting_s

    def _learn(self, pixels: Any, targets: Any, weights: Any, step: Any) -> Any:
        """Learn from one batch, in the graph."""
        plan, network = self._plan, self._network
        images, targets = plan.augment(tf.cast(pixels, tf.float32), targets, step)
        with tf.GradientTape() as tape:
            logits = network((images - plan.mean) / plan.std, training=True)
            loss = plan.loss(targets, tf.cast(logits, tf.float32), sample_weight=weights)
            loss += sum(network.losses)
        variables = network.trainable_variables
        plan.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def _batches(self, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield pixels, targets and weights; the next batch is gathered meanwhile."""
        order = self._plan.order(epoch)
        parts = np.array_split(order, math.ceil(len(order) / self._plan.batch_size))

        def gather(chosen: NDArray[np.integer]) -> tuple[Any, Any, Any]:
            ones = np.ones(len(chosen), np.float32)
            weights = ones if self._plan.weights is None else self._plan.weights[chosen]
            return self._train.pixels[chosen], self._train.targets[chosen], weights

        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(gather, parts[0])
            for at in range(len(parts)):
                batch = coming.result()
                if at + 1 < len(parts):
                    coming = pool.submit(gather, parts[at + 1])
                yield batch

    def _validate(self) -> tuple[float, float]:
        """Return loss and score on validation."""
        plan = self._plan
        logits = self._infer(self._validation.pixels)
        loss = float(plan.loss(self._validation.targets, logits))
        return loss, plan.score(logits, self._validation.targets)

    def _keep(self) -> None:
        if self._checkpoint is None:
            return
        assert self._best is not None
        write_checkpoint(
            self._checkpoint,
            fingerprint=self._fingerprint,
            document={
                "history": [asdict(epoch) for epoch in self._history],
                "best": self._best[0].number,
            },
            arrays={
                "model": [one.numpy() for one in self._network.variables],
                "optimizer": [one.numpy() for one in self._plan.optimizer.variables],
                "best": self._best[1],
            },
        )

    def _resume(self) -> int:
        """Take up what a checkpoint has; return how many epochs that is."""
        if self._checkpoint is None:
            return 0
        kept = read_checkpoint(self._checkpoint, fingerprint=self._fingerprint)
        if kept is None:
            return 0
        for variables, kind in (
            (self._network.variables, "model"),
            (self._plan.optimizer.variables, "optimizer"),
        ):
            for variable, value in zip(variables, kept.arrays[kind], strict=True):
                variable.assign(value)
        self._history = [EpochFigures(**epoch) for epoch in kept.document["history"]]
        best = self._history[kept.document["best"] - 1]
        self._best = (best, list(kept.arrays["best"]))
        return len(self._history)


def inference_of(
    network: Any, *, mean: float, std: float
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return what makes (pictures, classes) float32 logits of (pictures, …) pixels 0-255.

    Args:
        network: From normalised pixels to logits; its weights may change between calls.
        mean: As in the contract.
        std: As in the contract.
    """
    spec = tf.TensorSpec((None, *network.inputs[0].shape[1:]), tf.uint8)
    infer = tf.function(
        lambda batch: network((tf.cast(batch, tf.float32) - mean) / std, training=False),
        input_signature=[spec],
        autograph=False,
    )

    def logits(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        starts = range(0, len(pixels), EVALUATED_AT_ONCE)
        parts = [infer(pixels[start : start + EVALUATED_AT_ONCE]).numpy() for start in starts]
        return np.concatenate(parts).astype(np.float32)

    return logits


def top1(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Return the share of pictures whose best label is the right one, 0-1."""
    return float(np.mean(logits.argmax(axis=1) == targets.argmax(axis=1)))


def unchanged(pictures: Any, targets: Any, step: Any) -> tuple[Any, Any]:
    """Augment nothing."""
    del step
    return pictures, targets
