"""What contestants answered to labelled pictures, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_benchmarks.results import ResultError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.events import Answer
    from edge_recog_benchmarks.results import AccuracyData, ContestantResult

TOP = 5


@dataclass(frozen=True, slots=True, eq=False)
class BestLabels:
    """Answers where one label is right."""

    pictures: NDArray[np.intp]
    """(answers,) indices into `AccuracyData.pictures`, ascending."""
    truth: NDArray[np.intp]
    """(answers,) the right label."""
    best: NDArray[np.intp]
    """(answers,) the best label."""
    score: NDArray[np.float64]
    """(answers,) of the best label, 0-1."""
    in_top5: NDArray[np.bool_]
    """(answers,) the right label is one of the best five."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """(answers,) the best label is the right one."""
        right: NDArray[np.bool_] = self.best == self.truth
        return right

    def take(self, rows: NDArray[np.intp]) -> BestLabels:
        """Return some of the answers."""
        return BestLabels(
            pictures=self.pictures[rows],
            truth=self.truth[rows],
            best=self.best[rows],
            score=self.score[rows],
            in_top5=self.in_top5[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class AllScores:
    """Answers where several labels may be right."""

    pictures: NDArray[np.intp]
    """(answers,) indices into `AccuracyData.pictures`, ascending."""
    truth: NDArray[np.bool_]
    """(answers, labels) the label applies."""
    scores: NDArray[np.float64]
    """(answers, labels), 0-1."""

    def take(self, rows: NDArray[np.intp]) -> AllScores:
        """Return some of the answers."""
        return AllScores(self.pictures[rows], self.truth[rows], self.scores[rows])


def best_labels(data: AccuracyData, contestant: ContestantResult) -> BestLabels:
    """Return the answers of a contestant to pictures with one label each.

    Raises:
        ResultError: There are none, or they do not fit the pictures.
    """
    answers = sorted(_checked(data, contestant), key=lambda answer: answer.picture)
    pictures = np.array([answer.picture for answer in answers], np.intp)
    truth = [data.pictures[picture].labels for picture in pictures]
    if any(len(labels) != 1 for labels in truth):
        raise ResultError(f"{data.name}: a picture of a single-label task has not one label")
    right = [labels[0] for labels in truth]
    return BestLabels(
        pictures=pictures,
        truth=np.array(right, np.intp),
        best=np.array([answer.top[0] for answer in answers], np.intp),
        score=np.array([answer.scores[0] for answer in answers], np.float64),
        in_top5=np.array(
            [label in answer.top[:TOP] for label, answer in zip(right, answers, strict=True)]
        ),
    )


def all_scores(data: AccuracyData, contestant: ContestantResult) -> AllScores:
    """Return the answers of a contestant to pictures with any number of labels.

    Raises:
        ResultError: There are none, some scores were not kept, or they do not fit the pictures.
    """
    answers = sorted(_checked(data, contestant), key=lambda answer: answer.picture)
    shape = (len(answers), len(data.labels))
    truth, scores = np.zeros(shape, np.bool_), np.empty(shape)
    for row, answer in enumerate(answers):
        if sorted(answer.top) != list(range(len(data.labels))):
            raise ResultError(
                f"{contestant.name}: not every label's score was kept, as a multi-label task "
                "needs; measure again"
            )
        truth[row, list(data.pictures[answer.picture].labels)] = True
        scores[row, answer.top] = answer.scores
    pictures = np.array([answer.picture for answer in answers], np.intp)
    return AllScores(pictures=pictures, truth=truth, scores=scores)


def in_common(
    one: NDArray[np.intp], other: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return in which rows of each are the pictures that both have, in the same order."""
    _, left, right = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    return left, right


def _checked(data: AccuracyData, contestant: ContestantResult) -> Iterator[Answer]:
    """Yield the answers; a result file may have been written by anyone."""
    if not contestant.answers:
        raise ResultError(f"{contestant.name}: it answered none of the labelled pictures")
    seen: set[int] = set()
    labels = range(len(data.labels))
    for answer in contestant.answers:
        fits = (
            0 <= answer.picture < len(data.pictures)
            and answer.picture not in seen
            and len(answer.top) == len(answer.scores) > 0
            and all(label in labels for label in answer.top)
            and all(label in labels for label in data.pictures[answer.picture].labels)
        )
        if not fits:
            raise ResultError(
                f"{contestant.name}: its answer to picture {answer.picture} does not fit the "
                "labelled pictures: the result is damaged; measure again"
            )
        seen.add(answer.picture)
        yield answer
