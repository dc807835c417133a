"""The verb `data`. Importing this loads nothing heavy: `edge-recog --help` does it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edge_recog.cli.output import Force, Json, Quiet, Verbose, print_json, set_up_logging

data_app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at pictures before they are learned from.",
)


class Layout(StrEnum):
    """How classes and splits are told apart; all but `auto` as in a recipe."""

    AUTO = "auto"
    FOLDERS = "folders"
    STRATIFIED = "stratified"
    MANIFEST = "manifest"
    IDX = "idx"
    NPZ = "npz"


@data_app.command(no_args_is_help=True)
def check(
    data: Annotated[Path, typer.Argument(help="Folder of pictures, or an NPZ file.")],
    splits: Annotated[Layout, typer.Option(help="The layout, as in a recipe.")] = Layout.AUTO,
    manifest: Annotated[
        str | None, typer.Option(help="Table of labels in the folder.", show_default=False)
    ] = None,
    pictures: Annotated[
        str, typer.Option(help="Folder that the manifest's paths are relative to.")
    ] = ".",
    groups: Annotated[str, typer.Option(help="The manifest's column of groups.")] = "group",
    seed: Annotated[int, typer.Option(min=0, help="Of the recipe, for splits made here.")] = 0,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page with thumbnails as well.", show_default=False),
    ] = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find corrupt files, copies, leakage between splits and unbalanced classes.

    Exits 0 if a model can be built from the data, whatever was found; 1 if not.

    Example: edge-recog data check photos/ --html check.html
    """
    set_up_logging(verbose=verbose)
    import msgspec
    from rich.console import Console

    from edge_recog.files import refuse_existing, write_file
    from edge_recog_converter.checking import check_data
    from edge_recog_converter.checking.page import page
    from edge_recog_converter.checking.summary import print_summary
    from edge_recog_converter.datasets.finding import detect_layout
    from edge_recog_converter.errors import DatasetError
    from edge_recog_converter.recipe import DataSection
    from edge_recog_converter.reporting import Reporter

    if html is not None:
        refuse_existing(html, force=force)
    if splits is not Layout.AUTO:
        section = msgspec.convert({"splits": splits.value}, DataSection)
    elif manifest is not None:
        section = DataSection(splits="manifest")
    else:
        section = detect_layout(data)
    section = msgspec.structs.replace(
        section, manifest=manifest or section.manifest, pictures=pictures, groups=groups
    )
    reporter = Reporter(quiet=quiet or json)
    result, contents = check_data(
        data, section, seed=seed, meter=lambda total: reporter.meter("check", total)
    )
    if html is not None:
        write_file(html, page(result, contents).encode(), force=force)
    if json:
        print_json(result)
    else:
        print_summary(result, Console(highlight=False))
        if html is not None:
            typer.echo(f"wrote {html}")
    if not result.usable:
        raise DatasetError(result.unusable_because)


@data_app.command(no_args_is_help=True)
def preview(
    recipe: Annotated[Path, typer.Argument(help="A recipe (TOML).", show_default=False)],
    data: Annotated[Path, typer.Option(help="Folder of pictures.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The sheet, a .png or .jpg file.")] = Path(
        "preview.png"
    ),
    pictures: Annotated[int, typer.Option(min=1, max=64, help="Rows of the sheet.")] = 8,
    stage: Annotated[
        int | None,
        typer.Option(min=1, help="Of those in which the network learns.", show_default="the first"),
    ] = None,
    epoch: Annotated[int, typer.Option(min=1, help="Of the stage.")] = 1,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw what the network will see in training: pictures preprocessed, then augmented.

    Rows are the epoch's first pictures, in its order. The first augmented version is the one that
    this epoch trains on; the others are what later steps would make of the picture.

    Example: edge-recog data preview recipes/clothing-fine.toml --data photos/ --out preview.png
    """
    set_up_logging(verbose=verbose)
    from edge_recog.files import refuse_existing, write_file
    from edge_recog_converter.previewing import document
    from edge_recog_converter.previewing import preview as preview_of
    from edge_recog_converter.recipe import load_recipe
    from edge_recog_converter.reporting import Reporter
    from edge_recog_converter.sheets import encode_sheet, require_suffix, sheet

    require_suffix(out)
    refuse_existing(out, force=force)
    followed, _ = load_recipe(recipe)
    with Reporter(quiet=quiet or json).meter("preview", None):
        shown = preview_of(
            followed, data, pictures=pictures, stage=stage, epoch=epoch, folder=recipe.parent
        )
        drawn = encode_sheet(sheet(shown), out)
    write_file(out, drawn, force=force)
    if json:
        print_json(document(shown, out=out))
    else:
        typer.echo(f"wrote {out}")
