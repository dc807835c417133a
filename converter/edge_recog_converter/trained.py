"""The stage `train`: the network itself learns, from decoded pictures that are kept on disk."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.decoded import decoded_split
from edge_recog_converter.heads import start_with_head
from edge_recog_converter.learning.augmentation.augmenter import augmenter_of
from edge_recog_converter.learning.balance import epoch_order, picture_weights
from edge_recog_converter.learning.fitting import Plan, Samples, fit, inference_of, top1
from edge_recog_converter.learning.losses import loss_of
from edge_recog_converter.learning.optimizers import optimizer_of
from edge_recog_converter.learning.temperature import (
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    softmax,
)
from edge_recog_converter.making import Made
from edge_recog_converter.recipe import HeadStage, TrainStage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.datasets import Split
    from edge_recog_converter.learning.fitting import EpochFigures, Fitted
    from edge_recog_converter.making import Job

CHECKPOINT = "training-{number}.state"
"""In the run's folder while it is made."""


def make_by_training(job: Job, stages: Sequence[HeadStage | TrainStage]) -> Made:
    """Return the network after the recipe's stages, with its temperature.

    Raises:
        RecipeError: The network cannot be built as the recipe says.
        TrainingError: Training failed.
    """
    first, *rest = stages
    if isinstance(first, HeadStage):
        network, training = start_with_head(job, first), rest
    else:
        network, training = _fresh(job), list(stages)
    train, validation = _samples(job, "train"), _samples(job, "validation")
    if training == list(stages):  # Else the head has told.
        job.say_data()
    for number, stage in enumerate(training):
        assert isinstance(stage, TrainStage)
        _train(job, network, stage, number, train, validation)
    mean, std = _scale(job)
    logits = inference_of(network, mean=mean, std=std)(validation.pixels)
    temperature = _calibrate(job, logits, validation.targets.argmax(axis=1))
    return Made(
        network=network,
        quantizable=network,
        activation="softmax",
        temperature=temperature,
    )


def _fresh(job: Job) -> Any:
    """Return the recipe's network, untrained."""
    model, preprocessing = job.recipe.model, job.preprocessing
    return build_architecture(
        model.architecture,
        input_shape=(preprocessing.height, preprocessing.width, preprocessing.channels),
        classes=len(job.dataset.labels),
        width=model.width,
        seed=job.recipe.seed,
    )


def _samples(job: Job, split: Split) -> Samples:
    pictures = job.dataset.splits[split]
    with job.reporter.meter(split, len(pictures)) as advance:
        decoded = decoded_split(pictures, job.preprocessing, cache=job.cache, progress=advance)
    job.reader.skipped.update(decoded.skipped)
    targets = np.eye(len(job.dataset.labels), dtype=np.float32)[decoded.targets]
    return Samples(decoded.pixels, targets)


def _train(
    job: Job, network: Any, stage: TrainStage, number: int, train: Samples, validation: Samples
) -> Fitted:
    """Train for one stage."""
    recipe = job.recipe
    seed = recipe.seed + number
    _unfreeze(network, stage.unfreeze)
    mean, std = _scale(job)
    labels = train.targets.argmax(axis=1)
    balance = recipe.data.balance
    classes = len(job.dataset.labels)
    plan = Plan(
        loss=loss_of(stage.loss),
        optimizer=optimizer_of(
            stage.optimizer,
            stage.schedule,
            variables=network.trainable_variables,
            epochs=stage.epochs,
            steps_per_epoch=math.ceil(len(labels) / stage.batch_size),
        ),
        epochs=stage.epochs,
        batch_size=stage.batch_size,
        mean=mean,
        std=std,
        order=lambda epoch: epoch_order(balance, labels, seed=seed, epoch=epoch),
        score=top1,
        augment=augmenter_of(stage.augment, image_shape=train.pixels.shape[1:], seed=seed),
        weights=picture_weights(balance, labels, classes=classes),
        patience=stage.patience,
    )
    with job.reporter.meter("train", stage.epochs) as advance:
        fitted = fit(
            network,
            train,
            validation,
            plan,
            checkpoint=job.folder / CHECKPOINT.format(number=number),
            fingerprint=f"{job.fingerprint}:{number}",
            on_epoch=lambda _: advance(),
        )
    _tell(job, fitted, number)
    return fitted


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


def _scale(job: Job) -> tuple[float, float]:
    (mean,), (std,) = job.preprocessing.mean, job.preprocessing.std
    return mean, std


def _tell(job: Job, fitted: Fitted, number: int) -> None:
    best, history = fitted.best, fitted.history
    seconds = sum(epoch.seconds for epoch in history)
    waiting = sum(epoch.waiting_s for epoch in history)
    resumed = f", {fitted.resumed_after} of them before" if fitted.resumed_after else ""
    job.reporter.say(
        "train",
        f"{len(history)} epochs in {seconds:.0f} s{resumed}, best was epoch {best.number}: "
        f"validation top-1 {best.score:.1%}; {waiting / seconds:.1%} of the time spent waiting "
        "for pictures",
    )
    job.metrics[f"train-{number + 1}"] = {
        "best": dataclasses.asdict(best),
        "history": [_row(epoch) for epoch in history],
    }


def _row(epoch: EpochFigures) -> dict[str, Any]:
    return {name: round(value, 6) for name, value in dataclasses.asdict(epoch).items()}


def _calibrate(job: Job, logits: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """Return the temperature that suits validation, and write down what it does there."""
    temperature = fit_temperature(logits, labels)
    told = {}
    for name, divisor in (("before", 1.0), ("after", temperature)):
        scores = softmax(logits / divisor)
        right = scores.argmax(axis=1) == labels
        told[name] = {
            "negative_log_likelihood": negative_log_likelihood(scores, labels),
            "expected_calibration_error": expected_calibration_error(scores.max(axis=1), right),
        }
    job.metrics["calibration"] = {"temperature": temperature, "validation": told}
    job.reporter.say(
        "calibrate",
        f"temperature {temperature:.2f}: negative log-likelihood of validation "
        f"{told['before']['negative_log_likelihood']:.3f} → "
        f"{told['after']['negative_log_likelihood']:.3f}",
    )
    return round(temperature, 4)
