"""All that a report says of how one model file does on labelled pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from edge_recog_converter.evaluation import multi_label, single_label
from edge_recog_converter.evaluation.calibration import untempered
from edge_recog_converter.evaluation.classes import macro_f1, mean_average_precision
from edge_recog_converter.report.document import ModelFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def figures_of(
    kind: Literal["float", "int8"],
    *,
    task: Literal["single-label", "multi-label"],
    labels: Sequence[str],
    ids: Sequence[str],
    scores: NDArray[np.floating],
    targets: NDArray[np.generic],
    thresholds: Sequence[float] | None,
    temperature: float,
    invoke_ms: tuple[float, float],
    size_bytes: int,
) -> ModelFigures:
    """Return how a model does.

    Args:
        kind: Which of the two files it is.
        task: If single-label, scores are of a softmax; if multi-label, of a sigmoid.
        labels: Their names, in the order of the model.
        ids: Of the pictures; no two the same.
        scores: (pictures, classes), 0-1, as the model ships: with its temperature. At least one
            picture.
        targets: (pictures, classes) of 0 and 1; for single-label, one 1 a picture.
        thresholds: (classes,), 0-1; None for single-label.
        temperature: What the model divides its logits by.
        invoke_ms: Median and 90th percentile of the interpreter's run.
        size_bytes: Of the file.

    Raises:
        ValueError: Thresholds are missing for multi-label, or given for single-label.
    """
    if task == "single-label":
        if thresholds is not None:
            raise ValueError("thresholds are for multi-label; the best label has none")
        right = np.asarray(targets).argmax(axis=1)
        confusion = single_label.confusion_matrix(scores, right)
        classes = single_label.classes_of(labels, confusion)
        top1 = single_label.top1_of(confusion)
        return ModelFigures(
            kind=kind,
            top1=top1,
            macro_f1=macro_f1(classes),
            micro_f1=top1,
            mean_average_precision=None,
            classes=classes,
            confusion=tuple(tuple(row) for row in confusion.tolist()),
            uncalibrated=single_label.calibration(
                untempered(scores, temperature, "softmax"), right
            ),
            calibrated=single_label.calibration(scores, right),
            mistakes=single_label.mistakes(labels, ids, scores, right),
            invoke_ms=invoke_ms,
            size_bytes=size_bytes,
        )
    if thresholds is None:
        raise ValueError("multi-label needs thresholds: from which score on is a label said?")
    classes = multi_label.classes_of(labels, scores, targets, thresholds)
    return ModelFigures(
        kind=kind,
        top1=None,
        macro_f1=macro_f1(classes),
        micro_f1=multi_label.micro_f1(scores, targets, thresholds),
        mean_average_precision=mean_average_precision(classes),
        classes=classes,
        confusion=None,
        uncalibrated=multi_label.calibration(untempered(scores, temperature, "sigmoid"), targets),
        calibrated=multi_label.calibration(scores, targets),
        mistakes=multi_label.mistakes(labels, ids, scores, targets, thresholds),
        invoke_ms=invoke_ms,
        size_bytes=size_bytes,
    )
