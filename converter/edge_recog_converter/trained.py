"""The stage `train`: the network itself learns, from decoded pictures that are kept on disk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.decoded import decoded_split
from edge_recog_converter.heads import start_with_head
from edge_recog_converter.learning.augmentation.augmenter import augmenter_of
from edge_recog_converter.learning.fitting import fit
from edge_recog_converter.learning.inference import inference_of
from edge_recog_converter.learning.optimizers import optimizer_of
from edge_recog_converter.learning.plans import Plan, Samples
from edge_recog_converter.learning.tensorboard import epoch_log
from edge_recog_converter.making import Made
from edge_recog_converter.recipe import HeadStage, TrainStage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.datasets import Split
    from edge_recog_converter.making import Job
    from edge_recog_converter.report.document import Epoch

CHECKPOINT = "training-{number}.state"
"""In the run's folder while it is made."""
TENSORBOARD = "tensorboard"
"""Folder of event files in the run's folder."""


def make_by_training(job: Job, stages: Sequence[HeadStage | TrainStage]) -> Made:
    """Return the network after the recipe's stages, with its temperature.

    Raises:
        RecipeError: The network cannot be built as the recipe says.
        TrainingError: Training failed.
    """
    network, validation = train_network(job, stages)
    mean, std = _scale(job)
    logits = inference_of(network, mean=mean, std=std)(validation.pixels)
    temperature, thresholds = job.calibrated(logits, validation.targets)
    return Made(
        network=network,
        quantizable=network,
        activation=job.objective.activation,
        temperature=temperature,
        thresholds=thresholds,
    )


def train_network(job: Job, stages: Sequence[HeadStage | TrainStage]) -> tuple[Any, Samples]:
    """Return the network after the recipe's stages, and the validation split.

    All workers of a training call this, and come out with the same.

    Raises:
        RecipeError: The network cannot be built as the recipe says.
        TrainingError: Training failed.
    """
    first, *rest = stages
    if isinstance(first, HeadStage):
        network, training = start_with_head(job, first), rest
    else:
        network = job.start.network(job.dataset.labels, seed=job.recipe.seed)
        training = list(stages)
    train, validation = _samples(job, "train"), _samples(job, "validation")
    if training == list(stages):  # Else the head has done both.
        job.say_data()
        if job.start.file is None:
            bias = job.objective.first_bias(job.recipe.data.balance, train.targets)
            network.get_layer("logits").bias.assign(bias)
    for number, stage in enumerate(training):
        assert isinstance(stage, TrainStage)
        _train(job, network, stage, number, train, validation)
    return network, validation


def _samples(job: Job, split: Split) -> Samples:
    pictures = job.dataset.splits[split]
    with job.reporter.meter(split, len(pictures)) as advance:
        decoded = decoded_split(
            pictures,
            job.preprocessing,
            cache=job.cache,
            progress=advance,
            classes=len(job.dataset.labels),
        )
    job.reader.skipped.update(decoded.skipped)
    return Samples(decoded.pixels, decoded.targets)


def _train(
    job: Job, network: Any, stage: TrainStage, number: int, train: Samples, validation: Samples
) -> None:
    """Train for one stage."""
    recipe, objective = job.recipe, job.objective
    seed, balance = recipe.seed + number, recipe.data.balance
    _unfreeze(network, stage.unfreeze)
    mean, std = _scale(job)
    steps = math.ceil(len(train.targets) / stage.batch_size)
    plan = Plan(
        loss=objective.loss(stage.loss, balance, train.targets),
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
        order=lambda epoch: objective.order(balance, train.targets, seed=seed, epoch=epoch),
        score=objective.score,
        augment=augmenter_of(stage.augment, image_shape=train.pixels.shape[1:], seed=seed),
        weights=objective.weights(balance, train.targets),
        patience=stage.patience,
        precision=stage.precision,
    )
    with (
        epoch_log(job.folder / TENSORBOARD / f"train-{number + 1}") as write,
        job.reporter.meter("train", stage.epochs * steps) as advance,
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
            job.reporter.note("train", text)
            # Those of a checkpoint come without batches.
            advance(steps=epoch.number * steps - done, note=text)
            done = epoch.number * steps

        fitted = fit(
            network,
            train,
            validation,
            plan,
            checkpoint=job.folder / CHECKPOINT.format(number=number),
            fingerprint=f"{job.fingerprint}:{number}",
            on_epoch=on_epoch,
            on_batch=on_batch,
            workers=job.workers,
        )
    job.ended("train", fitted.history, fitted.best, resumed_after=fitted.resumed_after)


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


def _scale(job: Job) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and std of pixels, one number each or one a channel."""
    preprocessing = job.preprocessing
    return np.array(preprocessing.mean, np.float32), np.array(preprocessing.std, np.float32)
