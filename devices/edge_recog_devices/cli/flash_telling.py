"""What `edge-recog flash` says in the end, to people and to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from edge_recog.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_devices.boot import Written
    from edge_recog_devices.flash import Outcome, Wanted

_SUMMARY = {
    "flashed": {"installed", "updated"},
    "as wanted already": {"unchanged"},
    "planned": {"planned"},
    "failed": {"failed"},
    "not touched": {"skipped"},
}


def tell(outcomes: Sequence[Outcome], wanted: Wanted, *, json: bool, quiet: bool) -> None:
    """Write what became of each device: to stdout, and what failed to stderr."""
    if json:
        print_json(
            {
                "schema": 1,
                "model": {"id": f"sha256:{wanted.model.digest}", "name": wanted.model.name},
                "devices": [_document(outcome) for outcome in outcomes],
            }
        )
        return
    for outcome in outcomes:
        if outcome.result in {"failed", "skipped"}:
            message = outcome.error.removeprefix(f"{outcome.host}: ")
            typer.echo(f"edge-recog: {outcome.host}: {message}", err=True)
        elif outcome.result == "planned":
            typer.echo(f"{outcome.host}  {outcome.device}")
            for number, step in enumerate(outcome.steps, start=1):
                typer.echo(f"  {number}. {step}")
        elif not quiet:
            typer.echo(f"{outcome.host}  {_summary(outcome, wanted)}")
    counts = {
        word: sum(outcome.result in results for outcome in outcomes)
        for word, results in _SUMMARY.items()
    }
    if len(outcomes) > 1 and not quiet:
        typer.echo(", ".join(f"{number} {word}" for word, number in counts.items() if number))


def _summary(outcome: Outcome, wanted: Wanted) -> str:
    name = wanted.model.name
    if outcome.result == "unchanged":
        return f"nothing to do: it runs {name}"
    verdict = outcome.verdict
    if verdict is None:
        return f"{outcome.result}"
    lasting = "on trial, the device watches it from here on" if verdict.on_trial else "committed"
    seen = f"; it sees {verdict.classification}" if verdict.classification else ""
    done = "installed" if outcome.result == "installed" else "updated"
    return f"{done}: {name} answers after {verdict.waited_s:.0f} s, {lasting}{seen}"


def _document(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        "host": outcome.host,
        "result": outcome.result,
        "device": outcome.device or None,
        "steps": outcome.steps,
        "error": outcome.error or None,
        "on_trial": None if verdict is None else verdict.on_trial,
        "waited_s": None if verdict is None else verdict.waited_s,
        "predictions": []
        if verdict is None or verdict.classification is None
        else [
            {"label": one.label, "score": one.score} for one in verdict.classification.predictions
        ],
    }


def tell_card(written: Written, *, json: bool, dry_run: bool) -> None:
    """Write what was put on a card, or would be."""
    if json:
        print_json(
            {
                "schema": 1,
                "where": written.where,
                "system": written.system.title,
                "changed": written.changed and not dry_run,
                "files": dict(written.files),
                "kept": list(written.backups),
            }
        )
        return
    for line in written.lines():
        typer.echo(line)
    if written.changed:
        typer.echo("nothing was written (--dry-run)" if dry_run else "ready: start the device")
