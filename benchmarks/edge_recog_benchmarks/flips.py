"""How two contestants answer the same pictures: what one gets right and the other wrong.

Where one label is right, a picture is right if its best label is. Where several may be, it is right
if the labels with a score of at least 0.5 are exactly those it has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from edge_recog_benchmarks.answered import AllScores, all_scores, best_labels, in_common
from edge_recog_benchmarks.average_precision import mean_average_precision
from edge_recog_benchmarks.resampling import bootstrap
from edge_recog_benchmarks.results import ResultError
from edge_recog_benchmarks.statistics import Interval, mcnemar_exact, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog_benchmarks.answered import BestLabels
    from edge_recog_benchmarks.results import AccuracyData, ContestantResult

THRESHOLD = 0.5
"""From this score on a label of a multi-label task is taken to apply."""
LEVEL = 0.05
"""Of significance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyComparison:
    """How `b` compares to `a`. Pictures are indices into `AccuracyData.pictures`."""

    count: int
    """Pictures that both answered; all figures are over these."""
    measure: Literal["top-1", "exact label sets"]
    """What is right; see the module."""
    agreement: Interval
    """Share of the pictures on which both say the same, right or wrong, 0-1."""
    difference: Interval
    """Share that b gets right less that of a, -1 to 1."""
    map_difference: Interval | None
    """Mean average precision of b less that of a; None for a single-label task."""
    both_right: int
    both_wrong_alike: int
    only_a_right: tuple[int, ...]
    """Those of which b is surest first."""
    only_b_right: tuple[int, ...]
    """Those of which a is surest first."""
    both_wrong_differently: tuple[int, ...]
    """Those of which one of them is surest first."""
    p_value: float
    """Of McNemar's exact test: the chance of so great a difference between equally good models."""
    sentence: str
    """What it comes to, for people."""


def compare_accuracy(
    data: AccuracyData, a: ContestantResult, b: ContestantResult
) -> AccuracyComparison:
    """Return how the answers of `b` compare to those of the reference `a`.

    Raises:
        ResultError: They have no answers in common, or answers do not fit the pictures.
    """
    map_difference = None
    if data.task == "single-label":
        first, second = best_labels(data, a), best_labels(data, b)
        rows = _rows(first, second, a, b)
        one, other = first.take(rows[0]), second.take(rows[1])
        pictures, same = one.pictures, one.best == other.best
        right, sure = (one.right, other.right), (one.score, other.score)
    else:
        left, right_hand = all_scores(data, a), all_scores(data, b)
        rows = _rows(left, right_hand, a, b)
        mine, yours = left.take(rows[0]), right_hand.take(rows[1])
        pictures = mine.pictures
        same = ((mine.scores >= THRESHOLD) == (yours.scores >= THRESHOLD)).all(axis=1)
        right = (exactly_right(mine), exactly_right(yours))
        sure = (_sureness(mine), _sureness(yours))
        map_difference = difference_of_maps(mine, yours)
    only_a, only_b = right[0] & ~right[1], right[1] & ~right[0]
    both_wrong = ~right[0] & ~right[1]
    difference = share_difference(int(only_a.sum()), int(only_b.sum()), pictures.size)
    p_value = mcnemar_exact(int(only_a.sum()), int(only_b.sum()))
    return AccuracyComparison(
        count=pictures.size,
        measure="top-1" if data.task == "single-label" else "exact label sets",
        agreement=wilson(int(same.sum()), pictures.size),
        difference=difference,
        map_difference=map_difference,
        both_right=int((right[0] & right[1]).sum()),
        both_wrong_alike=int((both_wrong & same).sum()),
        only_a_right=_surest_first(pictures, only_a, sure[1]),
        only_b_right=_surest_first(pictures, only_b, sure[0]),
        both_wrong_differently=_surest_first(pictures, both_wrong & ~same, np.maximum(*sure)),
        p_value=p_value,
        sentence=_sentence(
            (a.name, b.name),
            (int(only_a.sum()), int(only_b.sum())),
            pictures.size,
            difference,
            p_value,
            map_difference,
        ),
    )


def share_difference(only_a: int, only_b: int, count: int, *, confidence: float = 0.95) -> Interval:
    """Return the interval of the share that b gets right less that of a, of the same cases.

    A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24 (2005), 729-740: Wald's interval after adding half a case to each cell
    of the table. Unlike a bootstrap it does not shrink to nothing where the two are right on the
    same cases, which a few cases cannot prove for all.

    Args:
        only_a: Cases that a gets right and b wrong.
        only_b: The other way round.
        count: All cases; at least 1.
        confidence: 0-1.
    """
    total = count + 2
    shift = (only_b - only_a) / total
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(
        ((only_a + only_b + 1) / total - shift**2) / total
    )
    estimate = (only_b - only_a) / count
    return Interval(
        estimate, max(-1.0, min(estimate, shift - half)), min(1.0, max(estimate, shift + half))
    )


def exactly_right(answers: AllScores) -> NDArray[np.bool_]:
    """(answers,) the labels with a score of at least 0.5 are exactly those that apply."""
    found: NDArray[np.bool_] = ((answers.scores >= THRESHOLD) == answers.truth).all(axis=1)
    return found


def difference_of_maps(a: AllScores, b: AllScores) -> Interval | None:
    """Return mean average precision of `b` less that of `a`, of the same pictures.

    Returns:
        A paired-bootstrap interval; None if no picture has any label.
    """
    return bootstrap(
        lambda weights: (
            mean_average_precision(b.truth, b.scores, weights)
            - mean_average_precision(a.truth, a.scores, weights)
        ),
        a.pictures.size,
    )


def _rows(
    one: BestLabels | AllScores,
    other: BestLabels | AllScores,
    a: ContestantResult,
    b: ContestantResult,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows = in_common(one.pictures, other.pictures)
    if not rows[0].size:
        raise ResultError(f"{a.name} and {b.name} answered no labelled picture both")
    return rows


def _sureness(answers: AllScores) -> NDArray[np.float64]:
    """(answers,) how sure the label is that is wrong by most, 0-1; 0 where none is wrong."""
    wrong = (answers.scores >= THRESHOLD) != answers.truth
    sure: NDArray[np.float64] = np.where(
        wrong, np.where(answers.truth, 1 - answers.scores, answers.scores), 0.0
    ).max(axis=1)
    return sure


def _surest_first(
    pictures: NDArray[np.intp], chosen: NDArray[np.bool_], sure: NDArray[np.float64]
) -> tuple[int, ...]:
    rows = np.flatnonzero(chosen)
    return tuple(pictures[rows[np.argsort(-sure[rows], kind="stable")]].tolist())


def _sentence(
    names: tuple[str, str],
    flips: tuple[int, int],
    count: int,
    difference: Interval,
    p_value: float,
    map_difference: Interval | None,
) -> str:
    """Say what can be said of the difference: both interval and test must show one."""
    a, b = names
    lost, won = flips
    pictures = f"{count} picture{'s' * (count != 1)}"
    flipped = f"{lost} lost, {won} won, McNemar p = {p_value:.2g}"
    excludes_zero = difference.low > 0 or difference.high < 0
    if excludes_zero and p_value < LEVEL:
        kind = "better" if difference.estimate > 0 else "worse"
        text = (
            f"{b} is {kind} than {a} by {100 * abs(difference.estimate):.1f} points on {pictures}: "
            f"the interval of the difference is {_points(difference)} points ({flipped})"
        )
    else:
        text = (
            f"no difference shown: the interval of the difference between {b} and {a} is "
            f"{_points(difference)} points on {pictures} ({flipped})"
        )
        if round(100 * difference.low, 1) < 0:
            loss = -100 * difference.low
            text += f"; a loss of up to {loss:.1f} points cannot be ruled out"
    if map_difference is not None:
        text += (
            f"; mean average precision differs by {_signed(map_difference.estimate)} points, "
            f"interval {_points(map_difference)}"
        )
    return text


def _points(interval: Interval) -> str:
    return f"[{_signed(interval.low)}, {_signed(interval.high)}]"


def _signed(share: float) -> str:
    """Return a share in percentage points, without a sign before nothing."""
    text = f"{100 * share:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text
