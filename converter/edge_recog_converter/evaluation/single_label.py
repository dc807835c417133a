"""Figures of a task where one label is right: the best label against the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_recog_converter.evaluation.calibration import calibration_of
from edge_recog_converter.evaluation.classes import class_figures
from edge_recog_converter.evaluation.mistakes import surest
from edge_recog_converter.learning.temperature import negative_log_likelihood
from edge_recog_converter.report.document import Mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.report.document import Calibration, ClassFigures


def confusion_matrix(
    scores: NDArray[np.floating], labels: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return how many pictures of each label were said to be of each.

    Args:
        scores: (pictures, classes), 0-1; of equal ones the first counts as best, as in the runtime.
        labels: (pictures,) indices of the right classes.

    Returns:
        (classes, classes): rows are the right label, columns what was said.
    """
    classes = scores.shape[1]
    pairs = np.asarray(labels, np.int64) * classes + scores.argmax(axis=1)
    counts = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return np.asarray(counts, np.int64)


def top1_of(confusion: NDArray[np.integer]) -> float:
    """Return the share of pictures whose best label is right, 0-1; there is at least one."""
    return int(np.trace(confusion)) / int(confusion.sum())


def classes_of(names: Sequence[str], confusion: NDArray[np.integer]) -> tuple[ClassFigures, ...]:
    """Return the figures of each class, in label order.

    Args:
        names: Labels, in the order of the model.
        confusion: From `confusion_matrix`.
    """
    return class_figures(
        names,
        support=confusion.sum(axis=1),
        said=confusion.sum(axis=0),
        hits=confusion.diagonal(),
    )


def calibration(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> Calibration:
    """Return whether the score of the best label is how often it is right.

    Args:
        scores: (pictures, classes), 0-1; at least one picture.
        labels: (pictures,) indices of the right classes.
    """
    return calibration_of(
        scores.max(axis=1),
        scores.argmax(axis=1) == labels,
        negative_log_likelihood=negative_log_likelihood(scores, labels),
    )


def mistakes(
    names: Sequence[str],
    ids: Sequence[str],
    scores: NDArray[np.floating],
    labels: NDArray[np.integer],
) -> tuple[Mistake, ...]:
    """Return the pictures on which the model is surest and wrong; see `mistakes.surest`.

    Args:
        names: Labels, in the order of the model.
        ids: Of the pictures.
        scores: (pictures, classes), 0-1.
        labels: (pictures,) indices of the right classes.
    """
    best, score = scores.argmax(axis=1), scores.max(axis=1)
    return tuple(
        Mistake(
            id=ids[index],
            said=(names[best[index]],),
            right=(names[labels[index]],),
            score=float(score[index]),
        )
        for index in surest(ids, best != labels, score)
    )
