"""`edge-recog model`: the models on this device."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_recog.cli.output import Json, Quiet, Threads, print_json, print_rows, size_text
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.store import State, Store, Verdict

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
                **_document(store, state),
                "running": _id(chosen.model),
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
        place = _place(state, digest) or "-"
        rows.append((place, digest[:12], _shown(version.name), size, time, _remarks(state, digest)))
    place = _place(state, "built-in") or "-"
    rows.append((place, "built-in", "comes with the package", "-", "-", ""))
    _print_columns(rows)


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

    Example: sudo edge-recog model install model.tflite
    """
    from edge_recog.bundle import read_model_file
    from edge_recog.signing import signature_path
    from edge_recog.signing.signatures import MOST_BYTES
    from edge_recog.signing.small_files import read_small

    store = _store(
        folder,
        threads=threads,
        delegate=delegate,
        rules={"most_p50_ms": most_ms, "most_memory_mb": most_mb, "quota_mb": quota_mb},
        allow={"allow_unsigned": allow_unsigned, "allow_downgrade": allow_downgrade},
    )
    model = read_model_file(file)
    beside = signature_path(file) if signature is None else signature
    signed: bytes | None = None
    try:
        signed = read_small(beside, most_bytes=MOST_BYTES)
    except FileNotFoundError as error:
        if signature is not None:
            raise UsageError(f"{signature}: there is no such file") from error
    except OSError as error:
        raise UsageError(f"{beside}: cannot be read: {error.strerror or error}") from error
    _say(f"trying {file} on this device…", quiet=quiet or json)
    digest = store.install(
        model, signed, where=str(file), nominate=not no_activate, even_if_bad=force
    )
    state = store.state()
    if json:
        print_json({**_document(store, state), "installed": _id(digest)})
        return
    version = state.versions.get(digest)
    if version is not None:
        print_rows(_facts(digest, version))
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
    store = _store(
        folder,
        threads=threads,
        delegate=delegate,
        rules={"most_p50_ms": most_ms, "most_memory_mb": most_mb},
        allow={"allow_unsigned": allow_unsigned, "allow_downgrade": allow_downgrade},
    )
    _say(f"trying {name} on this device…", quiet=quiet or json)
    digest = store.activate(name, even_if_bad=force)
    state = store.state()
    if json:
        print_json({**_document(store, state), "activated": _id(digest)})
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
        print_json(_document(store, state))
        return
    typer.echo(f"active: {_title(state, state.active)}")
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
        print_json(_document(store, state))
        return
    typer.echo(f"{'unpinned' if off else 'pinned'}: {_title(state, digest)}")


@app.command(no_args_is_help=True)
def remove(name: Name, folder: Dir = None, json: Json = False) -> None:
    """Remove a model that is neither in use nor pinned.

    Example: sudo edge-recog model remove ba7c2b29b744
    """
    store = _store(folder)
    before = store.state()
    digest = store.remove(name)
    if json:
        print_json({**_document(store, store.state()), "removed": _id(digest)})
        return
    typer.echo(f"removed: {_title(before, digest)}")


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
    store = _store(
        folder,
        threads=threads,
        delegate=delegate,
        rules={"most_p50_ms": most_ms, "most_memory_mb": most_mb},
        # Old ones are kept on purpose.
        allow={"allow_unsigned": allow_unsigned, "allow_downgrade": True},
    )
    state = store.state()
    verdicts = []
    for verdict in store.verify(name, run=not quick):
        verdicts.append(verdict)
        if not json and not quiet:
            typer.echo(f"{_title(state, verdict.digest)}: {_told(verdict)}")
    problems = [verdict for verdict in verdicts if verdict.problem]
    if json:
        print_json(
            {
                "schema": 1,
                "path": str(store.root),
                "good": not problems,
                "models": [
                    {
                        "id": _id(verdict.digest),
                        "problem": verdict.problem or None,
                        "here": verdict.outcome,
                    }
                    for verdict in verdicts
                ],
            }
        )
    elif quiet:
        for verdict in problems:
            typer.echo(f"{_title(state, verdict.digest)}: {verdict.problem}", err=True)
    elif not problems:
        typer.echo(f"{len(verdicts)} of {len(verdicts)} models are good")
    if problems:
        raise typer.Exit(1)


def _store(
    folder: Path | None,
    *,
    threads: int = 1,
    delegate: str | None = None,
    rules: dict[str, float] | None = None,
    allow: dict[str, bool] | None = None,
) -> Store:
    """Return that of this device, or of a folder, with the keys of this device."""
    from edge_recog.signing import Trust
    from edge_recog.store import Store, StoreRules, Trusted, models_folder
    from edge_recog.store.tryout import try_on_device

    root = models_folder(os.environ) if folder is None else folder
    chosen = StoreRules(**(rules or {}))
    return Store(
        root,
        rules=chosen,
        # Where the service has the floors of its releases: beside the models.
        admission=Trusted(Trust.open(root.parent, os.environ), **(allow or {})),
        tryout=partial(
            try_on_device, threads=threads, delegate=delegate, memory_mb=chosen.most_memory_mb
        ),
    )


def _document(store: Store, state: State) -> dict[str, Any]:
    candidate = state.candidate
    return {
        "schema": 1,
        "path": str(store.root),
        "active": _id(state.active),
        "previous": _id(state.previous),
        "candidate": None
        if candidate is None
        else {
            "id": _id(candidate.version),
            "is_running": candidate.is_running,
            "starts": candidate.starts,
            "frames": candidate.frames,
            "healthy_s": candidate.healthy_s,
        },
        "models": [_model(state, digest) for digest in reversed(state.oldest_first)],
    }


def _model(state: State, digest: str) -> dict[str, Any]:
    version, trouble = state.versions[digest], state.troubles.get(digest)
    return {
        "id": _id(digest),
        "name": version.name,
        "size_bytes": version.size_bytes,
        "is_signed": version.is_signed,
        "release": version.release,
        "is_pinned": version.pinned,
        "is_bad": state.is_bad(digest),
        "failures": 0 if trouble is None else trouble.failures,
        "last_failure": None if trouble is None else trouble.reason,
        "installed_at": version.installed_at or None,
        "p50_ms": version.p50_ms,
        "memory_mb": version.memory_mb,
    }


def _facts(digest: str, version: Any) -> list[tuple[str, str]]:
    memory = "unknown" if version.memory_mb is None else f"{version.memory_mb:.1f} MB"
    return [
        (
            "model",
            f"{_shown(version.name)}  (sha256:{digest[:12]}, {size_text(version.size_bytes)})",
        ),
        ("here", version.runtime),
        ("a picture", f"{version.p50_ms:.2f} ms"),
        ("memory", memory),
    ]


def _tell_place(state: State, digest: str) -> None:
    place = _place(state, digest)
    if place == "candidate":
        typer.echo(f"candidate: {_title(state, digest)}; {_AFTERWARDS}")
    elif place == "active":
        typer.echo(f"active: {_title(state, digest)}; {_AFTERWARDS}")
    else:
        typer.echo(f"kept: {_title(state, digest)}; edge-recog model activate {digest[:12]}")


def _place(state: State, model: str) -> str:
    places = {
        "active": state.active,
        "candidate": state.nominee,
        "previous": state.previous,
    }
    return next((place for place, name in places.items() if name == model), "")


def _remarks(state: State, digest: str) -> str:
    version, trouble = state.versions[digest], state.troubles.get(digest)
    remarks = ["signed"] if version.is_signed else []
    if version.pinned:
        remarks.append("pinned")
    if trouble is not None:
        what = "bad" if trouble.is_bad else f"failed {trouble.failures} of 3 times"
        remarks.append(f"{what}: {trouble.reason}")
    return "; ".join(remarks)


def _title(state: State, model: str) -> str:
    version = state.versions.get(model)
    return model if version is None else f"{_shown(version.name)} (sha256:{model[:12]})"


def _shown(name: str) -> str:
    """Return a name as a terminal can take it: it is whatever is in the file."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)


def _told(verdict: Verdict) -> str:
    if verdict.problem:
        return verdict.problem
    outcome = verdict.outcome
    if outcome is None:
        return "good"
    vectors = f"{outcome.vectors}/{outcome.vectors} golden vectors"
    return f"good, {vectors}, {outcome.p50_ms:.2f} ms"


def _id(model: str | None) -> str | None:
    return model if model in {None, "built-in"} else f"sha256:{model}"


def _say(text: str, *, quiet: bool) -> None:
    if not quiet and sys.stderr.isatty():
        typer.echo(text, err=True)


def _print_columns(table: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        padded = (f"{text:<{width}}" for text, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())
