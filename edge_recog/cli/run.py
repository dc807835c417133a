"""`edge-recog run`: the live classifier."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_recog.cli.output import Verbose, set_up_logging

if TYPE_CHECKING:
    from edge_recog.service.config.reading import LoadedConfig

app = typer.Typer()


@app.command()
def run(
    model: Annotated[
        Path | None,
        typer.Argument(help="A model file; the configuration's, or the built-in one, if left out."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="picamera2:0, v4l2:/dev/video0, rtsp://…, file:clip.mp4, …")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration (TOML).")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="For the interpreter.")] = None,
    delegate: Annotated[
        str | None,
        typer.Option(help="edgetpu, edgetpu:usb:0, edgetpu:pci, or a library with ?key=value."),
    ] = None,
    jsonl: Annotated[
        str | None, typer.Option(metavar="PATH", help="JSON Lines into a file; - for stdout.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Classify what a camera sees, until told to stop.

    Without any other place for answers they go to stdout: for people on a terminal, as JSON Lines
    elsewhere. SIGTERM and Ctrl-C end it, SIGHUP loads the model anew.

    Example: edge-recog run model.tflite --source v4l2:/dev/video0
    """
    set_up_logging(verbose=verbose)
    logging.getLogger("edge_recog.service").setLevel(logging.DEBUG if verbose else logging.INFO)
    from edge_recog.service.config.reading import load_config

    overrides: dict[str, Any] = {
        "model": None if model is None else str(model),
        "source": source,
        "threads": threads,
        "delegate": delegate,
        "jsonl.path": jsonl,
    }
    given = {key: value for key, value in overrides.items() if value is not None}
    _run(load_config(config, overrides=given))


def _run(loaded: LoadedConfig) -> None:
    from edge_recog.service.daemon import Daemon

    if loaded.config.web is not None and any(key.startswith("web") for key in loaded.origins):
        typer.echo("edge-recog: this version has no live page: [web] is not looked at", err=True)
    with closing(Daemon(loaded.config)) as daemon:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _aside(daemon.stop))
        signal.signal(signal.SIGHUP, lambda *_: _aside(daemon.reload))
        daemon.run()


def _aside(act: Any) -> None:
    """Act in a thread: a signal may come while this thread holds the very lock that is wanted."""
    threading.Thread(target=act, daemon=True).start()
