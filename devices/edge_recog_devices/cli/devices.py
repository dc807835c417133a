"""`edge-recog devices`: what kinds of devices there are, and what a real one is and has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge_recog.cli.output import (
    Force,
    Json,
    Quiet,
    Verbose,
    print_json,
    print_rows,
    set_up_logging,
    size_text,
)
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from edge_recog_devices.probing import Facts
    from edge_recog_devices.profiles import Profile
    from edge_recog_devices.profiles.schema import Figure, Published
    from edge_recog_devices.wheels import Target

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Profiles of devices, and the facts of real ones.",
)

Host = Annotated[
    str, typer.Argument(help="user@host, or ssh://user@host:port.", show_default=False)
]
ConnectTimeout = Annotated[
    int, typer.Option("--timeout", min=1, max=600, help="Seconds to wait for the device.")
]

_FOLDER = "/opt/edge-recog"
_WIDE = 200


@app.command("list")
def list_profiles(json: Json = False) -> None:
    """List the kinds of devices that have a profile.

    Example: edge-recog devices list
    """
    import msgspec

    from edge_recog_devices.profiles import shipped_profiles

    profiles = shipped_profiles()
    if json:
        print_json({"schema": 1, "profiles": [msgspec.to_builtins(one) for one in profiles]})
        return
    table = _table("name", "device", "processor", "cores", "memory", "Python")
    for one in profiles:
        hardware = one.hardware
        pythons = sorted({system.python_version for system in one.systems})
        table.add_row(
            one.name,
            one.title,
            hardware.architecture,
            str(hardware.cores or ""),
            _memory_text(hardware.memory_mb),
            ", ".join(".".join(map(str, version)) for version in pythons),
        )
    _print(table)


@app.command(no_args_is_help=True)
def show(
    name: Annotated[
        str, typer.Argument(help="Of a profile, or a .toml file of one.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Show what a profile says: hardware, systems, budgets, published latencies.

    Example: edge-recog devices show raspberry-pi-5
    """
    from edge_recog_devices.profiles import find_profile

    profile = find_profile(name)
    if json:
        print_json(profile)
        return
    print_rows(_profile_rows(profile))
    if profile.published:
        typer.echo("\npublished latencies")
        table = _table("network", "ms", "", "runtime", "source")
        sources = list(dict.fromkeys(map(_source_text, profile.published)))
        for group in profile.published:
            reference = f"[{sources.index(_source_text(group)) + 1}]"
            for figure in group.figures:
                told = _network_text(figure), f"{figure.ms:g}", figure.statistic
                table.add_row(*told, _conditions_text(group), reference)
        _print(table)
        for number, source in enumerate(sources, start=1):
            typer.echo(f"[{number}] {source}")
    for note in profile.notes:
        typer.echo(f"\n{note.text}" + (f"\n  {note.document}" if note.document else ""))


@app.command(no_args_is_help=True)
def probe(
    host: Host,
    folder: Annotated[
        str, typer.Option(help="Into which the classifier is to be installed there.")
    ] = _FOLDER,
    timeout: ConnectTimeout = 10,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what is wrong: warnings and bad.")
    ] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Ask a real device what it is and has, and judge that. Changes nothing there.

    It is reached by the system's ssh, so your ssh_config, agent, jump hosts and known_hosts hold;
    it needs no Python. Ends with 1 if it cannot be reached, or something there is bad.

    Example: edge-recog devices probe pi@kitchen.local
    """
    set_up_logging(verbose=verbose)
    import msgspec

    from edge_recog_devices.probing import is_fit, judge

    address, facts, profile = _look(host, folder, timeout)
    rows = judge(facts, profile)
    if json:
        print_json(
            {
                "schema": 1,
                "host": address,
                "fit": is_fit(rows),
                "profile": None if profile is None else profile.name,
                "facts": msgspec.to_builtins(facts),
                "checks": [
                    {"id": row.id, "title": row.title, **msgspec.to_builtins(row.finding)}
                    for row in rows
                ],
            }
        )
    else:
        from edge_recog.cli.findings import print_findings

        print_findings([(row.title, row.finding) for row in rows], quiet=quiet)
    if not is_fit(rows):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def wheels(
    profile: Annotated[
        str | None, typer.Option(help="Of the device: its name.", show_default=False)
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="The device itself, to be asked: user@host.", show_default=False),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(help="Version that it has: 3.13.", show_default="its system's own"),
    ] = None,
    out: Annotated[Path, typer.Option(help="A new folder.")] = Path("wheels"),
    extra: Annotated[
        list[str] | None,
        typer.Option(help="Of edge-recog, such as daemon; several may be given."),
    ] = None,
    wheel: Annotated[
        Path | None,
        typer.Option(help="Of edge-recog.", show_default="made of the one that is in use here"),
    ] = None,
    timeout: ConnectTimeout = 10,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Collect the wheels that a device needs, so that it can be flashed without a network.

    They are for its processor, Python and C library, from where your pip fetches packages; nothing
    is built. The folder gets a manifest with the SHA-256 of every file.

    Example: edge-recog devices wheels --profile raspberry-pi-5 --extra daemon --out wheels
    """
    set_up_logging(verbose=verbose)
    from edge_recog_devices.wheels import collect
    from edge_recog_devices.wheels.collecting import parse_extras

    target = _target(profile, host, python, timeout)
    if not (quiet or json):
        typer.echo(f"for {target}", err=True)
    extras = parse_extras(extra or [])
    manifest = collect(target, out, extras=extras, wheel=wheel, force=force)
    if json:
        print_json(manifest)
        return
    if not quiet:
        rows = [
            (f"{one.distribution} {one.version}", size_text(one.size)) for one in manifest.files
        ]
        print_rows(rows)
        typer.echo(f"{manifest.project} {manifest.version}: {manifest.project_from}")
    typer.echo(f"wrote {out}: {len(manifest.files)} wheels, {size_text(manifest.size)}")


def _target(profile: str | None, host: str | None, python: str | None, timeout: int) -> Target:
    from edge_recog_devices.profiles import find_profile
    from edge_recog_devices.wheels import target_of_facts, target_of_profile
    from edge_recog_devices.wheels.target import parse_python

    if (profile is None) == (host is None):
        raise UsageError("name either --profile or --host, such as --profile raspberry-pi-5")
    if profile is not None:
        version = None if python is None else parse_python(python)
        return target_of_profile(find_profile(profile), version)
    if python is not None:
        raise UsageError("--python is asked of the --host itself; leave one of them out")
    _, facts, found = _look(str(host), _FOLDER, timeout)
    return target_of_facts(facts, found)


def _look(host: str, folder: str, timeout: int) -> tuple[str, Facts, Profile | None]:
    """Return a device's address, facts and profile."""
    from edge_recog_devices.probing import match
    from edge_recog_devices.probing import probe as ask
    from edge_recog_devices.probing.asking import checked_folder
    from edge_recog_devices.profiles import shipped_profiles
    from edge_recog_devices.remote import Address, Remote

    address = Address.parse(host)
    checked_folder(folder)
    asks = sys.stdin.isatty() and sys.stderr.isatty()
    with Remote(address, connect_timeout_s=timeout, interactive=asks) as remote:
        facts = ask(remote, folder)
    return str(address), facts, match(facts, shipped_profiles())


def _profile_rows(profile: Profile) -> Iterable[tuple[str, ...]]:
    hardware, budgets = profile.hardware, profile.budgets
    cores = f"{hardware.cores} cores, " if hardware.cores else ""
    yield "name", profile.name
    yield "device", profile.title
    yield "processor", f"{hardware.architecture}, {cores}{hardware.processor}"
    if hardware.memory_mb:
        yield "memory", _memory_text(hardware.memory_mb)
    if hardware.accelerators:
        yield "accelerator", ", ".join(hardware.accelerators)
    yield "camera", f"{profile.camera.stack}, {profile.camera.source}"
    for number, system in enumerate(profile.systems):
        limits = "".join(f", {limit}" for limit in system.constraints)
        told = f"{system.title}: Python {system.python}, glibc {system.glibc}{limits}"
        yield ("" if number else "systems"), told
    hot = "" if budgets.temperature_c is None else f", {budgets.temperature_c} °C"
    threads = "1 thread" if budgets.threads == 1 else f"{budgets.threads} threads"
    yield (
        "budgets",
        f"{budgets.latency_ms:g} ms a frame, {budgets.memory_mb} MiB, "
        f"{budgets.disk_mb} MB of disk, {threads}{hot}",
    )


def _memory_text(sizes_mb: Sequence[int]) -> str:
    if not sizes_mb:
        return ""
    whole = [size >= 1024 for size in sizes_mb]
    if all(whole):
        return "/".join(str(size // 1024) for size in sizes_mb) + " GB"
    return "/".join(map(str, sizes_mb)) + " MB"


def _network_text(figure: Figure) -> str:
    width = "" if figure.width is None else f" {figure.width:.1f}"
    size = "" if figure.input_size is None else f" {figure.input_size}"
    return f"{figure.network}{width}{size} {figure.precision}".rstrip()


def _source_text(group: Published) -> str:
    return " ".join(filter(None, [f"{group.by}, {group.document}", group.date]))


def _conditions_text(group: Published) -> str:
    threads = "" if group.threads is None else f", {group.threads} threads"
    device = f", on a {group.device}" if group.device else ""
    return f"{group.runtime}{threads}{device}"


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in {"ms", "cores"} else "left"
        table.add_column(column, justify=justify, no_wrap=column in {"name", "ms"})
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDE  # A file or a pipe has no edge to fold at.
    console.print(table)
