"""`edge-recog doctor`: what is wrong on this machine, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_recog.cli.output import Json, Threads, Verbose, print_json, set_up_logging, track
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.doctor import Row

app = typer.Typer()


@app.command()
def doctor(
    model: Annotated[
        Path | None,
        typer.Argument(help="A model file; the built-in one if left out.", show_default=False),
    ] = None,
    float_model: Annotated[
        Path | None,
        typer.Option(
            "--float",
            metavar="MODEL",
            help="Its float twin to time against; NAME-float.tflite beside it by default.",
            show_default=False,
        ),
    ] = None,
    threads: Threads = 1,
    source: Annotated[
        str | None,
        typer.Option(help="Where frames will come from: picamera2:0, v4l2:/dev/video0, rtsp://…"),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where the web page will be: 127.0.0.1:8080."),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(metavar="URL", help="MQTT broker: mqtt://user@host:1883 or mqtts://host."),
    ] = None,
    broker_password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The first line is the password for the broker."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what is wrong: warnings and bad.")
    ] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Find what is wrong on this machine, and say what to do about it.

    Changes nothing and needs no rights. Ends with 1 if something is bad.

    Example: edge-recog doctor model.tflite --source picamera2:0 --listen 127.0.0.1:8080
    """
    set_up_logging(verbose=verbose)
    from edge_recog.doctor import CHECKS, Subject, document, examine, is_fit
    from edge_recog.doctor.network import broker_of
    from edge_recog.service.addresses import Listen

    subject = Subject(
        model=model,
        float_model=float_model,
        threads=threads,
        source=source,
        listen=None if listen is None else Listen.parse(listen),
        broker=None if broker is None else broker_of(broker),
        broker_password=_password(broker_password_file),
    )
    found = examine(subject)
    rows = list(track(found, description="examine", total=len(CHECKS), quiet=quiet or json))
    if json:
        print_json(document(subject, rows))
    else:
        _print_table(rows, quiet=quiet)
    if not is_fit(rows):
        raise typer.Exit(1)


def _password(path: Path | None) -> bytes | None:
    """Return the first line of a file.

    Raises:
        UsageError: It cannot be read.
    """
    if path is None:
        return None
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return lines[0] if lines else b""


def _print_table(rows: Sequence[Row], *, quiet: bool) -> None:
    """Write the findings, and how many there are of each kind."""
    from edge_recog.cli.findings import print_findings
    from edge_recog.doctor.report import counts

    print_findings([(row.check.title, row.finding) for row in rows], quiet=quiet)
    typer.echo(", ".join(f"{number} {outcome}" for outcome, number in counts(rows).items()))
