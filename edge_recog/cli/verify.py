"""`edge-recog verify`: a model's self-test on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_recog.cli.output import Json, Threads, print_json, print_rows

app = typer.Typer()


@app.command()
def verify(
    model: Annotated[
        Path | None,
        typer.Argument(help="A model file; the built-in one if left out.", show_default=False),
    ] = None,
    threads: Threads = 1,
    delegate: Annotated[
        str | None,
        typer.Option(help="edgetpu, edgetpu:usb:0, edgetpu:pci, or a library with ?key=value."),
    ] = None,
    json: Json = False,
) -> None:
    """Run a model's golden vectors, frame to scores, on this machine.

    Example: edge-recog verify model.tflite
    """
    import msgspec

    from edge_recog.classifier import Classifier
    from edge_recog.models import default_model
    from edge_recog.verification import verify as run

    if model is None:
        model = default_model()
    with Classifier.open(model, threads=threads, delegate=delegate) as classifier:
        report = run(classifier)
    if json:
        print_json({"path": str(model), "passed": report.passed, **msgspec.to_builtins(report)})
    else:
        rows = [("file", str(model)), ("model", report.model_id), ("here", report.runtime)]
        rows.append(("made with", report.golden_runtime))
        print_rows(
            [
                *rows,
                *(
                    (
                        f"vector {vector.index}",
                        vector.problem
                        or f"ok  {vector.label} (output differs by {vector.output_worst:.3g}, "
                        f"allowed {report.output_tolerance:g})",
                    )
                    for vector in report.vectors
                ),
            ]
        )
    report.require(str(model))
    if not json:
        count = len(report.vectors)
        typer.echo(f"verified: {count}/{count} golden vectors")
