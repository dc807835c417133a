"""How often a contestant is right on labelled pictures, and how sure that is.

Figures are over the pictures that the contestant answered; those that could not be read are counted
apart. Intervals are of confidence 95 %: Wilson's for shares, a bootstrap over the pictures for the
others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog_benchmarks.answered import all_scores, best_labels, in_common
from edge_recog_benchmarks.average_precision import average_precision, mean_average_precision
from edge_recog_benchmarks.calibration import ReliabilityBin, calibration_error, reliability
from edge_recog_benchmarks.flips import (
    THRESHOLD,
    AccuracyComparison,
    compare_accuracy,
    exactly_right,
    share_difference,
)
from edge_recog_benchmarks.resampling import bootstrap
from edge_recog_benchmarks.statistics import Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_recog_benchmarks.answered import AllScores, BestLabels
    from edge_recog_benchmarks.results import AccuracyData, ContestantResult, Result

__all__ = [
    "AccuracyComparison",
    "AccuracyFigures",
    "ClassFigures",
    "Confusion",
    "accuracy_differences",
    "accuracy_of",
    "accuracy_values",
    "compare_accuracy",
]

LEAST_LABELS_FOR_TOP5 = 6
"""With fewer the right label is always among the best five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """One label."""

    label: str
    count: int
    """Pictures that have it."""
    said: int
    """Pictures of which the contestant says that they have it."""
    recall: float | None
    """Share of `count` of which it is said; None if that is 0."""
    precision: float | None
    """Share of `said` that have it; None if that is 0."""
    f1: float
    """Harmonic mean of both: 2 hits / (count + said)."""
    average_precision: float | None
    """See `edge_recog_benchmarks.average_precision`; None for a single-label task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Pictures of one label that were taken for another."""

    label: str
    said: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyFigures:
    """How right a contestant is. Shares are 0-1."""

    count: int
    """Pictures answered."""
    unreadable: int
    """Pictures that it could not decode."""
    unanswered: int
    """The rest: it failed, or was stopped."""
    top1: Interval | None
    """The best label is right. This and the next are None for a multi-label task."""
    top5: Interval | None
    """One of the best five is; None as well with fewer than 6 labels."""
    exact: Interval | None
    """The labels with a score of at least 0.5 are exactly the right ones. This and the next two are
    None for a single-label task."""
    mean_average_precision: Interval | None
    """None as well where no picture has any label."""
    micro_f1: float | None
    """F1 of all labels of all pictures at the threshold 0.5; None as well where there are none."""
    macro_f1: float | None
    """Mean F1 of the labels that some picture has; None where there are none."""
    balanced: float | None
    """Balanced accuracy: mean recall of the labels that some picture has; None where none has."""
    classes: tuple[ClassFigures, ...]
    """The labels that some picture has or is said to have, in the order of the model."""
    confusions: tuple[Confusion, ...]
    """Of a single-label task, most pictures first."""
    calibration_error: Interval | None
    """See `edge_recog_benchmarks.calibration`; None for a multi-label task."""
    reliability: tuple[ReliabilityBin, ...]
    """Empty for a multi-label task."""

    def headline(self) -> dict[str, str]:
        """Return the main figures as texts by name; the same names for the same pictures."""
        shares = {
            "top-1": self.top1,
            "top-5": self.top5,
            "exact": self.exact,
            "mAP": self.mean_average_precision,
        }
        texts = {name: _text(share) for name, share in shares.items() if share is not None}
        for name, figure in (("balanced", self.balanced), ("macro F1", self.macro_f1)):
            if figure is not None:
                texts[name] = f"{100 * figure:.1f} %"
        if self.calibration_error is not None:
            texts["calibration error"] = _text(self.calibration_error)
        left_out = [
            f"{number} {why}"
            for number, why in ((self.unreadable, "unreadable"), (self.unanswered, "unanswered"))
            if number
        ]
        texts["pictures"] = f"{self.count}" + (f" ({', '.join(left_out)})" if left_out else "")
        return texts


def accuracy_of(data: AccuracyData, contestant: ContestantResult) -> AccuracyFigures:
    """Return how right a contestant is.

    Raises:
        ResultError: It has no answers, or they do not fit the pictures.
    """
    if data.task == "single-label":
        return _single_label(data, contestant, best_labels(data, contestant))
    return _multi_label(data, contestant, all_scores(data, contestant))


def accuracy_values(result: Result, contestant: ContestantResult) -> dict[str, Interval]:
    """Return shares by short names, for limits on them: `top1`, `top5`, `map`, `agreement`, `ece`.

    `agreement` is with the first other contestant of the run that has answers. Empty where there
    are no answers.
    """
    data = result.accuracy
    if data is None or not contestant.answers:
        return {}
    figures = accuracy_of(data, contestant)
    values = {
        "top1": figures.top1,
        "top5": figures.top5,
        "map": figures.mean_average_precision,
        "ece": figures.calibration_error,
    }
    others = (one for one in result.contestants if one.answers and one.name != contestant.name)
    if (reference := next(others, None)) is not None:
        values["agreement"] = compare_accuracy(data, reference, contestant).agreement
    return {name: value for name, value in values.items() if value is not None}


def accuracy_differences(
    reference_result: Result, reference: ContestantResult, result: Result, other: ContestantResult
) -> Mapping[str, Interval]:
    """Return `other` minus `reference` by the names of `accuracy_values`, of the same pictures.

    `agreement` is 0 where they always say the same, and else less. Empty where the two runs have
    not labelled the same pictures, or one of the contestants has no answers.
    """
    data = result.accuracy
    if data is None or not _same_pictures(reference_result.accuracy, data):
        return {}
    if not reference.answers or not other.answers:
        return {}
    comparison = compare_accuracy(data, reference, other)
    differences = {"agreement": comparison.agreement.map(lambda share: share - 1)}
    if data.task == "multi-label":
        if comparison.map_difference is not None:
            differences["map"] = comparison.map_difference
        return differences
    differences["top1"] = comparison.difference
    one, two = best_labels(data, reference), best_labels(data, other)
    left, right = in_common(one.pictures, two.pictures)
    one, two = one.take(left), two.take(right)
    if len(data.labels) >= LEAST_LABELS_FOR_TOP5:
        only_a, only_b = one.in_top5 & ~two.in_top5, two.in_top5 & ~one.in_top5
        differences["top5"] = share_difference(int(only_a.sum()), int(only_b.sum()), left.size)
    error = bootstrap(
        lambda weights: (
            calibration_error(two.score, two.right, weights)
            - calibration_error(one.score, one.right, weights)
        ),
        left.size,
    )
    if error is not None:
        differences["ece"] = error
    return differences


def _same_pictures(one: AccuracyData | None, other: AccuracyData) -> bool:
    return one is not None and (one.fingerprint, one.task, one.labels, one.pictures) == (
        other.fingerprint,
        other.task,
        other.labels,
        other.pictures,
    )


def _single_label(
    data: AccuracyData, contestant: ContestantResult, answers: BestLabels
) -> AccuracyFigures:
    labels = len(data.labels)
    right = answers.right
    counts = np.bincount(answers.truth, minlength=labels)
    said = np.bincount(answers.best, minlength=labels)
    hits = np.bincount(answers.truth[right], minlength=labels)
    classes = _classes(data, counts, said, hits, {})
    top5 = None
    if labels >= LEAST_LABELS_FOR_TOP5:
        top5 = wilson(int(answers.in_top5.sum()), right.size)
    return AccuracyFigures(
        count=right.size,
        unreadable=len(contestant.unreadable),
        unanswered=len(data.pictures) - right.size - len(contestant.unreadable),
        top1=wilson(int(right.sum()), right.size),
        top5=top5,
        exact=None,
        mean_average_precision=None,
        micro_f1=None,
        macro_f1=_mean([one.f1 for one in classes if one.count]),
        balanced=_mean([one.recall for one in classes if one.recall is not None]),
        classes=classes,
        confusions=_confusions(data, answers),
        calibration_error=bootstrap(
            lambda weights: calibration_error(answers.score, right, weights), right.size
        ),
        reliability=reliability(answers.score, right),
    )


def _multi_label(
    data: AccuracyData, contestant: ContestantResult, answers: AllScores
) -> AccuracyFigures:
    truth, claimed = answers.truth, answers.scores >= THRESHOLD
    counts, said = truth.sum(axis=0), claimed.sum(axis=0)
    hits = (truth & claimed).sum(axis=0)
    once = np.ones((1, len(truth)))
    precisions = {
        int(label): float(average_precision(truth[:, label], answers.scores[:, label], once)[0])
        for label in np.flatnonzero(counts)
    }
    classes = _classes(data, counts, said, hits, precisions)
    claims = int(counts.sum() + said.sum())
    exact = exactly_right(answers)
    return AccuracyFigures(
        count=len(truth),
        unreadable=len(contestant.unreadable),
        unanswered=len(data.pictures) - len(truth) - len(contestant.unreadable),
        top1=None,
        top5=None,
        exact=wilson(int(exact.sum()), exact.size),
        mean_average_precision=bootstrap(
            lambda weights: mean_average_precision(truth, answers.scores, weights), len(truth)
        ),
        micro_f1=2 * int(hits.sum()) / claims if claims else None,
        macro_f1=_mean([one.f1 for one in classes if one.count]),
        balanced=_mean([one.recall for one in classes if one.recall is not None]),
        classes=classes,
        confusions=(),
        calibration_error=None,
        reliability=(),
    )


def _classes(
    data: AccuracyData,
    counts: NDArray[np.intp],
    said: NDArray[np.intp],
    hits: NDArray[np.intp],
    precisions: Mapping[int, float],
) -> tuple[ClassFigures, ...]:
    return tuple(
        ClassFigures(
            label=data.labels[label],
            count=int(counts[label]),
            said=int(said[label]),
            recall=int(hits[label]) / int(counts[label]) if counts[label] else None,
            precision=int(hits[label]) / int(said[label]) if said[label] else None,
            f1=2 * int(hits[label]) / int(counts[label] + said[label]),
            average_precision=precisions.get(label),
        )
        for label in np.flatnonzero(counts + said).tolist()
    )


def _confusions(data: AccuracyData, answers: BestLabels) -> tuple[Confusion, ...]:
    wrong = ~answers.right
    pairs = np.stack([answers.truth[wrong], answers.best[wrong]], axis=1)
    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(
        Confusion(label=data.labels[truth], said=data.labels[best], count=count)
        for (truth, best), count in zip(
            distinct[order].tolist(), counts[order].tolist(), strict=True
        )
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _text(share: Interval) -> str:
    """Return a share in percent with its interval."""
    low, high = 100 * share.low, 100 * share.high
    return f"{100 * share.estimate:.1f} % [{low:.1f}, {high:.1f}]"
