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
    web: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where the live page is; 127.0.0.1:8080 if free."),
    ] = None,
    no_web: Annotated[bool, typer.Option("--no-web", help="No live page.")] = False,
    verbose: Verbose = False,
) -> None:
    """Classify what a camera sees, until told to stop.

    Without any other place for answers they go to stdout: for people on a terminal, as JSON Lines
    elsewhere. A page shows the live picture, on this machine alone unless told otherwise. SIGTERM
    and Ctrl-C end it, SIGHUP loads the model anew.

    Example: edge-recog run model.tflite --source v4l2:/dev/video0
    """
    set_up_logging(verbose=verbose)
    # What becomes of models and releases is of interest where nobody asked for it.
    for name in ("edge_recog.service", "edge_recog.store", "edge_recog.updates"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    from edge_recog.service.config.reading import load_config

    overrides: dict[str, Any] = {
        "model": None if model is None else str(model),
        "source": source,
        "threads": threads,
        "delegate": delegate,
        "jsonl.path": jsonl,
        "web.listen": web,
        "web": False if no_web else None,
    }
    if no_web and web is not None:
        raise typer.BadParameter("--web and --no-web: name only one of them")
    given = {key: value for key, value in overrides.items() if value is not None}
    _run(load_config(config, overrides=given))


def _run(loaded: LoadedConfig) -> None:
    from edge_recog.service.daemon import Daemon

    was_asked_for = any(key.partition(".")[0] == "web" for key in loaded.origins)
    with closing(Daemon(loaded.config, web_is_extra=not was_asked_for)) as daemon:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _aside(daemon.stop))
        signal.signal(signal.SIGHUP, lambda *_: _aside(daemon.reload))
        daemon.run()


def _aside(act: Any) -> None:
    """Act in a thread: a signal may come while this thread holds the very lock that is wanted."""
    threading.Thread(target=act, daemon=True).start()
