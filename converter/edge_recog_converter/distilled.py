"""The stage `distill`: the network learns what larger ones say of the same pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.datasets.unlabelled import unlabelled_pictures
from edge_recog_converter.decoded import JoinedPixels, decoded_split
from edge_recog_converter.learned import Lesson, Pictures, augmenter, learn, samples
from edge_recog_converter.learning.plans import Samples
from edge_recog_converter.learning.teaching import Pupilage, TaughtBy
from edge_recog_converter.teachers import teachers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Picture
    from edge_recog_converter.learning.plans import Pixels
    from edge_recog_converter.making import Job
    from edge_recog_converter.stages import DistillStage, Taught
    from edge_recog_converter.teachers import BundleTeacher, Follow, NetworkTeacher

_ASKED_AT_ONCE: Final = 64


def distill(
    job: Job, network: Any, stage: DistillStage, number: int, pictures: Pictures, follow: Follow
) -> Any:
    """Train for one stage, and return the network.

    Args:
        job: See `Job`.
        network: To logits; its layers learn in place.
        stage: How.
        number: Of the stage, among those in which the network learns.
        pictures: What from.
        follow: Makes teachers of recipes.

    Raises:
        RecipeError: A teacher is missing, or tells other labels apart.
        DatasetError: There are no pictures without labels where there should be.
        TrainingError: Training failed.
    """
    lesson = Lesson("distill", number)
    extra = _unlabelled(job, stage)
    if extra:
        pictures = _with_unlabelled(job, pictures, extra)
    teachers = teachers_of(job, stage.teachers, features=stage.features > 0, follow=follow)
    for teacher in teachers:
        measured(job, teacher)
    teaching = taught_by(job, stage, lesson, teachers, extra=extra, features=stage.features)
    taught = _with_features(network, size=teachers[0].features) if stage.features else network
    fitted = learn(job, taught, stage, lesson, pictures, teaching=teaching, views=stage.views)
    if job.workers.is_chief:
        job.way.add("distilled", network, fitted.best.score)
    return network


def taught_by(
    job: Job,
    stage: Taught,
    lesson: Lesson,
    teachers: Sequence[BundleTeacher | NetworkTeacher],
    *,
    extra: Sequence[Picture] = (),
    features: float = 0.0,
) -> TaughtBy:
    """Return what teachers say of the training pictures, each as it sees them.

    Args:
        job: See `Job`.
        stage: How much it counts.
        lesson: In which it is said.
        teachers: At least one.
        extra: Pictures without labels, after those of the training split.
        features: As for `TaughtBy`.
    """
    return TaughtBy(
        lessons=[_pupilage(job, stage, lesson, extra, teacher) for teacher in teachers],
        activation=job.objective.activation,
        classes=job.classes,
        share=stage.share,
        temperature=stage.temperature,
        features=features,
        remember=stage.views is not None,
    )


def measured(job: Job, teacher: BundleTeacher | NetworkTeacher) -> None:
    """Write down what a teacher would cost and be worth in its pupil's place, if that is known."""
    name = f"teacher {teacher.name}"
    known = any(point.name == name for point in job.way.points)
    if known or teacher.network is None or not job.workers.is_chief:
        return
    validation = samples(job, "validation", teacher.preprocessing)
    numbers = range(0, len(validation.targets), _ASKED_AT_ONCE)
    said = [
        teacher(validation.pixels[at : at + _ASKED_AT_ONCE].astype(np.float32)) for at in numbers
    ]
    score = job.objective.score(np.concatenate(said)[:, : job.classes], validation.targets)
    job.way.add(name, teacher.network, score)


def _unlabelled(job: Job, stage: DistillStage) -> tuple[Picture, ...]:
    if stage.unlabelled is None:
        return ()
    found, known = unlabelled_pictures(job.dataset.root / stage.unlabelled, job.dataset)
    text = f"{len(found):,} more pictures without labels"
    if known:
        text += f"; {known:,} in the same folder are known already, or cannot be read"
    job.reporter.say("data", text)
    return found


def _with_unlabelled(job: Job, pictures: Pictures, extra: Sequence[Picture]) -> Pictures:
    more = _decoded(job, extra, job.preprocessing)
    nothing = np.zeros((len(more), job.classes), np.float32)
    train = Samples(
        JoinedPixels(pictures.train.pixels, more), np.concatenate([pictures.labelled, nothing])
    )
    return Pictures(train, pictures.validation, unlabelled=len(more))


def _decoded(job: Job, extra: Sequence[Picture], preprocessing: Preprocessing) -> Pixels:
    with job.reporter.meter("unlabelled", len(extra)) as advance:
        decoded = decoded_split(
            extra, preprocessing, cache=job.cache, progress=advance, classes=job.classes
        )
    return decoded.pixels


def _pupilage(
    job: Job,
    stage: Taught,
    lesson: Lesson,
    extra: Sequence[Picture],
    teacher: BundleTeacher | NetworkTeacher,
) -> Pupilage:
    """Return a teacher with the pictures as it sees them."""
    pixels = samples(job, "train", teacher.preprocessing).pixels
    if extra:
        pixels = JoinedPixels(pixels, _decoded(job, extra, teacher.preprocessing))
    return Pupilage(teacher, pixels, augmenter(job, stage, lesson, teacher.preprocessing))


def _with_features(network: Any, *, size: int) -> Any:
    """Return the network with a linear map of its features behind its logits.

    The map learns with it, and is thrown away afterwards: a student's features are fewer, and mean
    the same in other words (Romero et al. 2015, arXiv:1412.6550, section 2.2).
    """
    features = network.get_layer("logits").input
    hint = keras.layers.Dense(size, name="hint")(features)
    outputs = keras.layers.Concatenate(name="logits_and_hint")([network.output, hint])
    return keras.Model(network.input, outputs, name=network.name)
