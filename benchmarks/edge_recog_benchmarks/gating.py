"""Gates held against a run, or against two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog_benchmarks.accuracy import accuracy_differences, accuracy_values
from edge_recog_benchmarks.comparison import compare_results
from edge_recog_benchmarks.figures import figures_of
from edge_recog_benchmarks.gates import Gate, Judgement, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_benchmarks.results import Result


@dataclass(frozen=True)
class GateOutcome:
    """What the gates said."""

    judgements: tuple[Judgement, ...]
    passed: bool


def check_gates(
    texts: Sequence[str], result: Result, later: Result | None = None, *, strict: bool
) -> GateOutcome:
    """Hold every contestant but the reference against the gates.

    Args:
        texts: As `Gate.parse` reads them. Those that need a reference take the first contestant of
            the run, or with `later` the contestant of the same name in `result`; the others look at
            every contestant.
        result: The run, or the earlier of two.
        later: The later one, which is judged.
        strict: Undecided does not pass.

    Raises:
        UsageError: A gate is none, or needs a reference where there is nothing to compare.
    """
    gates = [Gate.parse(text) for text in texts]
    if not gates:
        return GateOutcome((), passed=True)
    judged = later or result
    rows = {}
    if any(gate.relative for gate in gates):
        comparison = compare_results(result, later, accuracy=accuracy_differences)
        rows = {row.other: row for row in comparison.rows}
    judgements = []
    for contestant in judged.contestants:
        row = rows.get(contestant.name)
        values = {
            **figures_of(judged, contestant).values(),
            **accuracy_values(judged, contestant),
        }
        for gate in gates:
            if gate.relative and row is None:
                continue  # The reference itself, or only in one of two runs.
            judgements.append(
                judge(
                    gate,
                    contestant.name,
                    values=values,
                    ratios=None if row is None else row.ratios,
                    differences=None if row is None else row.accuracy,
                    failure=contestant.failed.reason if contestant.failed else "",
                )
            )
    bad = {"failed", "undecided"} if strict else {"failed"}
    return GateOutcome(tuple(judgements), passed=not any(one.outcome in bad for one in judgements))
