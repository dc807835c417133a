"""The stage `head`: a new linear classifier on a pretrained network that stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_recog_converter.features import FeatureExtractor, extract
from edge_recog_converter.linear_head import rounded_classifier, train_classifier, with_classifier
from edge_recog_converter.making import Made
from edge_recog_converter.quantization import convert_float, quantize_full_int8, rounded_copy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.features import Features
    from edge_recog_converter.linear_head import LinearClassifier
    from edge_recog_converter.making import Job
    from edge_recog_converter.stages import HeadStage


def make_with_head(job: Job, stage: HeadStage, calibration: list[NDArray[np.float32]]) -> Made:
    """Return the frozen network with a classifier that learned from its float and INT8 features.

    Args:
        job: See `Job`.
        stage: Of the recipe.
        calibration: Network inputs, for the INT8 twin.
    """
    network = job.start.features()
    with job.reporter.meter("quantise", None):
        rounded = rounded_copy(network, calibration, seed=job.recipe.seed)
        extractors = [
            FeatureExtractor(tflite, job.preprocessing)
            for tflite in (
                convert_float(network),
                quantize_full_int8(rounded, calibration, adapt_rounding=False),
            )
        ]
    classifier, train, validation = learn_head(job, stage, extractors)
    logits = classifier.logits(validation.values)
    temperature, thresholds = job.calibrated(logits, validation.targets)
    classifier = classifier.tempered(temperature)
    twin = rounded_classifier(classifier, train)
    activation = job.objective.activation
    return Made(
        network=with_classifier(network, classifier, name=job.recipe.name, activation=activation),
        quantizable=with_classifier(rounded, twin, name=job.recipe.name, activation=activation),
        activation="none",
        temperature=temperature,
        thresholds=thresholds,
    )


def start_with_head(job: Job, stage: HeadStage) -> Any:
    """Return the network with a classifier on its float features, to be trained on: logits."""
    network = job.start.features()
    with job.reporter.meter("convert", None):
        extractors = [FeatureExtractor(convert_float(network), job.preprocessing)]
    classifier, _, _ = learn_head(job, stage, extractors)
    return with_classifier(network, classifier, name=job.recipe.name, activation=None)


def learn_head(
    job: Job, stage: HeadStage, extractors: list[FeatureExtractor]
) -> tuple[LinearClassifier, Features, Features]:
    """Return a classifier on the features that all extractors give; those to train, to validate."""
    splits, classes = job.dataset.splits, len(job.dataset.labels)
    train, validation = (
        extract(
            extractors,
            job.frames(splits[split], split),
            classes=classes,
            mirrored=stage.flip and split == "train",
        )
        for split in ("train", "validation")
    )
    job.say_data()
    with job.reporter.meter("head", stage.epochs) as advance:
        classifier = train_classifier(
            train,
            validation,
            stage=stage,
            objective=job.objective,
            balance=job.recipe.data.balance,
            seed=job.recipe.seed,
            on_epoch=lambda _: advance(),
        )
    job.ended("head", classifier.history, classifier.best)
    return classifier, train, validation
