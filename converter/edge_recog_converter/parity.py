"""What quantisation cost: the float and the INT8 model file side by side on the same pictures.

Both are run as they ship, through the runtime's `Classifier`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_recog.classifier import Classifier
    from edge_recog.frames import Frame


@dataclass(frozen=True, slots=True)
class Flip:
    """A picture on which the two models disagree."""

    id: str
    float_label: str
    int8_label: str
    float_margin: float
    """Score of the float model's best label less that of its second best, 0-1."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The two models compared."""

    count: int
    """Pictures."""
    float_top1: float | None
    """Share the float model gets right, 0-1; None where the right labels are not known."""
    int8_top1: float | None
    agreement: float
    """Share on which both name the same label, 0-1."""
    largest_difference: float
    """Of any label's score on any picture, 0-1."""
    flips: tuple[Flip, ...]
    """Where they disagree, in the order of the pictures."""
    float_invoke_ms: tuple[float, float]
    """Median and 90th percentile of the interpreter's run, measured alternately with INT8."""
    int8_invoke_ms: tuple[float, float]


def compare(
    float_model: Classifier,
    int8_model: Classifier,
    frames: Iterable[tuple[str, Frame, int | None]],
) -> Parity:
    """Return how two models with the same labels compare.

    Args:
        float_model: The reference.
        int8_model: What ships.
        frames: Id, picture, and index of the right label or None; at least one.
    """
    labels = float_model.bundle.labels
    flips: list[Flip] = []
    right = {"float": 0, "int8": 0}
    count = known = 0
    largest = 0.0
    times: dict[str, list[int]] = {"float": [], "int8": []}
    for name, frame, truth in frames:
        traces = {"float": float_model.trace(frame), "int8": int8_model.trace(frame)}
        best = {kind: int(np.argmax(trace.scores)) for kind, trace in traces.items()}
        count += 1
        for kind, trace in traces.items():
            times[kind].append(trace.classification.timings.invoke_ns)
            right[kind] += truth is not None and best[kind] == truth
        known += truth is not None
        scores = traces["float"].scores
        largest = max(largest, float(np.abs(scores - traces["int8"].scores).max()))
        if best["float"] != best["int8"]:
            second, first = np.sort(scores)[-2:]
            flips.append(
                Flip(name, labels[best["float"]], labels[best["int8"]], float(first - second))
            )
    return Parity(
        count=count,
        float_top1=right["float"] / known if known else None,
        int8_top1=right["int8"] / known if known else None,
        agreement=1 - len(flips) / count,
        largest_difference=largest,
        flips=tuple(flips),
        float_invoke_ms=_percentiles(times["float"]),
        int8_invoke_ms=_percentiles(times["int8"]),
    )


def _percentiles(nanoseconds: list[int]) -> tuple[float, float]:
    median, p90 = np.percentile(nanoseconds, [50, 90]) / 1e6
    return round(float(median), 3), round(float(p90), 3)
