"""`edge-recog inspect`: what a model file says of itself."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_recog.cli.output import Json, print_json, print_rows, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer()


_WIDTH = 80
"""Columns of running text, its label included."""
_KINDS_SHOWN = 6
"""Operators named in one line; `--json` has them all."""


@app.command()
def inspect(
    model: Annotated[
        Path | None,
        typer.Argument(help="A .tflite file; the built-in one if left out.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a model file says of itself, without running it.

    Example: edge-recog inspect model.tflite --json
    """
    from edge_recog.inspection import inspect_file
    from edge_recog.models import default_model

    inspection = inspect_file(default_model() if model is None else model)
    document = inspection.document()
    if json:
        print_json(document)
    else:
        print_rows(_rows(document))
    if not document["usable"]:
        if not json:
            typer.echo(f"edge-recog: {inspection.problem}", err=True)
        raise typer.Exit(1)


def _rows(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "file", f"{document['path']}  {size_text(document['size_bytes'])}"
    yield "id", document["id"]
    yield "name", document["name"] or "-"
    if document["description"]:
        yield "description", document["description"]
    if document["license"]:
        yield "license", document["license"]
    for kind in ("inputs", "outputs"):
        for tensor in document[kind]:
            yield kind[:-1], _tensor(tensor)
    contract = document["contract"]
    if contract is None:
        yield "contract", "none this runtime can use"
    else:
        yield from _contract(contract, document)
    yield "operators", ", ".join(f"{name} v{v}" for name, v in document["operators"].items())
    oldest = document["oldest_runtime"]
    yield "runtime", f"TFLite {oldest} or later" if oldest else "not known"
    if document["edgetpu"]:
        yield "accelerator", "compiled for the Edge TPU"
    if document["golden_vectors"]:
        yield "golden", f"{document['golden_vectors']} vectors by {document['golden_runtime']}"
    for figure in document["accuracy"]:
        place = f"{figure['dataset']} {figure['split']}"
        yield (
            "measured",
            f"{figure['metric']} {figure['value']:.1%} on {figure['count']} of {place}",
        )
    if document["compatibility"]:
        yield "xnnpack", _xnnpack(document["compatibility"]["xnnpack"])
        yield "edge tpu", _edge_tpu(document["compatibility"]["edge_tpu"])
    for name, size in document["files"].items():
        yield "contains", f"{name}  {size_text(size)}"
    if document["provenance"]:
        provenance = document["provenance"]
        yield (
            "made",
            f"{provenance['created']}  "
            + ", ".join(f"{tool} {version}" for tool, version in provenance["tools"].items()),
        )
    if document["card"]:
        yield from _card(document["card"])


def _contract(contract: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    p = contract["preprocessing"]
    source = {
        "edge_recog": "edge_recog.json in the file",
        "tflite-metadata": "TFLite Metadata and its conventions",
    }[document["contract_from"]]
    yield "contract", f"from {source}"
    yield (
        "  feed",
        (
            f"{p['width']}x{p['height']} {p['colour']} {p['layout']}, {p['crop']}, "
            f"{p['interpolation']}, (pixel - {_numbers(p['mean'])}) / {_numbers(p['std'])}"
        ),
    )
    read = f"{contract['task']}, activation {contract['activation']}"
    if contract["temperature"] != 1.0:
        read += f", temperature {contract['temperature']:g}"
    if contract["thresholds"]:
        low, high = min(contract["thresholds"]), max(contract["thresholds"])
        read += f", thresholds {low:g}" + (f" to {high:g}" if high > low else "")
    yield "  read", read
    labels = document["labels"]
    shown = " · ".join(labels[:4]) + (" · …" if len(labels) > 4 else "")
    yield "labels", f"{len(labels)}: {shown}"


def _xnnpack(facts: dict[str, Any]) -> str:
    text = f"takes {facts['taken']} of {facts['total']} operators"
    if facts["left"]:
        kinds = [f"{count} {name}" for name, count in facts["left"].items()]
        more = ", …" if len(kinds) > _KINDS_SHOWN else ""
        text += f", leaves {', '.join(kinds[:_KINDS_SHOWN])}{more}"
    return f"{text}  asked of {facts['runtime']}"


def _edge_tpu(facts: dict[str, Any]) -> str:
    text = f"should map {facts['mapped']} of {facts['total']} operators"
    first = facts["breaks_at"]
    if first:
        text += f": operator {first['index']} ({first['name']}) {first['reason']}"
    if facts["mapped"]:
        fits = "fit" if facts["fits_on_chip"] else "do not fit"
        text += f"; its parameters of {size_text(facts['parameters_bytes'])} {fits} on the chip"
    if facts["open_batch"]:
        text += "; its batch size is open and must be fixed first"
    return f"{text}  by documented rules, not measured"


def _card(card: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what the card tells, in lines that fit beside the longest label."""
    labels = {key: key.replace("_", " ") for key in ("intended_use", "limits", "data")}
    labels["data_license"] = "data license"
    width = _WIDTH - max(map(len, labels.values())) - 2
    for key, label in labels.items():
        for paragraph in card[key].splitlines():
            for line in textwrap.wrap(paragraph, width):
                yield label, line
                label = ""


def _tensor(tensor: dict[str, Any]) -> str:
    text = f"{tensor['dtype']} {tensor['shape']}"
    if tensor["scale"] is not None:
        text += f", scale {tensor['scale']:.8g}, zero point {tensor['zero_point'] or 0}"
    return text


def _numbers(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:g}" for value in values)
