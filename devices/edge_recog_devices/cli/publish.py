"""`edge-recog publish`: releases for many devices, as static files that any web server serves."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from edge_recog.cli.output import Json, Quiet, Verbose, print_json, print_rows, set_up_logging
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from edge_recog.updates.release import Release
    from edge_recog_devices.publishing.canary import Tally
    from edge_recog_devices.publishing.publisher import Publisher

PASSPHRASE_VARIABLE: Final = "EDGE_RECOG_KEY_PASSPHRASE"
_SHARE: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))? ?%")
_WHOLE_PPM: Final = 1_000_000


class _Publish(TyperGroup):
    """Takes `publish MODEL …` for `publish model MODEL …`: what it is used for day by day."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["model", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Publish,
    no_args_is_help=True,
    add_completion=False,
    help="Releases for many devices: signed files (The Update Framework) that any web server, "
    "object store or CDN serves. Example: edge-recog publish model.tflite --channel stable "
    "--rollout 10%",
)

Repo = Annotated[
    Path,
    typer.Option(
        "--repo", metavar="DIR", envvar="EDGE_RECOG_FLEET", help="The folder that is served."
    ),
]
KeysDir = Annotated[
    list[Path] | None,
    typer.Option(
        "--keys",
        metavar="DIR",
        help="Of private keys; several may be given.",
        show_default="DIR.keys beside the repository",
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"Has the private keys' passphrase; else the variable {PASSPHRASE_VARIABLE}, if set.",
        show_default=False,
    ),
]
Channel = Annotated[str, typer.Option(help="That devices follow.")]


@app.command()
def init(
    repo: Annotated[Path, typer.Argument(metavar="DIR", help="To be served.")] = Path("fleet"),
    keys: KeysDir = None,
    root_keys: Annotated[int, typer.Option(min=1, max=16, help="That the root has.")] = 1,
    root_threshold: Annotated[
        int, typer.Option(min=1, max=16, help="That must sign a new root.")
    ] = 1,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Make the keys, and a repository with nothing in it.

    With a passphrase the keys of root and targets are encrypted; put them away where no network
    is. The others are for the machine that refreshes the signatures every day.

    Example: edge-recog publish init fleet --root-keys 3 --root-threshold 2
    """
    publisher, folders = _publisher(repo, keys, passphrase_file)
    publisher.create(root_keys=root_keys, root_threshold=root_threshold)
    anchor = folders[0] / "1.root.json"
    if json:
        print_json({"schema": 1, "repo": str(repo), "keys": str(folders[0]), "root": str(anchor)})
        return
    print_rows(
        [
            ("serve", f"{repo}  (by any web server)"),
            ("keys", f"{folders[0]}  (for nobody else; root and targets belong offline)"),
            ("devices", f"{anchor}  (to each device as /etc/edge-recog/updates-root.json)"),
        ]
    )


@app.command(no_args_is_help=True)
def model(
    file: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file.")],
    rollout: Annotated[
        str, typer.Option(metavar="SHARE", help="Of the channel's devices: 10%.")
    ] = "1%",
    channel: Channel = "stable",
    repo: Repo = Path("fleet"),
    keys: KeysDir = None,
    signature: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of edge-recog keys sign; MODEL.sig if there.", show_default=False
        ),
    ] = None,
    minimum_version: Annotated[
        str, typer.Option(metavar="VERSION", help="Of edge-recog, that the model needs.")
    ] = "0",
    profile: Annotated[
        list[str] | None,
        typer.Option(help="Only for devices of this kind; several may be given."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Make a new release of the newest model.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Give a model to a share of the devices. Of the same model, to a larger share.

    Example: edge-recog publish model.tflite --channel stable --rollout 10%
    """
    from edge_recog.bundle import Bundle
    from edge_recog.signing import signature_path
    from edge_recog.signing.small_files import read_small

    share_ppm = parse_share(rollout)
    bundle = Bundle.open(file)
    beside = signature_path(file) if signature is None else signature
    signed = None
    if signature is not None or beside.exists():
        try:
            signed = read_small(beside, most_bytes=16_384)
        except OSError as error:
            raise UsageError(f"{beside}: cannot be read: {error.strerror or error}") from error
    publisher, _ = _publisher(repo, keys, passphrase_file)
    release = publisher.publish(
        bundle.data,
        name=bundle.name,
        channel=channel,
        share_ppm=share_ppm,
        signature=signed,
        minimum_version=minimum_version,
        profiles=tuple(profile or ()),
        again=again,
    )
    if json:
        print_json({"schema": 1, "release": _release_document(release)})
        return
    print_rows(_release_rows(release))


@app.command()
def stop(
    reason: Annotated[str, typer.Option(help="For people; devices tell it.")],
    channel: Channel = "stable",
    number: Annotated[
        int | None,
        typer.Option(min=1, help="Of the release.", show_default="the latest"),
    ] = None,
    repo: Repo = Path("fleet"),
    keys: KeysDir = None,
    json: Json = False,
) -> None:
    """Let no device get a release any more; those that have it on trial give it up.

    Who has it in use keeps it: publish the model before it again, with --again.

    Example: edge-recog publish stop --channel stable --reason "mistakes cats for dogs"
    """
    publisher, _ = _publisher(repo, keys, None)
    stopped = publisher.stop(channel, reason, number=number)
    if json:
        print_json({"schema": 1, "channel": channel, "stopped": stopped})
        return
    typer.echo(f"stopped: release {stopped.number} of {channel}: {stopped.reason}")


@app.command()
def refresh(
    repo: Repo = Path("fleet"),
    keys: KeysDir = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Sign anew what would expire. For a timer: once a day.

    Devices believe nothing that has expired, so that nobody can hide from them what is new.

    Example: edge-recog publish refresh --repo fleet
    """
    publisher, _ = _publisher(repo, keys, passphrase_file)
    _print_expiries(publisher.refresh(), json=json)


@app.command(no_args_is_help=True)
def rotate(
    role: Annotated[
        str, typer.Argument(help="root, targets, stops, snapshot or timestamp.", show_default=False)
    ],
    key: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only the key whose id starts so.", show_default=False),
    ] = None,
    repo: Repo = Path("fleet"),
    keys: KeysDir = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Replace a role's keys: what the old ones sign counts no more, once devices have looked.

    Example: edge-recog publish rotate timestamp
    """
    from edge_recog_devices.publishing.roles import ROLES

    found = next((one for one in ROLES if one == role), None)
    if found is None:
        raise UsageError(f"{role}: no role; they are {', '.join(ROLES)}")
    publisher, _ = _publisher(repo, keys, passphrase_file)
    publisher.rotate(found, key=key)
    _print_expiries(publisher.expiries(), json=json)


@app.command()
def show(repo: Repo = Path("fleet"), keys: KeysDir = None, json: Json = False) -> None:
    """Show what is published, after checking every signature.

    Example: edge-recog publish show
    """
    publisher, _ = _publisher(repo, keys, None)
    channels, expiries = publisher.channels(), publisher.expiries()
    if json:
        print_json(
            {
                "schema": 1,
                "channels": {
                    name: {
                        "latest": _release_document(one.latest),
                        "settled": None if one.settled is None else _release_document(one.settled),
                        "stopped": one.stops.stopped,
                    }
                    for name, one in channels.items()
                },
                "expires": expiries,
            }
        )
        return
    for name, one in channels.items():
        for place, release in (("latest", one.latest), ("settled", one.settled)):
            if release is not None:
                reason = one.stops.reason_for(release.number)
                told = f"{release.number}  {release.name}  {release.model[:12]}"
                share = f"{release.share_ppm / 1e4:g} %" if reason is None else f"stopped: {reason}"
                print_rows([(f"{name}, {place}", told, share)])
    if not channels:
        typer.echo("nothing is published yet")
    _print_expiries(expiries, json=False)


@app.command(no_args_is_help=True)
def watch(
    broker: Annotated[str, typer.Option(metavar="URL", help="mqtts://host, or mqtt://host:1883.")],
    channel: Channel = "stable",
    tolerated: Annotated[
        str, typer.Option(metavar="SHARE", help="Of the devices with a release, that may fail.")
    ] = "5%",
    user: Annotated[str | None, typer.Option(help="To log in with.", show_default=False)] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of the broker.", show_default=False)
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificates to trust instead.", show_default=False),
    ] = None,
    repo: Repo = Path("fleet"),
    keys: KeysDir = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Listen to the devices, and stop a release whose first devices fail. Refreshes meanwhile.

    Needs the keys of stops, snapshot and timestamp only. Ends with 1 when it had to stop one.

    Example: edge-recog publish watch --broker mqtts://broker.example --channel stable
    """
    set_up_logging(verbose=verbose)
    import msgspec

    from edge_recog.service.mqtt.settings import MqttSettings
    from edge_recog_devices.publishing.canary import CanaryRules
    from edge_recog_devices.publishing.watching import watch as listen

    def tell(number: int, tally: Tally) -> None:
        if not (quiet or json):
            typer.echo(
                f"release {number}: {tally.committed} committed, {tally.trial} on trial, "
                f"{tally.failed} failed",
                err=True,
            )

    try:
        settings = MqttSettings(
            broker=broker,
            user=user,
            password_file=None if password_file is None else str(password_file),
            ca_file=None if ca_file is None else str(ca_file),
        )
        rules = CanaryRules(tolerated=parse_share(tolerated) / 1e6)
        msgspec.convert(msgspec.to_builtins(rules), CanaryRules)
    except ValueError as error:
        raise UsageError(str(error)) from error
    publisher, _ = _publisher(repo, keys, None)
    stopped = listen(publisher, settings, channel, rules=rules, tell=tell)
    if stopped is not None:
        if json:
            print_json({"schema": 1, "channel": channel, "stopped": stopped})
        else:
            typer.echo(f"stopped: release {stopped.number} of {channel}: {stopped.reason}")
        raise typer.Exit(1)


def parse_share(text: str) -> int:
    """Return `10%` or `0.5%` in millionths.

    Raises:
        UsageError: It is no share.
    """
    found = _SHARE.fullmatch(text)
    share_ppm = -1
    if found is not None:
        share_ppm = int(found[1]) * 10_000 + int((found[2] or "0").ljust(4, "0"))
    if not 0 <= share_ppm <= _WHOLE_PPM:
        raise UsageError(f"{text}: no share; write it like 10% or 0.5%")
    return share_ppm


def _publisher(
    repo: Path, keys: list[Path] | None, passphrase_file: Path | None
) -> tuple[Publisher, tuple[Path, ...]]:
    try:
        from edge_recog_devices.publishing.keys import KeyFolders
        from edge_recog_devices.publishing.publisher import Publisher
    except ImportError as error:
        raise UsageError(
            f'publishing needs {error.name}: pip install "edge-recog[daemon]"'
        ) from error
    from edge_recog.service.config.secret_files import read_secret

    folders = tuple(keys or [repo.with_name(f"{repo.name}.keys")])
    passphrase = os.environ.get(PASSPHRASE_VARIABLE) or None
    if passphrase_file is not None:
        passphrase = read_secret(passphrase_file)
    return Publisher(repo, KeyFolders(folders, passphrase)), folders


def _release_document(release: Release) -> dict[str, Any]:
    from edge_recog.updates.release import to_custom

    document = to_custom(release)
    del document["schema_version"]
    return document | {"signature": bool(release.signature), "share": release.share_ppm / 1e6}


def _release_rows(release: Release) -> Iterable[tuple[str, ...]]:
    yield "release", f"{release.number} of {release.channel}"
    yield "model", f"{release.name}  sha256:{release.model[:12]}"
    yield "rollout", f"{release.share_ppm / 1e4:g} % of the devices"
    if release.profiles:
        yield "only for", ", ".join(release.profiles)
    if release.minimum_version != "0":
        yield "needs", f"edge-recog {release.minimum_version}"
    yield "signature", "goes along" if release.signature else "none of edge-recog keys sign"


def _print_expiries(expiries: dict[Any, datetime], *, json: bool) -> None:
    if json:
        print_json({"schema": 1, "expires": expiries})
        return
    print_rows([(role, f"holds until {at:%Y-%m-%d %H:%M} UTC") for role, at in expiries.items()])
