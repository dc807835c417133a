"""The stage `sparsify`: small weights become zero while the network goes on learning."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_recog_converter.distilled import taught_by
from edge_recog_converter.learned import Lesson, learn, scored
from edge_recog_converter.pruning.latency import int8_for_timing, side_by_side
from edge_recog_converter.sparsity.compressed import sentence
from edge_recog_converter.sparsity.sparsifier import Sparsifier, zeros_of
from edge_recog_converter.teachers import NetworkTeacher

if TYPE_CHECKING:
    from edge_recog_converter.learned import Pictures
    from edge_recog_converter.making import Job
    from edge_recog_converter.stages import SparsifyStage


def sparsify(job: Job, network: Any, stage: SparsifyStage, number: int, pictures: Pictures) -> Any:
    """Train for one stage, and return the network; it learns from itself as it was, too.

    Args:
        job: See `Job`.
        network: To logits; its layers learn in place.
        stage: How.
        number: Of the stage, among those in which the network learns.
        pictures: What from.

    Raises:
        PruningError: A layer to be skipped does not exist.
        TrainingError: Training failed.
    """
    lesson = Lesson("sparsify", number)
    dense = int8_for_timing(network)
    if not job.way.points:
        job.way.add("dense", network, scored(job, network, pictures.validation), file=dense)
    teacher = NetworkTeacher(network, job.preprocessing, name=network.name)
    teaching = taught_by(job, stage, lesson, [teacher])
    fitted = learn(
        job,
        network,
        stage,
        lesson,
        pictures,
        teaching=teaching,
        views=stage.views,
        zeros=lambda network, steps: Sparsifier(network, stage.sparsity, steps),
        kept_from=max(1, math.ceil(stage.sparsity.end * stage.epochs)),
    )
    sparse = int8_for_timing(network)
    job.way.add("sparsified", network, fitted.best.score, file=sparse)
    before, after = side_by_side([dense, sparse])
    left = zeros_of(network)
    share = sum(one.zeros for one in left) / sum(one.weights for one in left)
    said = sentence(dense=dense, sparse=sparse, dense_ms=before.ms, sparse_ms=after.ms)
    job.reporter.say(
        "sparsify",
        f"{share:.0%} of the weights of {len(left)} layers are zero; {said}; validation "
        f"{job.objective.metric} {fitted.best.score:.1%}",
    )
    return network
