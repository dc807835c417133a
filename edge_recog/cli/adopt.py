"""`edge-recog adopt`: a contract for a model that others made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edge_recog.cli.output import Force, print_rows
from edge_recog.errors import UsageError

app = typer.Typer()

_Numbers = tuple[float, ...]
_GOLDEN_SIDE = 128


def _numbers(text: str) -> _Numbers:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise typer.BadParameter("one number, or one for each channel: 123.7,116.3,103.5") from None


@app.command(no_args_is_help=True)
def adopt(
    model: Annotated[Path, typer.Argument(help="A .tflite file.", show_default=False)],
    labels: Annotated[
        Path,
        typer.Option(help="Text file, one label a line, in output order.", show_default=False),
    ],
    mean: Annotated[
        str, typer.Option(help="Subtracted from pixels 0-255: 127.5, or 123.7,116.3,103.5.")
    ],
    std: Annotated[str, typer.Option(help="Divides after that: 127.5, or 58.4,57.1,57.4.")],
    colour: Annotated[
        Literal["RGB", "BGR", "GRAY"] | None,
        typer.Option(help="Channel order it was trained with; RGB, or GRAY for one channel."),
    ] = None,
    crop: Annotated[
        Literal["stretch", "center-crop", "letterbox"],
        typer.Option(help="How a picture of another shape is fitted."),
    ] = "center-crop",
    interpolation: Annotated[
        Literal["nearest", "linear", "area", "cubic"], typer.Option(help="How it is resized.")
    ] = "linear",
    activation: Annotated[
        Literal["softmax", "sigmoid", "none"] | None,
        typer.Option(help="What turns its output into scores; told by the graph where it ends so."),
    ] = None,
    task: Annotated[
        Literal["single-label", "multi-label"],
        typer.Option(help="One label a picture, or several."),
    ] = "single-label",
    name: Annotated[str, typer.Option(help="For people; the file's by default.")] = "",
    golden: Annotated[
        list[Path] | None,
        typer.Option(help="Picture to make a golden vector of; may be repeated. Shrunk to 128."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; NAME-adopted.tflite by default.")
    ] = None,
    force: Force = False,
) -> None:
    """Write a contract into a model that others made.

    Example: edge-recog adopt resnet8.tflite --labels labels.txt --mean 0 --std 1
    """
    from edge_recog.adoption import adopt as run
    from edge_recog.bundle import Bundle, read_model_file
    from edge_recog.cameras.images import read_image, shrink
    from edge_recog.files import refuse_existing, write_file
    from edge_recog.foreign import read_labels

    target = out or model.with_name(f"{model.stem}-adopted.tflite")
    refuse_existing(target, force=force)
    data = read_model_file(model)
    try:
        names = read_labels(labels.read_bytes())
    except OSError as error:
        raise UsageError(f"{labels}: cannot be read: {error.strerror or error}") from error
    adopted = run(
        data,
        where=str(model),
        labels=names,
        mean=_numbers(mean),
        std=_numbers(std),
        colour=colour,
        crop=crop,
        interpolation=interpolation,
        activation=activation,
        task=task,
        name=name,
        frames=[shrink(read_image(path), _GOLDEN_SIDE) for path in golden] if golden else None,
    )
    write_file(target, adopted, force=force)
    bundle = Bundle.from_bytes(adopted, where=str(target))
    count = len(bundle.golden())
    print_rows(
        [
            ("wrote", str(target)),
            ("golden", f"{count} vectors" if count else "none: it needs its accelerator to answer"),
            ("try", f"edge-recog classify {target} PICTURE"),
        ]
    )
