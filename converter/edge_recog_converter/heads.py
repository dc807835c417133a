"""The stage `head`: a new linear classifier on a pretrained network that stays as it is."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from edge_recog_converter.features import FeatureExtractor, extract
from edge_recog_converter.linear_head import rounded_classifier, train_classifier, with_classifier
from edge_recog_converter.making import Made
from edge_recog_converter.pretrained.efficientnet_lite import pretrained_efficientnet_lite
from edge_recog_converter.quantization import convert_float, quantize_full_int8, rounded_copy
from edge_recog_converter.recipe import PRETRAINED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.features import Features
    from edge_recog_converter.linear_head import LinearClassifier
    from edge_recog_converter.making import Job
    from edge_recog_converter.recipe import HeadStage


def make_with_head(job: Job, stage: HeadStage, calibration: list[NDArray[np.float32]]) -> Made:
    """Return the frozen network with a classifier that learned from its float and INT8 features.

    Args:
        job: See `Job`.
        stage: Of the recipe.
        calibration: Network inputs, for the INT8 twin.
    """
    network = frozen_network(job)
    with job.reporter.meter("quantise", None):
        rounded = rounded_copy(network, calibration, seed=job.recipe.seed)
        extractors = [
            FeatureExtractor(tflite, job.preprocessing)
            for tflite in (
                convert_float(network),
                quantize_full_int8(rounded, calibration, adapt_rounding=False),
            )
        ]
    classifier, features = learn_head(job, stage, extractors)
    twin = rounded_classifier(classifier, features)
    return Made(
        network=with_classifier(network, classifier, name=job.recipe.name),
        quantizable=with_classifier(rounded, twin, name=job.recipe.name),
        activation="none",
    )


def start_with_head(job: Job, stage: HeadStage) -> Any:
    """Return the network with a classifier on its float features, to be trained on: logits."""
    network = frozen_network(job)
    with job.reporter.meter("convert", None):
        extractors = [FeatureExtractor(convert_float(network), job.preprocessing)]
    classifier, _ = learn_head(job, stage, extractors)
    return with_classifier(network, classifier, name=job.recipe.name, softmax=False)


def frozen_network(job: Job) -> Any:
    """Return the recipe's pretrained network without a classifier."""
    size = (job.preprocessing.height, job.preprocessing.width, 3)
    variant = PRETRAINED.index(job.recipe.model.architecture)
    return pretrained_efficientnet_lite(variant, input_shape=size, classifier=False)


def learn_head(
    job: Job, stage: HeadStage, extractors: list[FeatureExtractor]
) -> tuple[LinearClassifier, Features]:
    """Return a classifier on the features that all extractors give, and those features."""
    splits = job.dataset.splits
    train = extract(extractors, job.frames(splits["train"], "train"), mirrored=stage.flip)
    validation = extract(extractors, job.frames(splits["validation"], "validation"), mirrored=False)
    job.say_data()
    start = time.monotonic()
    with job.reporter.meter("head", stage.epochs) as advance:
        classifier = train_classifier(
            train,
            validation,
            classes=len(job.dataset.labels),
            stage=stage,
            seed=job.recipe.seed,
            on_epoch=lambda _: advance(),
        )
    best = classifier.best
    job.reporter.say(
        "head",
        f"{stage.epochs} epochs in {time.monotonic() - start:.0f} s, best was epoch "
        f"{best.number}: validation top-1 {best.validation_top1:.1%}",
    )
    job.metrics["head"] = {
        "best": dataclasses.asdict(best),
        "history": [dataclasses.asdict(epoch) for epoch in classifier.history],
    }
    return classifier, train
