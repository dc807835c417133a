"""`edge-recog flash`: a model onto devices, or onto the card of one that has never been started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_recog.cli.output import Json, Quiet, Verbose, set_up_logging
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_devices.flash import Outcome, Session, Wanted

app = typer.Typer(add_completion=False)

_CARD = "On a card that was not started yet"
_STORE = "What the device asks of the model"


@app.command(no_args_is_help=True)
def flash(
    model: Annotated[Path, typer.Argument(help="A model file.", show_default=False)],
    hosts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="HOST...", help="user@host, or ssh://user@host:port.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration (TOML).", show_default="the device's own"),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Where frames come from.", show_default="as configured"),
    ] = None,
    updates_root: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Whose updates it trusts, if its configuration follows any: 1.root.json.",
            show_default=False,
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Send all that is installed; the device needs no net.")
    ] = False,
    wheels: Annotated[
        Path | None,
        typer.Option(help="Send these, from `edge-recog devices wheels`.", show_default=False),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(help="Of the device, to install with: 3.13.", show_default="the fittest"),
    ] = None,
    user: Annotated[
        bool, typer.Option("--user", help="Install for the one who logs in, without root.")
    ] = False,
    reinstall: Annotated[
        bool, typer.Option("--reinstall", help="Install edge-recog anew, even if it is there.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before installing.")] = False,
    canary: Annotated[
        bool,
        typer.Option("--canary/--no-canary", help="One device first; the others if it is healthy."),
    ] = True,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Devices at a time.")] = 8,
    wait: Annotated[
        float, typer.Option(metavar="S", min=1, help="For the first healthy answer.")
    ] = 120.0,
    healthy: Annotated[
        float, typer.Option(metavar="S", min=0, help="Without a break, to count as healthy.")
    ] = 10.0,
    picture: Annotated[
        Path | None,
        typer.Option(help="Save what the camera sees (JPEG).", show_default=False),
    ] = None,
    most_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            min=0.001,
            help="That a picture may take there.",
            show_default="as configured",
            rich_help_panel=_STORE,
        ),
    ] = None,
    allow_unsigned: Annotated[
        bool,
        typer.Option(help="Even if no key it trusts has signed it.", rich_help_panel=_STORE),
    ] = False,
    allow_downgrade: Annotated[
        bool, typer.Option(help="Even if a newer release was there.", rich_help_panel=_STORE)
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Even if it failed there too often; on a card, replace another's settings.",
            rich_help_panel=_STORE,
        ),
    ] = False,
    boot: Annotated[
        Path | None,
        typer.Option(help="Its boot partition, mounted.", rich_help_panel=_CARD),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="An image of it.", rich_help_panel=_CARD)
    ] = None,
    hostname: Annotated[
        str | None, typer.Option(help="Name of the device.", rich_help_panel=_CARD)
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="What device it is: raspberry-pi-5.", rich_help_panel=_CARD),
    ] = None,
    login: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who may log in.", rich_help_panel=_CARD)
    ] = None,
    ssh_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With this public key.", rich_help_panel=_CARD),
    ] = None,
    wifi: Annotated[
        str | None, typer.Option(metavar="NAME", help="Network to join.", rich_help_panel=_CARD)
    ] = None,
    wifi_country: Annotated[
        str | None,
        typer.Option(metavar="CC", help="Where it is: DE, GB, US.", rich_help_panel=_CARD),
    ] = None,
    wifi_passphrase_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="That only you can read.", rich_help_panel=_CARD),
    ] = None,
    timeout: Annotated[
        int, typer.Option(min=1, max=600, help="Seconds to wait for a device's ssh.")
    ] = 10,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Have devices answer with a model: install all that is missing, or send only the model.

    They are reached by the system's ssh, so your ssh_config, agent, jump hosts and known_hosts
    hold. Each device tries the model before it uses it. Whatever fails, it goes on as it was
    before. The same command again goes on where a killed one ended, and does nothing if there is
    nothing to do. Ends with 1 if a device failed.

    Example: edge-recog flash model.tflite pi@kitchen.local
    """
    set_up_logging(verbose=verbose)
    if boot is not None or image is not None:
        if hosts:
            raise UsageError("name either devices, or a card with --boot or --image")
        from edge_recog_devices.cli.flash_telling import tell_card
        from edge_recog_devices.flash.card import Card, write_card

        card = Card(
            model=model,
            boot=boot,
            image=image,
            hostname=hostname,
            profile=profile,
            config=_text_of(config),
            source=source,
            anchor=_anchor_of(updates_root),
            wheels=wheels,
            login=login,
            ssh_key=ssh_key,
            wifi=wifi,
            wifi_country=wifi_country,
            wifi_passphrase_file=wifi_passphrase_file,
        )
        tell_card(write_card(card, dry_run=dry_run, force=force), json=json, dry_run=dry_run)
        return
    if not hosts:
        raise UsageError("name a device, such as pi@kitchen.local, or a card with --boot")
    from edge_recog_devices.cli.flash_telling import tell
    from edge_recog_devices.flash import Admission, ModelFile, Runtime, Session, Wanted, Way
    from edge_recog_devices.remote import Address
    from edge_recog_devices.wheels.target import parse_python

    addresses = list(dict.fromkeys(map(Address.parse, hosts)))
    if picture is not None and len(addresses) > 1:
        raise UsageError("--picture is of one device: name only one")
    runtime = Runtime(reinstall=reinstall)
    if wheels is not None:
        runtime = Runtime.from_wheels(wheels, reinstall=reinstall)
    wanted = Wanted(
        model=ModelFile.read(model),
        runtime=runtime,
        config=_text_of(config),
        source=source,
        anchor=_anchor_of(updates_root),
        admission=Admission(allow_unsigned, allow_downgrade, force, most_ms),
        patience_s=wait,
        healthy_s=healthy,
    )
    way = Way(
        for_user=user,
        offline=offline,
        python=None if python is None else parse_python(python),
        connect_timeout_s=timeout,
        interactive=len(addresses) == 1 and sys.stdin.isatty() and sys.stderr.isatty(),
        wants_picture=picture is not None,
    )
    sessions = [Session(address, wanted, way) for address in addresses]
    try:
        outcomes = _flash(
            sessions,
            wanted,
            ask=not yes,
            dry_run=dry_run,
            canary=canary,
            jobs=jobs,
            quiet=quiet or json,
        )
    finally:
        for session in sessions:
            session.close()
    if picture is not None and outcomes[0].picture:
        _save(picture, outcomes[0].picture)
    tell(outcomes, wanted, json=json, quiet=quiet)
    if any(outcome.result in {"failed", "skipped"} for outcome in outcomes):
        raise typer.Exit(1)


def _flash(
    sessions: Sequence[Session],
    wanted: Wanted,
    *,
    ask: bool,
    dry_run: bool,
    canary: bool,
    jobs: int,
    quiet: bool,
) -> list[Outcome]:
    """Look at all, show, ask where that is due, and act; return what became of each, in order."""
    from edge_recog_devices.cli.flash_progress import shown
    from edge_recog_devices.flash import Outcome, flash_all, prepare_all

    with shown(sessions, quiet=quiet) as progress:
        ended = prepare_all(sessions, jobs=jobs, progress=progress)
    left = [session for session in sessions if str(session.address) not in ended]
    if dry_run:
        planned = [
            Outcome(str(one.address), "planned", tuple(map(str, one.steps)), device=one.title)
            for one in left
        ]
        return _in_order(sessions, [*ended.values(), *planned])
    if not quiet:
        _show_plans(left)
    first = [str(session.address) for session in left if session.is_first]
    if first and ask and sys.stdin.isatty() and sys.stderr.isatty():
        question = f"install edge-recog {wanted.runtime.version} on {', '.join(first)}?"
        _confirm(question)
    with shown(left, quiet=quiet) as progress:
        flashed = flash_all(left, canary=canary, jobs=jobs, progress=progress)
    return _in_order(sessions, [*ended.values(), *flashed])


def _confirm(question: str) -> None:
    """Ask on stderr; typer's own way leaves a space on stdout, which is for what comes of it."""
    sys.stderr.write(f"{question} [y/N]: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise typer.Abort


def _in_order(sessions: Sequence[Session], outcomes: Sequence[Outcome]) -> list[Outcome]:
    by_host = {outcome.host: outcome for outcome in outcomes}
    return [by_host[str(session.address)] for session in sessions]


def _show_plans(sessions: Sequence[Session]) -> None:
    if not sys.stderr.isatty():
        return
    for session in sessions:
        typer.echo(f"{session.address}  {session.title}", err=True)
        for number, step in enumerate(session.steps, start=1):
            typer.echo(f"  {number}. {step}", err=True)


def _text_of(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: no text in UTF-8") from error


def _anchor_of(path: Path | None) -> bytes | None:
    if path is None:
        return None
    from edge_recog_devices.publishing.anchor import read_anchor

    return read_anchor(path)


def _save(path: Path, data: bytes) -> None:
    from edge_recog.files import write_file

    write_file(path, data, force=True)
