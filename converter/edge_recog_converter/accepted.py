"""The stage `quantize`: the first INT8 file that is good enough beside the float one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.packing import pack_bundle
from edge_recog_converter.acceptance.judging import Reference
from edge_recog_converter.acceptance.ladder import climb
from edge_recog_converter.acceptance.quantizable import Lessons, Quantizable
from edge_recog_converter.acceptance.sections import RUNGS
from edge_recog_converter.decoded import frame_of
from edge_recog_converter.learned import samples, scale
from edge_recog_converter.parity import run
from edge_recog_converter.pruning.costs import cost_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_converter.making import Job, Made
    from edge_recog_converter.parity import Answers
    from edge_recog_converter.report.document import Attempt


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """An INT8 file, and what was tried on the way to it."""

    tflite: bytes
    attempts: tuple[Attempt, ...]


def quantize(
    job: Job, made: Made, float_file: bytes, calibration: Sequence[NDArray[np.float32]]
) -> Quantized:
    """Return the first INT8 file that is accepted, judged on validation as the device would run it.

    Args:
        job: See `Job`.
        made: The network.
        float_file: Its float TFLite file.
        calibration: Network inputs, each (1, height, width, channels).

    Raises:
        NotAcceptedError: None is good enough; says by how much.
        ConversionError: The network cannot be quantised at all.
    """
    accept = job.recipe.quantize.accept
    if job.device is not None:
        accept = job.device.narrowed(accept)
    labels, contract = job.dataset.labels, made.contract(job.preprocessing, job.dataset.task)
    train, validation = samples(job, "train"), samples(job, "validation")
    count = len(validation.targets)
    frames = [frame_of(validation.pixels[at], job.preprocessing.colour) for at in range(count)]

    def judge(tflite: bytes) -> Answers:
        bundle = Bundle.from_bytes(
            pack_bundle(tflite, contract, labels, name=job.recipe.name), where=job.recipe.name
        )
        with Classifier.open(bundle) as classifier:
            return run(classifier, frames)

    def on_attempt(attempt: Attempt) -> None:
        job.reporter.note("quantise", f"{attempt.rung}: {attempt.reason or 'accepted'}")

    mean, std = scale(job.preprocessing)
    with job.reporter.meter("quantise", None):
        float_scores = judge(float_file).scores
        accepted = climb(
            Quantizable(
                network=made.network,
                prepared=made.quantizable if made.rounded else None,
                calibration=calibration,
                seed=job.recipe.seed,
                sparse=made.sparse,
                lessons=Lessons(
                    train=train, validation=validation, mean=mean, std=std, objective=job.objective
                ),
            ),
            accept,
            Reference(
                labels=labels,
                targets=validation.targets,
                scores=float_scores,
                thresholds=made.thresholds,
            ),
            judge,
            on_attempt=on_attempt,
        )
    last = accepted.attempts[-1]
    rung = f"step {RUNGS.index(accepted.candidate.rung) + 1} of {len(RUNGS)}"
    job.reporter.say(
        "quantise",
        f"INT8 accepted at {rung} ({last.rung}: {last.detail}), calibrated on {len(calibration)} "
        f"pictures: drop {_points(last.drop)} points [{_points(last.drop_low)}, "
        f"{_points(last.drop_high)}], agreement {last.agreement:.1%} of {last.count} validation "
        "pictures",
    )
    if job.way.points:
        score = job.objective.score(float_scores, validation.targets) - last.drop
        job.way.add_file("INT8", accepted.tflite, score, cost=cost_of(made.network))
    return Quantized(accepted.tflite, accepted.attempts)


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
