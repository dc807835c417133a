"""From a recipe's stages to a trained network: each stage is followed by a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_recog_converter.distilled import distill
from edge_recog_converter.heads import start_with_head
from edge_recog_converter.learned import Lesson, learn, pictures_of, scale
from edge_recog_converter.learning.inference import inference_of
from edge_recog_converter.making import Made
from edge_recog_converter.pruned import prune, refuse_impossible
from edge_recog_converter.sparsified import sparsify
from edge_recog_converter.stages import (
    DistillStage,
    HeadStage,
    PruneStage,
    SparsifyStage,
    TrainStage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_converter.learned import Pictures
    from edge_recog_converter.making import Job
    from edge_recog_converter.stages import Making


def make_by_training(job: Job, stages: Sequence[Making]) -> Made:
    """Return the network after the recipe's stages, with its temperature.

    Raises:
        RecipeError: The network cannot be built as the recipe says.
        TrainingError: Training failed.
    """
    network, pictures = train_network(job, stages)
    mean, std = scale(job.preprocessing)
    validation = pictures.validation
    logits = inference_of(network, mean=mean, std=std)(validation.pixels)
    temperature, thresholds = job.calibrated(logits, validation.targets)
    return Made(
        network=network,
        quantizable=network,
        activation=job.objective.activation,
        temperature=temperature,
        thresholds=thresholds,
        sparse=any(isinstance(stage, SparsifyStage) for stage in stages),
    )


def train_network(job: Job, stages: Sequence[Making]) -> tuple[Any, Pictures]:
    """Return the network after the recipe's stages, and what it has learned from.

    All workers of a training call this, and come out with the same.

    Raises:
        RecipeError: The network cannot be built as the recipe says.
        TrainingError: Training failed.
    """
    first, rest = next(iter(stages), None), list(stages)
    if isinstance(first, HeadStage):
        network, pictures = start_with_head(job, first), pictures_of(job)
        del rest[0]
    else:
        network = job.start.network(job.dataset.labels, seed=job.recipe.seed)
        pictures = pictures_of(job)
        job.say_data()  # Else the head has done both.
        if job.start.file is None:
            bias = job.objective.first_bias(job.recipe.data.balance, pictures.labelled)
            network.get_layer("logits").bias.assign(bias)
    cutting = next((stage for stage in rest if isinstance(stage, PruneStage)), None)
    if cutting is not None:
        refuse_impossible(network, cutting)
    for number, stage in enumerate(rest):
        assert not isinstance(stage, HeadStage)
        match stage:
            case DistillStage():
                network = distill(job, network, stage, number, pictures, train_network)
            case PruneStage():
                network = prune(job, network, stage, number, pictures, train_network)
            case SparsifyStage():
                network = sparsify(job, network, stage, number, pictures)
            case TrainStage():
                learn(job, network, stage, Lesson("train", number), pictures)
    return network, pictures
