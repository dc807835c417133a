"""What all stages have in common in which the network itself learns, from decoded pictures."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.decoded import decoded_split
from edge_recog_converter.learning.augmentation.augmenter import augmenter_of
from edge_recog_converter.learning.fitting import fit
from edge_recog_converter.learning.inference import inference_of
from edge_recog_converter.learning.optimizers import optimizer_of
from edge_recog_converter.learning.plans import Plan, Samples
from edge_recog_converter.learning.tensorboard import epoch_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from numpy.typing import NDArray

    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Split
    from edge_recog_converter.learning.augmentation.augmenter import Augmenter
    from edge_recog_converter.learning.fitting import Fitted
    from edge_recog_converter.learning.plans import KeptZeros, Teaching
    from edge_recog_converter.making import Job
    from edge_recog_converter.report.document import Epoch
    from edge_recog_converter.stages import Learning

CHECKPOINT = "training-{name}.state"
"""In the run's folder while it is made."""
TENSORBOARD = "tensorboard"
"""Folder of event files in the run's folder."""
_ROUNDS = 1_000
"""Seeds from one round of a stage to the next."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One of the times that the network learns in a build."""

    kind: Literal["train", "distill", "prune", "sparsify"]
    """Of the stage."""
    number: int
    """Of the stage, from 0, among those in which the network learns."""
    round: int = 0
    """Within the stage, from 0."""

    @property
    def name(self) -> str:
        """As in file names."""
        return f"{self.number + 1}" + (f"-{self.round + 1}" if self.round else "")

    def seed(self, first: int) -> int:
        """Return the seed of order and augmentation, where the recipe's is `first`."""
        return first + self.number + self.round * _ROUNDS


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What a build learns from."""

    train: Samples
    validation: Samples
    unlabelled: int = 0
    """How many at the end of `train` have no labels."""

    @property
    def labelled(self) -> NDArray[np.float32]:
        """Targets of those that have."""
        return self.train.targets[: len(self.train.targets) - self.unlabelled]


def pictures_of(job: Job) -> Pictures:
    """Return both splits that a build learns from, decoded as its network is fed."""
    return Pictures(samples(job, "train"), samples(job, "validation"))


def samples(job: Job, split: Split, preprocessing: Preprocessing | None = None) -> Samples:
    """Return a split, decoded as by some contract; the network's own if None."""
    pictures = job.dataset.splits[split]
    with job.reporter.meter(split, len(pictures)) as advance:
        decoded = decoded_split(
            pictures,
            preprocessing or job.preprocessing,
            cache=job.cache,
            progress=advance,
            classes=len(job.dataset.labels),
        )
    job.reader.skipped.update(decoded.skipped)
    return Samples(decoded.pixels, decoded.targets)


def scale(preprocessing: Preprocessing) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and std of pixels, one number each or one a channel."""
    return np.array(preprocessing.mean, np.float32), np.array(preprocessing.std, np.float32)


def augmenter(
    job: Job, stage: Learning, lesson: Lesson, preprocessing: Preprocessing | None = None
) -> Augmenter:
    """Return a stage's augmentation for pictures of some contract; the network's own if None."""
    contract = preprocessing or job.preprocessing
    shape = (contract.height, contract.width, contract.channels)
    return augmenter_of(stage.augment, image_shape=shape, seed=lesson.seed(job.recipe.seed))


def learn(
    job: Job,
    network: Any,
    stage: Learning,
    lesson: Lesson,
    pictures: Pictures,
    *,
    teaching: Teaching | None = None,
    views: int | None = None,
    zeros: Callable[[Any, int], KeptZeros] | None = None,
    kept_from: int = 1,
) -> Fitted:
    """Train `network` in place, with progress, checkpoints and a log of epochs.

    Args:
        job: See `Job`.
        network: From normalised pixels to logits; further outputs may follow them in columns, and
            are for `teaching`.
        stage: How.
        lesson: Which of the build's it is.
        pictures: What from.
        teaching: Beside the labels.
        views: Epochs after which order and augmentation repeat.
        zeros: `(network, steps) -> which weights to hold at zero`.
        kept_from: First epoch whose weights may be kept.

    Raises:
        TrainingError: Training failed.
    """
    objective = job.objective
    _unfreeze(network, stage.unfreeze)
    steps = math.ceil(len(pictures.train.targets) / stage.batch_size)
    plan = dataclasses.replace(
        _plan(job, network, stage, lesson, pictures, steps=steps),
        views=views,
        teaching=teaching,
        kept_from=stage.epochs if stage.keep == "last" else kept_from,
        zeros=None if zeros is None else zeros(network, stage.epochs * steps),
    )
    with (
        epoch_log(job.folder / TENSORBOARD / f"{lesson.kind}-{lesson.name}") as write,
        job.reporter.meter(lesson.kind, stage.epochs * steps) as advance,
    ):
        done = 0

        def on_batch() -> None:
            nonlocal done
            done += 1
            advance()

        def on_epoch(epoch: Epoch) -> None:
            nonlocal done
            write(epoch)
            text = (
                f"epoch {epoch.number}: loss {epoch.loss:.3f}, validation "
                f"{epoch.validation_loss:.3f}, {objective.metric} {epoch.score:.1%}"
            )
            job.reporter.note(lesson.kind, text)
            # Those of a checkpoint come without batches.
            advance(steps=epoch.number * steps - done, note=text)
            done = epoch.number * steps

        fitted = fit(
            network,
            pictures.train,
            pictures.validation,
            plan,
            checkpoint=job.folder / CHECKPOINT.format(name=lesson.name),
            # Weights of another structure do not fit.
            fingerprint=f"{job.fingerprint}:{lesson.name}:{network.count_params()}",
            on_epoch=on_epoch,
            on_batch=on_batch,
            workers=job.workers,
        )
    job.ended(lesson.kind, fitted.history, fitted.best, resumed_after=fitted.resumed_after)
    return fitted


def _plan(
    job: Job, network: Any, stage: Learning, lesson: Lesson, pictures: Pictures, *, steps: int
) -> Plan:
    """Return what a stage's own words come to; `steps` are those of an epoch."""
    objective, balance = job.objective, job.recipe.data.balance
    seed, targets, classes = lesson.seed(job.recipe.seed), pictures.labelled, job.classes
    mean, std = scale(job.preprocessing)
    count = len(pictures.train.targets)
    loss = objective.loss(stage.loss, balance, targets)

    def order(epoch: int) -> NDArray[np.integer]:
        drawn = objective.order(balance, targets, seed=seed, epoch=epoch)
        if not pictures.unlabelled:
            return drawn
        every = np.concatenate([drawn, np.arange(len(targets), count)])
        return np.random.default_rng([seed, epoch]).permutation(every)

    return Plan(
        loss=lambda wanted, outputs, sample_weight=None: loss(
            wanted, outputs[:, :classes], sample_weight=sample_weight
        ),
        optimizer=optimizer_of(
            stage.optimizer,
            stage.schedule,
            variables=network.trainable_variables,
            epochs=stage.epochs,
            steps_per_epoch=steps,
        ),
        epochs=stage.epochs,
        batch_size=stage.batch_size,
        mean=mean,
        std=std,
        order=order,
        score=lambda outputs, wanted: objective.score(outputs[:, :classes], wanted),
        augment=augmenter(job, stage, lesson),
        weights=_weights(job, pictures),
        patience=stage.patience,
        precision=stage.precision,
    )


def scored(job: Job, network: Any, validation: Samples) -> float:
    """Return how good a network to logits is on validation, 0-1."""
    mean, std = scale(job.preprocessing)
    logits = inference_of(network, mean=mean, std=std)(validation.pixels)
    return job.objective.score(logits, validation.targets)


def _weights(job: Job, pictures: Pictures) -> NDArray[np.float32] | None:
    """Return what each picture weighs in the loss of labels; those without any weigh nothing."""
    targets = pictures.labelled
    weights = job.objective.weights(job.recipe.data.balance, targets)
    if not pictures.unlabelled:
        return weights
    labelled = np.ones(len(targets), np.float32) if weights is None else weights
    return np.concatenate([labelled, np.zeros(pictures.unlabelled, np.float32)])


def _unfreeze(network: Any, share: float) -> None:
    """Let the layers nearest the output learn; normalisations of what was learned stay.

    Args:
        network: All of its layers may change.
        share: Of the layers that have weights, 0-1. Where it is less than 1 the network knows
            something already, and BatchNormalization keeps its moving averages.
    """
    layers = [layer for layer in network.layers if layer.weights]
    frozen = round(len(layers) * (1 - share))
    for at, layer in enumerate(layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = at >= frozen and not (is_norm and share < 1)
