"""A result in words and columns for a terminal, and as one JSON document."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.cli.output import size_text
from edge_recog_benchmarks.accuracy import accuracy_of, compare_accuracy
from edge_recog_benchmarks.comparison import compare_results
from edge_recog_benchmarks.figures import END_TO_END, Figures, figures_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from edge_recog_benchmarks.comparison import ContestantComparison, ResultComparison
    from edge_recog_benchmarks.gating import GateOutcome
    from edge_recog_benchmarks.results import ContestantResult, Result
    from edge_recog_benchmarks.statistics import Interval

_DASH = "-"
MOST_OPERATORS = 12
"""Of a profile, in a terminal."""


def result_lines(result: Result) -> Iterator[str]:
    """Yield everything a person wants to know of a run."""
    yield from _head(result)
    figures = {one.name: figures_of(result, one) for one in result.contestants}
    yield from _table(_LATENCY_COLUMNS, result, figures)
    stages = list(dict.fromkeys(stage for one in figures.values() for stage in one.stages))
    if len(stages) > 1:
        yield "stages at p50"
        yield from _columns(
            ["", *(stage.replace("_", " ") for stage in stages)],
            [
                [name, *(_stage_ms(one, stage) for stage in stages)]
                for name, one in figures.items()
                if one.stages
            ],
        )
    if result.accuracy is not None:
        yield from _accuracy_lines(result)
    if len(result.contestants) > 1:
        yield from comparison_lines(compare_results(result))
    for one in result.contestants:
        yield from _profile_lines(one)
    yield from _findings(result)


def comparison_lines(comparison: ResultComparison) -> Iterator[str]:
    """Yield a sentence for each pair, and what must be known beside it."""
    for row in comparison.rows:
        yield f"{row.other} is {_verdict(row)}"
    for note in comparison.notes:
        yield f"note: {note}"


def gate_lines(outcome: GateOutcome) -> Iterator[str]:
    """Yield a line for each gate and contestant."""
    for one in outcome.judgements:
        measured = "" if one.measured is None else f" (measured {one.measured.estimate:.4g})"
        reason = f": {one.reason}" if one.reason else ""
        yield f"gate {one.gate} {one.outcome} for {one.contestant}{measured}{reason}"


def result_document(result: Result, outcome: GateOutcome, *, file: Path) -> dict[str, Any]:
    """Return a run's figures for programs; the samples are in the file."""
    comparison = compare_results(result) if len(result.contestants) > 1 else None
    return {
        "file": str(file),
        "valid": result.valid,
        "complete": result.complete,
        "findings": result.findings,
        "contestants": [_contestant_document(result, one) for one in result.contestants],
        "comparison": None if comparison is None else dataclasses.asdict(comparison),
        "gates": _gates_document(outcome),
    }


def comparison_document(comparison: ResultComparison, outcome: GateOutcome) -> dict[str, Any]:
    """Return a comparison for programs."""
    return {**dataclasses.asdict(comparison), "gates": _gates_document(outcome)}


def _gates_document(outcome: GateOutcome) -> dict[str, Any]:
    rows = [
        {
            "gate": str(one.gate),
            "contestant": one.contestant,
            "outcome": one.outcome,
            "measured": None if one.measured is None else dataclasses.asdict(one.measured),
            "reason": one.reason,
        }
        for one in outcome.judgements
    ]
    return {"passed": outcome.passed, "judgements": rows}


def _contestant_document(result: Result, one: ContestantResult) -> dict[str, Any]:
    data = result.accuracy
    return {
        "name": one.name,
        "model": one.model.id,
        "runtime": one.runtime,
        "figures": dataclasses.asdict(figures_of(result, one)),
        "accuracy": None
        if data is None or not one.answers
        else dataclasses.asdict(accuracy_of(data, one)),
        "profile": msgspec.to_builtins(one.profiled),
        "failed": None if one.failed is None else one.failed.reason,
    }


def _head(result: Result) -> Iterator[str]:
    system, plan = result.system, result.plan
    where = system.board or system.machine.get("processor") or "this machine"
    cores = f"{system.cores} core{'s' * (system.cores != 1)}"
    device = "" if result.device == "local" else f"  {result.device}"
    yield f"{plan.scenario} on {where}, {cores}{device}"
    runtimes = {one.runtime for one in result.contestants if one.runtime}
    if len(runtimes) == 1:
        yield runtimes.pop()


def _ms(value: Interval | float | None) -> str:
    if value is None:
        return _DASH
    number = value if isinstance(value, float | int) else value.estimate
    return f"{number:.0f} ms" if number >= 100 else f"{number:.3g} ms"


def _stage_ms(figures: Figures, stage: str) -> str:
    found = figures.stages.get(stage)
    return _DASH if found is None else _ms(found.p50_ms)


def _latency(name: str) -> Callable[[Figures], str]:
    def read(figures: Figures) -> str:
        total = figures.stages.get(END_TO_END)
        return _DASH if total is None else _ms(getattr(total, name))

    return read


def _percent(value: float | None) -> str:
    return _DASH if value is None else f"{value:.1%}"


_LATENCY_COLUMNS: dict[str, Callable[[Figures], str]] = {
    "p50": _latency("p50_ms"),
    "p90": _latency("p90_ms"),
    "p90 (99 % sure)": _latency("p90_early_stopping_ms"),
    "p99": _latency("p99_ms"),
    "pictures/s": lambda f: _DASH if f.throughput is None else f"{f.throughput.estimate:.3g}",
    "dropped": lambda f: _percent(f.dropped_share),
    "10 min/10 s": lambda f: _DASH if f.sustained is None else f"{f.sustained.ratio:.2f}x",
    "load": lambda f: _ms(f.load_ms),
    "first answer": lambda f: _ms(f.first_answer_ms),
    "peak memory": lambda f: _DASH if f.peak_rss_mb is None else size_text(f.peak_rss_mb * 1e6),
    "size": lambda f: size_text(f.size_mb * 1e6),
    "energy": lambda f: _DASH if f.energy_mj is None else f"{f.energy_mj:.3g} mJ",
}


def _table(
    columns: dict[str, Callable[[Figures], str]], result: Result, figures: dict[str, Figures]
) -> Iterator[str]:
    """Yield a row for each contestant; columns in which nobody has anything are left out."""
    cells = {
        title: [read(figures[one.name]) for one in result.contestants]
        for title, read in columns.items()
    }
    cells = {title: column for title, column in cells.items() if set(column) != {_DASH}}
    names = [one.name for one in result.contestants]
    yield from _columns(["", *cells], [list(row) for row in zip(names, *cells.values())])  # noqa: B905


def _columns(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield lines in which the first column is aligned left and all others right."""
    lines = [list(titles), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for first, *others in lines:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield f"  {first.ljust(widths[0])}  {'  '.join(cells)}".rstrip()


def _verdict(row: ContestantComparison) -> str:
    """Return e.g. `slower than a: 1.06x [1.05, 1.07] at p50`."""
    headline = row.headline
    if headline.verdict == "undecided":
        said = f"not told apart from {row.reference}: {headline.reason}"
    elif headline.verdict == "no difference":
        said = f"no different from {row.reference}"
    else:
        said = f"{headline.verdict} than {row.reference}"
    if headline.ratio is not None:
        said += f"; {_ratio(headline.ratio)} at {headline.metric}"
    return said


def _ratio(ratio: Interval) -> str:
    text = f"{ratio.estimate:.3f}x"
    return f"{text} [{ratio.low:.3f}, {ratio.high:.3f}]" if ratio.bounded else text


def _accuracy_lines(result: Result) -> Iterator[str]:
    data = result.accuracy
    assert data is not None
    answered = [one for one in result.contestants if one.answers]
    if not answered:
        return
    figures = {one.name: accuracy_of(data, one) for one in answered}
    yield f"accuracy on {len(data.pictures)} pictures of {data.name}"
    yield from _columns(
        ["", *next(iter(figures.values())).headline()],
        [[name, *one.headline().values()] for name, one in figures.items()],
    )
    for other in answered[1:]:
        yield f"{other.name}: {compare_accuracy(data, answered[0], other).sentence}"


def _profile_lines(one: ContestantResult) -> Iterator[str]:
    if one.profiled is None:
        return
    profile = one.profiled.profile
    if profile is None:
        yield f"operators of {one.name}: {one.profiled.reason}"
        return
    slowest = sorted(profile.operators, key=lambda operator: -operator.mean_ns)[:MOST_OPERATORS]
    yield (
        f"operators of {one.name}, the slowest {len(slowest)} of {len(profile.operators)} "
        f"({profile.coverage:.0%} of {profile.inference_ns / 1e6:.3g} ms explained)"
    )
    yield from _columns(
        ["", "time", "share"],
        [[f"{one.kind} {one.name}", _ms(one.mean_ns / 1e6), f"{one.share:.1%}"] for one in slowest],
    )


def _findings(result: Result) -> Iterator[str]:
    for finding in result.findings:
        about = f"{finding.contestant}: " if finding.contestant else ""
        yield f"{finding.severity.upper():<7}   {about}{finding.reason}; {finding.advice}"
    if not result.valid:
        yield "this run is not valid: do not rely on its figures"
