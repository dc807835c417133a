"""The stage `prune`: channels are removed in steps, and after each the rest learns from the whole.

The teacher of every step is the network as it was before the first, unless another is named.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from edge_recog_converter.distilled import measured, taught_by
from edge_recog_converter.learned import Lesson, learn, scale, scored
from edge_recog_converter.pruning.costs import cost_of
from edge_recog_converter.pruning.iterating import pruned_to_latency, refuse_infeasible, steps_of
from edge_recog_converter.pruning.latency import int8_for_timing, side_by_side
from edge_recog_converter.pruning.scores import gamma_scores, l1_scores, taylor_scores
from edge_recog_converter.pruning.shrinking import Cuts
from edge_recog_converter.teachers import NetworkTeacher, teachers_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_recog_converter.learned import Pictures
    from edge_recog_converter.making import Job
    from edge_recog_converter.pruning.channels import Channels
    from edge_recog_converter.pruning.iterating import Target
    from edge_recog_converter.pruning.scores import Scores, Scoring
    from edge_recog_converter.stages import PruneStage
    from edge_recog_converter.teachers import BundleTeacher, Follow

CHOICE = "pruning-{name}.state"
"""In the run's folder while it is made: how much a step keeps, which took time to find out."""
_SCORED_ON: Final = 512
"""Training pictures that the Taylor score looks at."""
_AT_ONCE: Final = 32


class _Choice(msgspec.Struct, frozen=True):
    """How much of a network's channels a step keeps."""

    network: str
    """Digest of the one that is cut."""
    share: float


def refuse_impossible(network: Any, stage: PruneStage) -> None:
    """Check, before anything is learned, that a network can be cut as a stage asks.

    Args:
        network: Of the structure that the stage will meet; its weights do not matter.
        stage: Of the recipe.

    Raises:
        PruningError: It cannot, and why.
    """
    reference = int8_for_timing(network)
    refuse_infeasible(
        network,
        _targets(network, stage, reference)[-1],
        reference=reference,
        multiple_of=stage.multiple_of,
        protected=stage.protected,
    )


def prune(
    job: Job, network: Any, stage: PruneStage, number: int, pictures: Pictures, follow: Follow
) -> Any:
    """Return a network that is within the stage's budget, and has learned to do without the rest.

    Args:
        job: See `Job`.
        network: To logits; left as it is.
        stage: How.
        number: Of the stage, among those in which the network learns.
        pictures: What from.
        follow: Makes teachers of recipes.

    Raises:
        PruningError: The budget cannot be met.
        RecipeError: A teacher is missing, or tells other labels apart.
        TrainingError: Training failed.
    """
    reference = int8_for_timing(network)
    before = cost_of(network).macs
    is_new = not job.way.points or job.way.points[-1].macs != before
    teachers: Sequence[BundleTeacher | NetworkTeacher]
    if stage.teachers:
        teachers = teachers_of(job, stage.teachers, features=False, follow=follow)
        for teacher in teachers:
            measured(job, teacher)
    else:
        teachers = [NetworkTeacher(network, job.preprocessing, name=network.name)]
    if is_new:
        score = scored(job, network, pictures.validation)
        job.way.add("before pruning", network, score, file=reference)
    targets = _targets(network, stage, reference)
    for step, target in enumerate(targets):
        lesson = Lesson("prune", number, step)
        scoring = _once(_scoring(job, stage, pictures))
        share = _share(job, network, stage, target, reference, scoring, lesson)
        network, _ = _cuts(network, stage, scoring).made(share)
        is_last = step == len(targets) - 1
        part = stage if is_last else msgspec.structs.replace(stage, epochs=stage.epochs_between)
        teaching = taught_by(job, stage, lesson, teachers)
        fitted = learn(job, network, part, lesson, pictures, teaching=teaching, views=stage.views)
        name = f"pruned, step {step + 1} of {len(targets)}"
        point = job.way.add(name, network, fitted.best.score)
        job.reporter.say(
            "prune",
            f"{1 - point.macs / before:.0%} fewer multiply-accumulates, "
            f"{point.parameters:,} parameters, INT8 p50 {point.invoke_ms:.2f} ms here, "
            f"{point.speed_up:.1f} times as fast as {job.way.points[0].name}; validation "
            f"{job.objective.metric} {point.score:.1%}",
        )
    return network


def _targets(network: Any, stage: PruneStage, reference: bytes) -> tuple[Target, ...]:
    (timing,) = side_by_side([reference])
    return steps_of(stage.budget, stage.steps, before=cost_of(network), before_ms=timing.ms)


def _share(
    job: Job, network: Any, stage: PruneStage, target: Target, reference: bytes, score: Scoring,
    lesson: Lesson,
) -> float:  # fmt: skip
    """Return how much of the channels a step keeps: as before it was cut off, or found out now."""
    file, digest = job.folder / CHOICE.format(name=lesson.name), _digest(network)
    known = _known(file, digest)
    if known is None:
        known = _Choice(digest, _found(job, network, stage, target, reference, score))
        file.write_bytes(msgspec.json.encode(known))
    return known.share


def _known(file: Path, digest: str) -> _Choice | None:
    try:
        choice = msgspec.json.decode(file.read_bytes(), type=_Choice)
    except (OSError, msgspec.DecodeError):
        return None
    return choice if choice.network == digest else None


def _found(
    job: Job, network: Any, stage: PruneStage, target: Target, reference: bytes, score: Scoring
) -> float:
    with job.reporter.meter("prune", None):
        if target.latency is None:
            assert target.costs is not None
            return _cuts(network, stage, score).share_within(target.costs)
        _, summary, _ = pruned_to_latency(
            network,
            target.latency,
            reference=reference,
            costs=target.costs,
            score=score,
            ranking=stage.ranking,
            multiple_of=stage.multiple_of,
            protected=stage.protected,
        )
    return summary.keep


def _cuts(network: Any, stage: PruneStage, score: Scoring) -> Cuts:
    return Cuts(
        network,
        score=score,
        ranking=stage.ranking,
        multiple_of=stage.multiple_of,
        protected=stage.protected,
    )


def _once(score: Scoring) -> Scoring:
    """Return the same for one network, whose channels are scored only once."""
    found: list[Scores] = []

    def scored_once(model: Any, channels: Channels) -> Scores:
        if not found:
            found.append(score(model, channels))
        return found[0]

    return scored_once


def _scoring(job: Job, stage: PruneStage, pictures: Pictures) -> Scoring:
    match stage.score:
        case "l1":
            return l1_scores
        case "gamma":
            return gamma_scores
    loss = job.objective.loss(stage.loss, job.recipe.data.balance, pictures.labelled)
    return functools.partial(taylor_scores, batches=_batches(job, pictures), loss=loss)


def _batches(job: Job, pictures: Pictures) -> list[tuple[Any, Any]]:
    """Return some training pictures as the network is fed, and their targets."""
    mean, std = scale(job.preprocessing)
    targets = pictures.labelled
    order = np.random.default_rng(job.recipe.seed).permutation(len(targets))[:_SCORED_ON]

    def batch(chosen: Any) -> tuple[Any, Any]:
        return (pictures.train.pixels[chosen].astype(np.float32) - mean) / std, targets[chosen]

    starts = range(0, len(order), _AT_ONCE)
    return [batch(np.sort(order[start : start + _AT_ONCE])) for start in starts]


def _digest(network: Any) -> str:
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()
