"""`edge-recog model`: the models on this device."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_recog.cli.output import Json, Quiet, Threads, print_json, print_rows, size_text
from edge_recog.cli.stored import (
    document_of,
    facts_of,
    id_of,
    place_of,
    print_columns,
    remarks_on,
    shown,
    title_of,
    verdict_text,
)
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from edge_recog.store import State, Store, TwinFile

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The models on this device: installed after they were tried here, on trial until they "
    "have proved themselves, rolled back if they have not. Example: edge-recog model list",
)

Name = Annotated[
    str,
    typer.Argument(
        help="Its name, its id or the first digits of it, or active, previous, candidate.",
        show_default=False,
    ),
]
Dir = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="Where the models are; as root those of the service, else your own, if left out.",
        show_default=False,
    ),
]
Delegate = Annotated[
    str | None,
    typer.Option(help="edgetpu, edgetpu:usb:0, edgetpu:pci, or a library with ?key=value."),
]
MostMs = Annotated[
    float,
    typer.Option(metavar="MS", min=0.001, help="That a picture may take, in the median."),
]
MostMb = Annotated[
    float, typer.Option(metavar="MB", min=0.1, help="Of memory that the model may take.")
]
AllowUnsigned = Annotated[
    bool, typer.Option("--allow-unsigned", help="Even if no trusted key has signed it.")
]
AllowDowngrade = Annotated[
    bool, typer.Option("--allow-downgrade", help="Even if a newer release was here.")
]
Insist = Annotated[
    bool, typer.Option("--force", help="Even if it failed three times in a row while on trial.")
]

_AFTERWARDS = "the live classifier takes it with: sudo systemctl reload edge-recog"


@app.command("list")
def list_models(folder: Dir = None, json: Json = False) -> None:
    """List the models on this device, the newest first.

    Example: edge-recog model list
    """
    store = _store(folder)
    chosen, state = store.chosen(), store.state()
    if json:
        print_json(
            {
                **document_of(store, state),
                "running": id_of(chosen.model),
                "notes": chosen.notes,
                "quota_bytes": round(store.rules.quota_mb * 1e6),
                "used_bytes": state.used_bytes,
            }
        )
        return
    for note in chosen.notes:
        typer.echo(f"edge-recog: {note}", err=True)
    rows = [("", "MODEL", "NAME", "SIZE", "TIME HERE", "")]
    for digest in reversed(state.oldest_first):
        version = state.versions[digest]
        size = size_text(version.size_bytes)
        time = "-" if version.p50_ms is None else f"{version.p50_ms:.2g} ms"
        place = place_of(state, digest) or "-"
        rows.append(
            (place, digest[:12], shown(version.name), size, time, remarks_on(state, digest))
        )
    place = place_of(state, "built-in") or "-"
    rows.append((place, "built-in", "comes with the package", "-", "-", ""))
    print_columns(rows)


@app.command(no_args_is_help=True)
def install(
    file: Annotated[Path, typer.Argument(help="A model file.", show_default=False)],
    signature: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="FILE.sig if left out.", show_default=False),
    ] = None,
    no_activate: Annotated[
        bool, typer.Option("--no-activate", help="Only keep it: do not make it the candidate.")
    ] = False,
    threads: Threads = 1,
    delegate: Delegate = None,
    most_ms: MostMs = 1000.0,
    most_mb: MostMb = 128.0,
    quota_mb: Annotated[
        float,
        typer.Option(metavar="MB", min=0.001, help="For all models; the oldest make room."),
    ] = 256.0,
    no_twin: Annotated[
        bool,
        typer.Option("--no-twin", help="Leave FILE_edgetpu.tflite alone, if it lies beside FILE."),
    ] = False,
    allow_unsigned: AllowUnsigned = False,
    allow_downgrade: AllowDowngrade = False,
    force: Insist = False,
    folder: Dir = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Try a model on this device, keep it, and make it the candidate.

    In a process of its own it must answer its golden vectors and stay within time and memory. The
    live classifier then runs it on trial; until it has proved itself, whatever happens to it or to
    the machine brings the active one back.

    What edgetpu_compiler made of it, FILE_edgetpu.tflite, comes along if it lies beside it.

    Example: sudo edge-recog model install model.tflite
    """
    from edge_recog.bundle import read_model_file

    store = _trying_store(
        folder, threads, delegate, most_ms, most_mb, allow_unsigned, allow_downgrade, quota_mb
    )
    twin = None if no_twin else _twin_beside(file)
    model, signed = read_model_file(file), _signature(file, signature)
    both = "" if twin is None else f" and {twin.where}"
    _say(f"trying {file}{both} on this device…", quiet=quiet or json)
    digest = store.install(
        model, signed, where=str(file), nominate=not no_activate, even_if_bad=force, twin=twin
    )
    state = store.state()
    if json:
        print_json({**document_of(store, state), "installed": id_of(digest)})
        return
    version = state.versions.get(digest)
    if version is not None:
        print_rows(facts_of(digest, version))
    _tell_place(state, digest)


@app.command(no_args_is_help=True)
def activate(
    name: Name,
    threads: Threads = 1,
    delegate: Delegate = None,
    most_ms: MostMs = 1000.0,
    most_mb: MostMb = 128.0,
    allow_unsigned: AllowUnsigned = False,
    allow_downgrade: AllowDowngrade = False,
    force: Insist = False,
    folder: Dir = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Try a model that is here once more, and make it the candidate.

    The built-in one needs no trial and is active at once.

    Example: sudo edge-recog model activate ba7c2b29b744
    """
    store = _trying_store(
        folder, threads, delegate, most_ms, most_mb, allow_unsigned, allow_downgrade
    )
    _say(f"trying {name} on this device…", quiet=quiet or json)
    digest = store.activate(name, even_if_bad=force)
    state = store.state()
    if json:
        print_json({**document_of(store, state), "activated": id_of(digest)})
        return
    _tell_place(state, digest)


@app.command()
def rollback(folder: Dir = None, json: Json = False) -> None:
    """Withdraw the candidate; if there is none, go back to the previous model at once.

    Example: sudo edge-recog model rollback
    """
    store = _store(folder)
    state = store.roll_back()
    if json:
        print_json(document_of(store, state))
        return
    typer.echo(f"active: {title_of(state, state.active)}")
    typer.echo(_AFTERWARDS)


@app.command(no_args_is_help=True)
def pin(
    name: Name,
    off: Annotated[bool, typer.Option("--off", help="Let it be cleaned up again.")] = False,
    folder: Dir = None,
    json: Json = False,
) -> None:
    """Keep a model from being cleaned up when room is needed.

    Example: sudo edge-recog model pin previous
    """
    store = _store(folder)
    digest = store.pin(name, on=not off)
    state = store.state()
    if json:
        print_json(document_of(store, state))
        return
    typer.echo(f"{'unpinned' if off else 'pinned'}: {title_of(state, digest)}")


@app.command(no_args_is_help=True)
def remove(name: Name, folder: Dir = None, json: Json = False) -> None:
    """Remove a model that is neither in use nor pinned.

    Example: sudo edge-recog model remove ba7c2b29b744
    """
    store = _store(folder)
    before = store.state()
    digest = store.remove(name)
    if json:
        print_json({**document_of(store, store.state()), "removed": id_of(digest)})
        return
    typer.echo(f"removed: {title_of(before, digest)}")


@app.command()
def verify(
    name: Annotated[
        str | None,
        typer.Argument(help="As for the others; all if left out.", show_default=False),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Files and signatures only: do not run them.")
    ] = False,
    threads: Threads = 1,
    delegate: Delegate = None,
    most_ms: MostMs = 1000.0,
    most_mb: MostMb = 128.0,
    allow_unsigned: AllowUnsigned = False,
    folder: Dir = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Look whether models are what was installed, and still do what they must; change nothing.

    Ends with 1 if one is not.

    Example: edge-recog model verify --quick
    """
    # Old ones are kept on purpose.
    store = _trying_store(folder, threads, delegate, most_ms, most_mb, allow_unsigned, True)
    state = store.state()
    verdicts = []
    for verdict in store.verify(name, run=not quick):
        verdicts.append(verdict)
        if not json and not quiet:
            typer.echo(f"{title_of(state, verdict.digest)}: {verdict_text(verdict)}")
    problems = [verdict for verdict in verdicts if verdict.problem]
    if json:
        print_json(
            {
                "schema": 1,
                "path": str(store.root),
                "good": not problems,
                "models": [
                    {
                        "id": id_of(verdict.digest),
                        "problem": verdict.problem or None,
                        "here": verdict.outcome,
                        "edge_tpu_here": verdict.compiled,
                    }
                    for verdict in verdicts
                ],
            }
        )
    elif quiet:
        for verdict in problems:
            typer.echo(f"{title_of(state, verdict.digest)}: {verdict.problem}", err=True)
    elif not problems:
        typer.echo(f"{len(verdicts)} of {len(verdicts)} models are good")
    if problems:
        raise typer.Exit(1)


def _store(folder: Path | None) -> Store:
    """Return that of this device, or of a folder; nothing is installed or tried in it."""
    from edge_recog.store import Store, models_folder

    return Store(models_folder(os.environ) if folder is None else folder)


def _trying_store(
    folder: Path | None,
    threads: int,
    delegate: str | None,
    most_ms: float,
    most_mb: float,
    allow_unsigned: bool,
    allow_downgrade: bool,
    quota_mb: float = 256.0,
) -> Store:
    """Return the store with its rules, this device's keys and the way in which models are tried."""
    from edge_recog.signing import Trust
    from edge_recog.store import Store, StoreRules, Trusted
    from edge_recog.store.tryout import try_on_device, try_twins_on_device

    root = _store(folder).root
    options: dict[str, Any] = {
        "threads": threads,
        "delegate": delegate,
        "memory_mb": most_mb,
        "folder": root,
    }
    return Store(
        root,
        rules=StoreRules(most_p50_ms=most_ms, most_memory_mb=most_mb, quota_mb=quota_mb),
        # Where the service has the floors of its releases: beside the models.
        admission=Trusted(
            Trust.open(root.parent, os.environ),
            allow_unsigned=allow_unsigned,
            allow_downgrade=allow_downgrade,
        ),
        tryout=partial(try_on_device, **options),
        twins_tryout=partial(try_twins_on_device, **options),
    )


def _twin_beside(file: Path) -> TwinFile | None:
    """Return what edgetpu_compiler made of a model file; None if that does not lie beside it.

    Raises:
        BundleError: It cannot be read.
        UsageError: The compiled file is named, and what it was made of lies beside it.
    """
    from edge_recog.bundle import read_model_file
    from edge_recog.interpreters.twins import compiled_path, uncompiled_path
    from edge_recog.store import TwinFile

    uncompiled = uncompiled_path(file)
    if uncompiled is not None and uncompiled.exists():
        raise UsageError(
            f"{file}: name {uncompiled}, which brings it along and runs where the Edge TPU fails; "
            "--no-twin installs this file alone"
        )
    beside = compiled_path(file)
    if not beside.exists():
        return None
    return TwinFile(read_model_file(beside), str(beside), _signature(beside))


def _signature(file: Path, given: Path | None = None) -> bytes | None:
    """Return the signature that was given for a file, or lies beside it; None without one.

    Raises:
        UsageError: It cannot be read, or was given and does not exist.
    """
    from edge_recog.signing import signature_path
    from edge_recog.signing.signatures import MOST_BYTES
    from edge_recog.signing.small_files import read_small

    path = signature_path(file) if given is None else given
    try:
        return read_small(path, most_bytes=MOST_BYTES)
    except FileNotFoundError as error:
        if given is not None:
            raise UsageError(f"{given}: there is no such file") from error
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _tell_place(state: State, digest: str) -> None:
    place = place_of(state, digest)
    if place == "candidate":
        typer.echo(f"candidate: {title_of(state, digest)}; {_AFTERWARDS}")
    elif place == "active":
        typer.echo(f"active: {title_of(state, digest)}; {_AFTERWARDS}")
    else:
        typer.echo(f"kept: {title_of(state, digest)}; edge-recog model activate {digest[:12]}")


def _say(text: str, *, quiet: bool) -> None:
    if not quiet and sys.stderr.isatty():
        typer.echo(text, err=True)
