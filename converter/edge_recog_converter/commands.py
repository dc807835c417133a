"""The converter's verbs. Importing this loads nothing heavy: `edge-recog --help` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_recog.cli.output import Json, Quiet, Verbose, print_json, set_up_logging

build_app = typer.Typer()
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
    built = run(recipe, data, out, reporter=reporter, workers=workers)
    if json:
        print_json(
            {
                "folder": str(built.folder),
                "int8": str(built.int8),
                "float": str(built.float),
                "report": built.report,
            }
        )
    else:
        typer.echo(built.int8)


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
