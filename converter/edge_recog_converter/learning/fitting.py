"""Training a network by gradient descent, epoch by epoch, so that it can be killed and go on.

Pictures stay uint8 until they are in the graph: augmented as float32 pixels 0-255, then normalised
as the model's contract says. Batches are gathered in a thread of their own while the last one is
learned from. Which pictures an epoch has, in which order, and what is done to them follows from the
seed and the numbers of epoch and step alone, so a training that goes on from a checkpoint sees what
one that was never interrupted sees.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import TrainingError
from edge_recog_converter.learning.checkpoints import (
    decoded,
    encoded,
    read_checkpoint,
    write_checkpoint,
)
from edge_recog_converter.learning.inference import inference_of
from edge_recog_converter.learning.optimizers import averaged_weights
from edge_recog_converter.learning.plans import batches
from edge_recog_converter.learning.steps import Step
from edge_recog_converter.learning.workers import alone
from edge_recog_converter.report.document import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_recog_converter.learning.plans import Plan, Samples
    from edge_recog_converter.learning.workers import Workers


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training was like; the network has the best epoch's weights."""

    history: tuple[Epoch, ...]
    best: Epoch
    resumed_after: int
    """Epochs that had been done before; 0 for none."""


def fit(
    network: Any,
    train: Samples,
    validation: Samples,
    plan: Plan,
    *,
    checkpoint: Path | None = None,
    fingerprint: str = "",
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
    on_batch: Callable[[], object] = lambda: None,
    workers: Workers | None = None,
) -> Fitted:
    """Train `network` in place and leave the best epoch's weights in it.

    Args:
        network: A `keras.Model` from normalised pixels to logits. Layers whose `trainable` is false
            are left alone; a BatchNormalization of which that is true uses its moving averages.
        train: At least one batch's worth is not needed: a last, smaller batch is learned from too.
        validation: Chooses the epoch.
        plan: How.
        checkpoint: File that is written after every epoch, by the chief, and gone on from if it is
            of the same `fingerprint`.
        fingerprint: Of all that must be the same to go on, and on all workers.
        on_epoch: Called after each epoch, and for those of a checkpoint.
        on_batch: Called after each batch.
        workers: That call this at the same time with the same; this process alone if None. All go
            on from the chief's checkpoint and end with the same weights.

    Raises:
        TrainingError: The loss is not a number any more, the network cannot be trained in the
            plan's precision, or another worker was lost.
    """
    workers = workers or alone()
    fitting = _Fitting(network, train, validation, plan, checkpoint, fingerprint, workers)
    with workers.losses_told():
        return fitting.run(on_epoch, on_batch)


class _Fitting:
    def __init__(
        self,
        network: Any,
        train: Samples,
        validation: Samples,
        plan: Plan,
        checkpoint: Path | None,
        fingerprint: str,
        workers: Workers,
    ) -> None:
        self._network = network
        self._train = train
        self._validation = validation
        self._plan = plan
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint
        self._workers = workers
        self._history: list[Epoch] = []
        self._best: tuple[Epoch, list[NDArray[Any]]] | None = None
        self._step = Step(network, plan, workers)
        self._infer = inference_of(network, mean=plan.mean, std=plan.std)

    def run(self, on_epoch: Callable[[Epoch], object], on_batch: Callable[[], object]) -> Fitted:
        self._workers.agree(self._fingerprint)
        resumed = self._resume()
        if self._plan.zeros is not None:
            self._plan.zeros.take_up(int(self._plan.optimizer.iterations.numpy()))
        for epoch in self._history:
            on_epoch(epoch)
        while not self._done():
            number = len(self._history) + 1
            loss, start, waiting_s = self._learn_epoch(number, on_batch)
            with self._evaluated_weights(number):
                validation_loss, score = self._validate()
                epoch = Epoch(
                    number=number,
                    loss=loss,
                    validation_loss=validation_loss,
                    score=score,
                    rate=float(keras.ops.convert_to_numpy(self._plan.optimizer.learning_rate)),
                    seconds=time.perf_counter() - start,
                    waiting_s=waiting_s,
                )
                if number >= self._plan.kept_from and self._is_better(epoch):
                    self._best = (epoch, self._network.get_weights())
            self._history.append(epoch)
            self._keep()
            on_epoch(self._history[-1])
        assert self._best is not None
        self._network.set_weights(self._best[1])
        return Fitted(tuple(self._history), self._best[0], resumed)

    def _is_better(self, epoch: Epoch) -> bool:
        """Tell whether to keep this epoch: the higher score, and of equal ones the lower loss."""
        if self._best is None:
            return True
        best = self._best[0]
        return (epoch.score, -epoch.validation_loss) > (best.score, -best.validation_loss)

    def _done(self) -> bool:
        done = len(self._history)
        if done >= self._plan.epochs:
            return True
        if self._plan.patience is None or self._best is None:
            return False
        highest = max(self._history[self._plan.kept_from - 1 :], key=lambda epoch: epoch.score)
        return done - highest.number >= self._plan.patience

    def _learn_epoch(
        self, number: int, on_batch: Callable[[], object]
    ) -> tuple[float, float, float]:
        """Return the mean loss, when it began, and how long pictures were waited for."""
        start = time.perf_counter()
        waiting_s = 0.0
        losses: list[Any] = []
        sizes: list[int] = []
        coming = batches(self._train, self._plan, number)
        while True:
            asked = time.perf_counter()
            batch = next(coming, None)
            waiting_s += time.perf_counter() - asked
            if batch is None:
                break
            losses.append(self._step.learn(batch))
            sizes.append(len(batch.pixels))
            on_batch()
        loss = float(np.average([float(one) for one in losses], weights=sizes))
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} after epoch {number}; lower learning_rate in the recipe, or "
                "set clip_norm"
            )
        return loss, start, waiting_s

    @contextlib.contextmanager
    def _evaluated_weights(self, epoch: int) -> Iterator[None]:
        """Have the weights that would be kept in the network meanwhile, with their statistics."""
        optimizer = self._plan.optimizer
        if not optimizer.use_ema:
            yield
            return
        with averaged_weights(optimizer, self._network.trainable_variables):
            if self._plan.zeros is not None:
                self._plan.zeros.apply()
            untaught = dataclasses.replace(self._plan, teaching=None)
            with self._step.restated(batches(self._train, untaught, epoch)):
                yield

    def _validate(self) -> tuple[float, float]:
        """Return loss and score on validation, whose pictures the workers share."""
        plan, validation = self._plan, self._validation
        count = len(validation.pixels)
        start, stop = self._workers.bounds(count)
        share = np.zeros((0, validation.targets.shape[1]), np.float32)
        if stop > start:
            share = self._infer(validation.pixels[start:stop])
        logits = self._workers.joined(share, count)
        loss = float(plan.loss(validation.targets, logits))
        return loss, plan.score(logits, validation.targets)

    def _keep(self) -> None:
        """Write the checkpoint; have the chief's state, whatever rounding has done elsewhere."""
        if self._workers.alone and self._checkpoint is None:
            return
        state = self._state() if self._workers.is_chief else b""
        if self._checkpoint is not None and self._workers.is_chief:
            write_checkpoint(self._checkpoint, state)
        self._follow_chief(state)

    def _resume(self) -> int:
        """Take up what the chief's checkpoint has; return how many epochs that is."""
        if self._checkpoint is not None and self._workers.is_chief:
            self._take_up(read_checkpoint(self._checkpoint))
        if not self._workers.alone:
            self._follow_chief(self._state() if self._workers.is_chief else b"")
        return len(self._history)

    def _follow_chief(self, state: bytes) -> None:
        state = self._workers.from_chief(state)
        if not self._workers.is_chief:
            self._take_up(state)

    def _state(self) -> bytes:
        best = self._best
        return encoded(
            fingerprint=self._fingerprint,
            document={
                "history": [msgspec.structs.asdict(epoch) for epoch in self._history],
                "best": best[0].number if best else 0,
            },
            arrays={
                "model": [one.numpy() for one in self._network.variables],
                "optimizer": [one.numpy() for one in self._step.optimizer.variables],
                "best": best[1] if best else [],
            },
        )

    def _take_up(self, state: bytes) -> None:
        kept = decoded(state, fingerprint=self._fingerprint)
        if kept is None:
            return
        for variables, kind in (
            (self._network.variables, "model"),
            (self._step.optimizer.variables, "optimizer"),
        ):
            for variable, value in zip(variables, kept.arrays[kind], strict=True):
                variable.assign(value)
        self._history = [Epoch(**epoch) for epoch in kept.document["history"]]
        if number := kept.document["best"]:
            self._best = (self._history[number - 1], list(kept.arrays["best"]))
