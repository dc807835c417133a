"""All verbs under one command; those of the sister distributions join by entry points."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edge_recog import __version__
from edge_recog.errors import UsageError

ENTRY_POINTS = "edge_recog.commands"
"""Group in which a distribution names its verbs: verb → a `typer.Typer`."""

VERBS = {
    "classify": "edge_recog.cli.classify:app",
    "inspect": "edge_recog.cli.inspect:app",
    "verify": "edge_recog.cli.verify:app",
    "adopt": "edge_recog.cli.adopt:app",
    "run": "edge_recog.cli.run:app",
    "cameras": "edge_recog.cli.cameras:app",
    "config": "edge_recog.cli.config:app",
    "doctor": "edge_recog.cli.doctor:app",
    "keys": "edge_recog.cli.keys:app",
    "model": "edge_recog.cli.model:app",
}
SISTER_VERBS = {
    "bench": "edge-recog-benchmarks",
    "build": "edge-recog-converter",
    "data": "edge-recog-converter",
    "demo": "edge-recog-converter",
    "devices": "edge-recog-devices",
    "flash": "edge-recog-devices",
    "publish": "edge-recog-devices",
}
"""Verbs that other distributions bring."""


class _Verbs(TyperGroup):
    """Imports a verb's module when the verb is used, or when help lists them all."""

    def list_commands(self, ctx: Any) -> list[str]:
        installed = {point.name for point in entry_points(group=ENTRY_POINTS)}
        return [*VERBS, *sorted(installed - VERBS.keys())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in VERBS:
            module, name = VERBS[cmd_name].split(":")
            found = getattr(importlib.import_module(module), name)
        else:
            points = entry_points(group=ENTRY_POINTS, name=cmd_name)
            if not points:
                _say_where_it_is(cmd_name)
                return None
            (point,) = points
            found = point.load()
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


def _say_where_it_is(verb: str) -> None:
    """Raise if the verb exists elsewhere.

    Raises:
        UsageError: A sister distribution has it, which is not installed.
    """
    if verb in SISTER_VERBS:
        raise UsageError(
            f"`{verb}` is part of {SISTER_VERBS[verb]}, which is not installed: "
            f"pip install {SISTER_VERBS[verb]}=={__version__}"
        )


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edge-recog {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Verbs, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich"
)


@app.callback(help="Image recognition on small devices.")
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    del version
