"""The verb `bench run`: plan, measure, show, keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edge_recog.cli.output import print_json
from edge_recog.files import refuse_existing
from edge_recog_benchmarks.connections import DeviceError, find_device
from edge_recog_benchmarks.device.events import Failed
from edge_recog_benchmarks.gates import Gate
from edge_recog_benchmarks.gating import check_gates
from edge_recog_benchmarks.measuring import measure
from edge_recog_benchmarks.meters import read_meter
from edge_recog_benchmarks.planning import prepare
from edge_recog_benchmarks.power import with_energy
from edge_recog_benchmarks.progress import showing_progress
from edge_recog_benchmarks.results import write_result
from edge_recog_benchmarks.summary import gate_lines, result_document, result_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_benchmarks.planning import Wish
    from edge_recog_benchmarks.results import Result


@dataclass(frozen=True, kw_only=True)
class Outlet:
    """Where a run's outcome goes."""

    out: Path | None = None
    """Result file; None for one named by the time."""
    report: Path | None = None
    force: bool = False
    json: bool = False
    quiet: bool = False


def run_wish(
    wish: Wish,
    *,
    device: str,
    power: Path | None,
    outlet: Outlet,
    gates: Sequence[str],
    strict: bool,
) -> bool:
    """Measure, print and write; tell whether all gates passed and, if `strict`, the run is valid.

    Raises:
        DeviceError: Nothing could be measured.
        EdgeRecogError: A model, folder or argument cannot be used; told before anything runs.
    """
    started = datetime.now(UTC)
    out = outlet.out or Path(f"bench-{started:%Y%m%d-%H%M%S}.json")
    for path in (out, outlet.report):
        if path is not None:
            refuse_existing(path, force=outlet.force)
    for gate in gates:
        Gate.parse(gate)
    target = find_device(device)
    prepared = prepare(wish)
    for note in prepared.notes:
        _say(f"note: {note}")
    with showing_progress(prepared.plan, quiet=outlet.quiet or outlet.json) as listen:
        result = measure(
            prepared.plan,
            target,
            models=prepared.models,
            accuracy=prepared.accuracy,
            listen=listen,
        )
    _refuse_empty(result)
    write_result(result, out, force=outlet.force)
    result = with_energy(result, None if power is None else read_meter(power))
    write_result(result, out, force=True)
    if outlet.report is not None:
        from edge_recog_benchmarks.report import write_report

        write_report([result], outlet.report, force=outlet.force)
    outcome = check_gates(gates, result, None, strict=strict)
    if outlet.json:
        print_json(result_document(result, outcome, file=out))
    else:
        for line in [*result_lines(result), *gate_lines(outcome)]:
            typer.echo(line)
        typer.echo(f"wrote     {out}" + (f"  {outlet.report}" if outlet.report else ""))
    return outcome.passed and (result.valid or not strict)


def _refuse_empty(result: Result) -> None:
    """Refuse a run in which nobody took a sample.

    Raises:
        DeviceError: So it is.
    """
    if any(one.bursts for one in result.contestants):
        return
    failed = [one.failed for one in result.contestants if isinstance(one.failed, Failed)]
    reasons = "; ".join(f"{one.contestant}: {one.reason}" for one in failed)
    raise DeviceError(
        f"nothing was measured: {reasons or 'it was stopped before the first sample'}"
    )


def _say(text: str) -> None:
    typer.echo(f"edge-recog: {text}", err=True)
