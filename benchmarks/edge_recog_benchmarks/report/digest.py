"""A result with everything computed from it that a report shows, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog_benchmarks.accuracy import (
    AccuracyComparison,
    AccuracyFigures,
    accuracy_differences,
    accuracy_of,
    compare_accuracy,
)
from edge_recog_benchmarks.comparison import ContestantComparison, compare_results
from edge_recog_benchmarks.figures import Figures, figures_of
from edge_recog_benchmarks.results import ResultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog_benchmarks.results import ContestantResult, Result


@dataclass(frozen=True)
class Digest:
    """Figures of one run, by names of contestants."""

    key: str
    """In front of every identifier of its part of the page."""
    result: Result
    figures: Mapping[str, Figures]
    rows: tuple[ContestantComparison, ...]
    """Of each contestant but the first, to the first; none for one contestant."""
    notes: tuple[str, ...]
    """What must be known of the comparison."""
    accuracies: Mapping[str, AccuracyFigures]
    """Of the contestants that have answers."""
    flips: Mapping[str, AccuracyComparison]
    """Of the contestants that have answers but the first of them, to that one."""

    @property
    def labelled(self) -> ContestantResult | None:
        """The first contestant with answers, to which `flips` compare."""
        answered = (one for one in self.result.contestants if one.name in self.accuracies)
        return next(answered, None)


def digest(result: Result, *, key: str = "") -> Digest:
    """Compute what a report shows.

    Raises:
        ResultError: It has no contestants, two of one name, or answers that fit no picture.
    """
    names = [one.name for one in result.contestants]
    if not names or len(set(names)) < len(names):
        raise ResultError("the result names no contestant, or one of them twice; measure again")
    data = result.accuracy
    answered = [] if data is None else [one for one in result.contestants if one.answers]
    comparison = None
    if len(names) > 1:
        comparison = compare_results(result, accuracy=accuracy_differences)
    flips = {}
    for one in answered[1:]:
        assert data is not None
        try:
            flips[one.name] = compare_accuracy(data, answered[0], one)
        except ResultError:
            continue  # They answered no picture both: one of them was stopped early.
    return Digest(
        key=key,
        result=result,
        figures={one.name: figures_of(result, one) for one in result.contestants},
        rows=comparison.rows if comparison else (),
        notes=comparison.notes if comparison else (),
        accuracies={one.name: accuracy_of(data, one) for one in answered if data is not None},
        flips=flips,
    )
