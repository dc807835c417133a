"""Figures of a task where any number of labels may be right, each a yes or no of its own."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_converter.evaluation.calibration import calibration_of
from edge_recog_converter.evaluation.classes import class_figures
from edge_recog_converter.evaluation.mistakes import surest
from edge_recog_converter.evaluation.thresholds import claimed
from edge_recog_converter.learning.temperature import negative_log_likelihood
from edge_recog_converter.report.document import Mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.report.document import Calibration, ClassFigures


def average_precision(scores: NDArray[np.floating], present: NDArray[np.bool_]) -> float | None:
    """Return the average precision of one label, 0-1; None if no picture has it.

    It is the sum over n of `(R_n - R_(n-1)) * P_n`, where P_n and R_n are precision and recall at
    the n-th highest *distinct* score: not interpolated, and equal scores, of which 8-bit models
    have many, are one step. That is scikit-learn's `average_precision_score`; Pascal VOC
    (interpolated) and COCO (101 points) call something else so.

    Args:
        scores: (pictures,) of the label.
        present: (pictures,) whether they have it.
    """
    if not present.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(present[order])[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained * (hits / (ends + 1))).sum() / hits[-1])


def classes_of(
    names: Sequence[str],
    scores: NDArray[np.floating],
    targets: NDArray[np.generic],
    thresholds: Sequence[float],
) -> tuple[ClassFigures, ...]:
    """Return the figures of each label, in label order.

    Args:
        names: Labels, in the order of the model.
        scores: (pictures, classes), 0-1.
        targets: (pictures, classes) of 0 and 1.
        thresholds: (classes,); from there on a label is said.
    """
    present, said = np.asarray(targets, np.bool_), claimed(scores, thresholds)
    return class_figures(
        names,
        support=present.sum(axis=0),
        said=said.sum(axis=0),
        hits=(present & said).sum(axis=0),
        average_precisions=[
            average_precision(scores[:, label], present[:, label]) for label in range(len(names))
        ],
    )


def micro_f1(
    scores: NDArray[np.floating], targets: NDArray[np.generic], thresholds: Sequence[float]
) -> float | None:
    """Return F1 over all labels of all pictures taken together, 0-1.

    Args:
        scores: (pictures, classes), 0-1.
        targets: (pictures, classes) of 0 and 1.
        thresholds: (classes,); from there on a label is said.

    Returns:
        None if no picture has any label and none is said.
    """
    present, said = np.asarray(targets, np.bool_), claimed(scores, thresholds)
    claims = int(present.sum()) + int(said.sum())
    return 2 * int((present & said).sum()) / claims if claims else None


def calibration(scores: NDArray[np.floating], targets: NDArray[np.generic]) -> Calibration:
    """Return whether scores are how often labels apply, of all labels of all pictures.

    The likelihood is that of each yes or no (binary cross-entropy); bins are over the score, and
    their accuracy is the share of which the label applies.

    Args:
        scores: (pictures, classes), 0-1; at least one.
        targets: (pictures, classes) of 0 and 1.
    """
    present = np.asarray(targets, np.bool_).ravel()
    yes = np.asarray(scores, np.float64).ravel()
    return calibration_of(
        yes,
        present,
        negative_log_likelihood=negative_log_likelihood(
            np.stack([1 - yes, yes], axis=1), present.astype(np.intp)
        ),
    )


def mistakes(
    names: Sequence[str],
    ids: Sequence[str],
    scores: NDArray[np.floating],
    targets: NDArray[np.generic],
    thresholds: Sequence[float],
) -> tuple[Mistake, ...]:
    """Return the pictures with the worst labels; see `mistakes.surest`.

    How bad a label is: its score if it is said and should not be, 1 - score if it is not said and
    should be.

    Args:
        names: Labels, in the order of the model.
        ids: Of the pictures.
        scores: (pictures, classes), 0-1.
        targets: (pictures, classes) of 0 and 1.
        thresholds: (classes,); from there on a label is said.
    """
    present, said = np.asarray(targets, np.bool_), claimed(scores, thresholds)
    wrong = present != said
    badness = np.where(wrong, np.where(said, scores, 1 - scores), 0).max(axis=1)
    return tuple(
        Mistake(
            id=ids[index],
            said=tuple(compress(names, said[index].tolist())),
            right=tuple(compress(names, present[index].tolist())),
            score=float(badness[index]),
        )
        for index in surest(ids, wrong.any(axis=1), badness)
    )
