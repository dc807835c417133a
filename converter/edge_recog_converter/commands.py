"""The converter's verbs. Importing this loads nothing heavy: `edge-recog --help` does it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_recog.cli.output import Json, Quiet, Verbose, print_json, set_up_logging

if TYPE_CHECKING:
    from edge_recog_converter.build import BuiltModel

build_app = typer.Typer()
compress_app = typer.Typer()
demo_app = typer.Typer()


@build_app.command(no_args_is_help=True)
def build(
    recipe: Annotated[Path, typer.Argument(help="A recipe (TOML).", show_default=False)],
    data: Annotated[Path, typer.Option(help="Folder of pictures.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The run's folder is made in here.")] = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a verified model from a recipe and a folder of pictures.

    Example: edge-recog build recipes/clothing.toml --data photos/ --out runs/
    """
    set_up_logging(verbose=verbose)
    from edge_recog_converter.build import assist
    from edge_recog_converter.build import build as run
    from edge_recog_converter.learning.workers import workers_from_environment
    from edge_recog_converter.reporting import Reporter

    reporter = Reporter(quiet=quiet or json)
    with reporter.meter("workers", None):
        workers = workers_from_environment()
    if not workers.is_chief:
        assist(recipe, data, reporter=reporter, workers=workers)
        if json:
            print_json({"worker": workers.index})
        return
    _tell(run(recipe, data, out, reporter=reporter, workers=workers), json=json)


@compress_app.command(no_args_is_help=True)
def compress(
    network: Annotated[
        Path, typer.Argument(help="A classifier saved by Keras (.keras).", show_default=False)
    ],
    data: Annotated[Path, typer.Option(help="Folder of pictures.", show_default=False)],
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may cost: latency=2x, latency=3.5ms, macs=2x, parameters=500000; may be "
            "given several times. Left out, it is quantised only.",
            show_default=False,
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(help="Points that INT8 may lose against float.", show_default="0.5"),
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(help="Share of pictures of which both say the same.", show_default="0.97"),
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Of what is said of the loss.", show_default="0.95")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="In which channels are removed.", show_default="3")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of learning after the last step.", show_default="30")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="A label a line, in the order of the outputs; left out, the model file of its "
            "build beside the network tells.",
            show_default=False,
        ),
    ] = None,
    mean: Annotated[
        str, typer.Option(help="Subtracted from pixels 0-255: 127.5, or one a channel.")
    ] = "",
    std: Annotated[str, typer.Option(help="Divides after the mean.")] = "",
    size: Annotated[
        str, typer.Option("--input", help="Height x width, such as 224x224, with --mean and --std.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of splits and training.")] = 0,
    out: Annotated[Path, typer.Option(help="The run's folder is made in here.")] = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a trained network smaller and faster, as far as its measured accuracy allows.

    Example: edge-recog compress model.keras --data photos/ --budget latency=2x
    """
    set_up_logging(verbose=verbose)
    from edge_recog_converter.compressing import Wishes, numbers, pairs, side
    from edge_recog_converter.compressing import compress as run
    from edge_recog_converter.reporting import Reporter

    wishes = Wishes(
        budget=pairs(budget or []),
        max_drop=max_drop,
        min_agreement=min_agreement,
        confidence=confidence,
        steps=steps,
        epochs=epochs,
        labels=labels,
        mean=numbers("--mean", mean),
        std=numbers("--std", std),
        side=side(size),
        seed=seed,
    )
    _tell(run(network, data, out, wishes, reporter=Reporter(quiet=quiet or json)), json=json)


def _tell(built: BuiltModel, *, json: bool) -> None:
    if not json:
        typer.echo(built.int8)
        return
    print_json(
        {
            "folder": str(built.folder),
            "int8": str(built.int8),
            "float": str(built.float),
            "report": built.report,
        }
    )


@demo_app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Models and contact sheet go here.")] = Path(
        "runs/demo"
    ),
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build an ImageNet model from pretrained weights and show it photographs.

    Example: edge-recog demo
    """
    set_up_logging(verbose=verbose)
    from edge_recog_converter.demo import run_demo
    from edge_recog_converter.reporting import Reporter

    run_demo(out, reporter=Reporter(quiet=quiet))
