"""`edge-recog cameras`: what is there to take pictures with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edge_recog.cli.output import Json, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge_recog.cameras.listing import FoundCamera
    from edge_recog.cameras.v4l2_modes import Mode

app = typer.Typer()

_RATES_SHOWN = 6
"""Rates of a mode in one line; `--json` has them all."""


@app.command()
def cameras(json: Json = False) -> None:
    """List the cameras of this machine, with formats, sizes and frames a second.

    Network cameras cannot be listed: name their address, as in rtsp://USER:PASSWORD@HOST/PATH.

    Example: edge-recog cameras --json
    """
    from edge_recog.cameras.listing import list_cameras

    listing = list_cameras()
    if json:
        print_json({"schema": 1, "cameras": listing.cameras, "notes": listing.notes})
        return
    for line in _lines(listing.cameras):
        typer.echo(line)
    for note in listing.notes:
        typer.echo(f"edge-recog: {note}", err=True)
    if not listing.cameras:
        typer.echo("edge-recog: no camera is there; `edge-recog doctor` looks why", err=True)


def _lines(found: Iterable[FoundCamera]) -> Iterator[str]:
    for camera in found:
        about = ", ".join(filter(None, (camera.name, camera.driver)))
        yield f"{camera.source}  {about}".rstrip()
        if camera.problem is not None:
            yield f"  {camera.problem}"
        for mode in camera.modes:
            yield f"  {mode.format:<5} {_size(mode):<22} {_rates(mode)}".rstrip()


def _size(mode: Mode) -> str:
    size = f"{mode.width}x{mode.height}"
    return size if mode.least is None else f"{mode.least[0]}x{mode.least[1]} to {size}"


def _rates(mode: Mode) -> str:
    if not mode.rates:
        return ""
    shown = ", ".join(f"{rate:g}" for rate in mode.rates[:_RATES_SHOWN])
    return f"{shown}{', …' if len(mode.rates) > _RATES_SHOWN else ''} fps"
