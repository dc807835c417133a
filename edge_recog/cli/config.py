"""`edge-recog config`: the live classifier's configuration, and its service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_recog.cli.output import Force, Json, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_recog.service.config.problems import Problem

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The live classifier's configuration. Example: edge-recog config check config.toml",
)


@app.command(no_args_is_help=True)
def check(
    file: Annotated[Path, typer.Argument(help="The configuration.", show_default=False)],
    json: Json = False,
) -> None:
    """Say that a configuration is good, or all that is wrong with it.

    Variables such as EDGE_RECOG__WEB__LISTEN count, and the files with secrets are looked at. Ends
    with 1 if something is wrong.

    Example: edge-recog config check /etc/edge-recog/config.toml
    """
    from edge_recog.service.config.problems import ConfigError
    from edge_recog.service.config.reading import check_secrets, load_config

    problems: Iterable[Problem]
    try:
        problems = check_secrets(load_config(file))
    except ConfigError as error:
        problems = error.problems
    if json:
        told = [problem._asdict() for problem in problems]
        print_json({"path": str(file), "good": not told, "problems": told})
    elif problems:
        typer.echo("\n".join(map(str, problems)), err=True)
    else:
        typer.echo(f"{file}: good")
    if problems:
        raise typer.Exit(1)


@app.command()
def show(
    file: Annotated[
        Path | None,
        typer.Argument(help="The configuration; none if left out.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Show what is in force, and where each value comes from; no secrets.

    Example: edge-recog config show /etc/edge-recog/config.toml
    """
    from edge_recog.service.config.reading import load_config
    from edge_recog.service.config.showing import public_document, rows

    loaded = load_config(file)
    found = rows(loaded, environ=os.environ)
    if json:
        origins = {row.key: row.origin for row in found}
        print_json({"config": public_document(loaded.config), "origins": origins})
        return
    _print_columns([(row.key, _toml_text(row.value), row.origin) for row in found])


@app.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, by which editors help to write one.

    Example: edge-recog config schema > edge-recog.schema.json
    """
    from edge_recog.service.config.showing import schema as make

    print_json(make())


@app.command()
def init(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where to write it; stdout if left out.", show_default=False),
    ] = None,
    force: Force = False,
) -> None:
    """Write a configuration with every key explained.

    Example: edge-recog config init config.toml
    """
    from edge_recog.files import write_file
    from edge_recog.service.config.example import example_text

    if file is None:
        typer.echo(example_text(), nl=False)
        return
    write_file(file, example_text().encode(), force=force)
    typer.echo(f"wrote {file}; then: edge-recog config check {file}")


@app.command()
def unit(
    file: Annotated[
        Path,
        typer.Argument(help="The configuration that the service will have.", show_default=True),
    ] = Path("/etc/edge-recog/config.toml"),
    program: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="The command to run; this installation's.", show_default=False
        ),
    ] = None,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Above this it is started anew.")
    ] = "256M",
) -> None:
    """Print a hardened unit by which systemd runs the classifier with this configuration.

    Example: edge-recog config unit | sudo tee /etc/systemd/system/edge-recog.service
    """
    from edge_recog.service.config.reading import load_config, secret_files
    from edge_recog.service.unit import (
        installed_groups,
        installed_program,
        installed_systemd,
        render_unit,
    )

    path = file.absolute()
    # The variables of this shell are not the service's.
    credentials = secret_files(load_config(path, environ={}).config)
    text = render_unit(
        program=installed_program() if program is None else program,
        config=str(path),
        credentials=credentials,
        groups=installed_groups(),
        memory_max=memory,
        systemd=installed_systemd(),
    )
    typer.echo(text, nl=False)


def _toml_text(value: Any) -> str:
    """Return a value as TOML has it; what is off is `false` there."""
    import msgspec

    if isinstance(value, str) and value.startswith("<from "):
        return value
    return msgspec.json.encode(False if value is None else value).decode()


def _print_columns(table: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        padded = (f"{text:<{width}}" for text, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())
