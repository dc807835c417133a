"""What quantisation cost: the float and the INT8 model file side by side on the same pictures.

Both are run as they ship, through the runtime's `Classifier`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_converter.evaluation.thresholds import claimed
from edge_recog_converter.report.document import Flip, Parity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edge_recog.classifier import Classifier
    from edge_recog.frames import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model says of some pictures."""

    scores: NDArray[np.float32]
    """(pictures, labels) 0-1, before thresholds."""
    invoke_ms: tuple[float, float]
    """Median and 90th percentile of the interpreter's run."""

    def labels(self, names: Sequence[str], thresholds: Sequence[float] | None) -> list[_Labels]:
        """Return what is said of each picture.

        Args:
            names: Of all labels.
            thresholds: All labels at or above theirs are said; the best one alone for None.
        """
        if thresholds is None:
            return [(names[best],) for best in self.scores.argmax(axis=1).tolist()]
        said = claimed(self.scores, thresholds)
        return [tuple(names[at] for at in np.flatnonzero(row).tolist()) for row in said]


@dataclass(frozen=True, slots=True, eq=False)
class SideBySide:
    """Two models on the same pictures, run alternately."""

    ids: tuple[str, ...]
    float: Answers
    int8: Answers


_Labels = tuple[str, ...]


def run(model: Classifier, frames: Iterable[Frame]) -> Answers:
    """Return what one model says of pictures; at least one."""
    traces = [model.trace(frame) for frame in frames]
    took = [trace.classification.timings.invoke_ns for trace in traces]
    return Answers(np.stack([trace.scores for trace in traces]), _percentiles(took))


def run_both(
    float_model: Classifier, int8_model: Classifier, frames: Iterable[tuple[str, Frame]]
) -> SideBySide:
    """Return what two models with the same labels say.

    Args:
        float_model: The reference.
        int8_model: What ships.
        frames: Id and picture; at least one.
    """
    ids: list[str] = []
    models = (float_model, int8_model)
    scores: tuple[list[NDArray[np.float32]], ...] = ([], [])
    times: tuple[list[int], ...] = ([], [])
    for name, frame in frames:
        ids.append(name)
        for model, said, took in zip(models, scores, times, strict=True):
            trace = model.trace(frame)
            said.append(trace.scores)
            took.append(trace.classification.timings.invoke_ns)
    return SideBySide(
        tuple(ids),
        *(
            Answers(np.stack(said), _percentiles(took))
            for said, took in zip(scores, times, strict=True)
        ),
    )


def compare(
    both: SideBySide, names: Sequence[str], thresholds: Sequence[float] | None = None
) -> Parity:
    """Return how far the two agree; arguments as in `Answers.labels`."""
    said = zip(
        both.ids,
        both.float.labels(names, thresholds),
        both.int8.labels(names, thresholds),
        strict=True,
    )
    flips = tuple(
        Flip(id=name, float=of_float, int8=of_int8)
        for name, of_float, of_int8 in said
        if of_float != of_int8
    )
    return Parity(
        agreement=1 - len(flips) / len(both.ids),
        largest_difference=float(np.abs(both.float.scores - both.int8.scores).max()),
        flips=flips,
    )


def _percentiles(nanoseconds: list[int]) -> tuple[float, float]:
    median, p90 = np.percentile(nanoseconds, [50, 90]) / 1e6
    return round(float(median), 3), round(float(p90), 3)
