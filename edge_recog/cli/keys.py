"""`edge-recog keys`: who vouches for model files, and which keys this device trusts."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from edge_recog.cli.output import Force, Json, print_json, print_rows
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from edge_recog.signing import PublicKey, Statement, Trust

PASSPHRASE_VARIABLE: Final = "EDGE_RECOG_KEY_PASSPHRASE"

_DAYS = re.compile(r"([0-9]{1,5})d")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Signatures of model files. From the first key on that a device trusts, it refuses every "
    "model that no trusted key has signed. Example: edge-recog keys list",
)

Dir = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="The only folder of keys to look at; those of this device if left out.",
        show_default=False,
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"Has the private key's passphrase; else the variable {PASSPHRASE_VARIABLE}, if set.",
        show_default=False,
    ),
]


@app.command(no_args_is_help=True)
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="For both files.")] = Path(),
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Make a key pair: NAME.key to sign with, and NAME.pub for the devices.

    Nothing is ever overwritten.

    Example: edge-recog keys new ada --out ~/keys
    """
    from edge_recog.signing.private_keys import make_key_pair

    made = make_key_pair(out, name, passphrase=_passphrase(passphrase_file))
    if json:
        files = {"private": str(made.private), "public": str(made.public)}
        print_json({**_key_document(made.key), **files})
        return
    print_rows(
        [
            ("key", made.key.id),
            ("private", f"{made.private}  (whoever has it can sign; keep it off the devices)"),
            ("public", f"{made.public}  (on each device: edge-recog keys trust {made.public})"),
        ]
    )


@app.command(no_args_is_help=True)
def sign(
    model: Annotated[Path, typer.Argument(help="A model file.", show_default=False)],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The private key.", show_default=False)],
    sequence: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Place in the order of releases; the seconds since 1970 if left out.",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="After how long (90d), or after which day (2031-12-31, UTC), devices shall not "
            "install it; never if left out.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The model's; what it says itself if left out.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="MODEL.sig if left out.", show_default=False),
    ] = None,
    passphrase_file: PassphraseFile = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Sign a model file; the signature is a file of its own.

    Its compiled twin MODEL_edgetpu.tflite, if it lies beside it, is signed as the same release,
    unless --out is given.

    Example: edge-recog keys sign model.tflite --key ~/keys/ada.key --expires 90d
    """
    from edge_recog.bundle import Bundle, read_model_file
    from edge_recog.files import refuse_existing, write_file
    from edge_recog.interpreters.twins import compiled_path, compiled_twin
    from edge_recog.service.config.secret_files import read_secret
    from edge_recog.signing import new_statement, signature_path
    from edge_recog.signing import sign as make
    from edge_recog.signing.ed25519 import decode_private_key

    target = signature_path(model) if out is None else out
    beside = compiled_path(model)
    targets = [target]
    if out is None and beside.exists():
        targets.append(signature_path(beside))
    for path in targets:
        refuse_existing(path, force=force)
    now = datetime.now(UTC)
    expires_at = None if expires is None else _expiry(expires, now)
    private = decode_private_key(
        read_secret(key), passphrase=_passphrase(passphrase_file), where=str(key)
    )
    bundle = Bundle.open(model)
    bundles = [bundle]
    if len(targets) > 1:
        bundles.append(compiled_twin(bundle, read_model_file(beside), where=str(beside)))
    statements = [
        new_statement(
            model=one.id,
            size_bytes=len(one.data),
            name=bundle.name if name is None else name,
            now=now,
            sequence=sequence,
            expires_at=expires_at,
        )
        for one in bundles
    ]
    for path, statement in zip(targets, statements, strict=True):
        write_file(path, make(private, statement), force=force)
    if json:
        told = [
            {"path": str(path), "statement": statement}
            for path, statement in zip(targets, statements, strict=True)
        ]
        print_json({**told[0], "edge_tpu": told[1] if len(told) > 1 else None})
        return
    print_rows([*(("wrote", str(path)) for path in targets), *_statement_rows(statements[0])])


@app.command(no_args_is_help=True)
def check(
    model: Annotated[Path, typer.Argument(help="A model file.", show_default=False)],
    signature: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="MODEL.sig if left out.", show_default=False),
    ] = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="As if it were told so when installing.")
    ] = False,
    allow_downgrade: Annotated[
        bool, typer.Option("--allow-downgrade", help="As if it were told so when installing.")
    ] = False,
    folder: Dir = None,
    json: Json = False,
) -> None:
    """Say whether this device would accept a model file, and install nothing.

    Ends with 1 if not.

    Example: edge-recog keys check model.tflite
    """
    from edge_recog.signing import SignatureError, signature_path

    trust = _trust(folder)
    beside = signature_path(model) if signature is None else signature
    if signature is not None and not signature.exists():
        raise UsageError(f"{signature}: there is no such file")
    try:
        statement = trust.check(
            model, beside, allow_unsigned=allow_unsigned, allow_downgrade=allow_downgrade
        )
    except SignatureError as error:
        if not json:
            raise
        refused = {"accepted": False, "reason": error.reason, "message": str(error)}
        print_json({"path": str(model), **refused, "statement": None})
        raise typer.Exit(1) from error
    reason = "signed"
    if statement is None:
        reason = "unsigned-allowed" if trust.keyring().wants_signatures else "no-trusted-key"
    if json:
        accepted = {"accepted": True, "reason": reason, "message": ""}
        print_json({"path": str(model), **accepted, "statement": statement})
    elif statement is None:
        told = {
            "unsigned-allowed": "it is not signed, and allowed so",
            "no-trusted-key": "no key is trusted here, so signatures are not looked at",
        }
        typer.echo(f"{model}: accepted: {told[reason]}")
    else:
        print_rows([("accepted", str(model)), *_statement_rows(statement)])


@app.command(no_args_is_help=True)
def trust(
    file: Annotated[
        Path, typer.Argument(help="A public key, NAME.pub; - for stdin.", show_default=False)
    ],
    folder: Dir = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also a key that was revoked here.")
    ] = False,
    json: Json = False,
) -> None:
    """Trust a key on this device: for all as root, else for this user.

    Example: sudo edge-recog keys trust ada.pub
    """
    from edge_recog.signing.keyring import read_public_key, trust_key

    key = _pasted_key() if str(file) == "-" else read_public_key(file)
    path = trust_key(_trust(folder).folders, key, force=force)
    if json:
        print_json({**_key_document(key), "state": "trusted", "path": str(path)})
        return
    typer.echo(f"trusted: {key.id} ({key.name}), in {path.parent}")
    typer.echo("from now on, models that no trusted key has signed are refused there")


@app.command("list")
def list_keys(folder: Dir = None, json: Json = False) -> None:
    """List the keys that this device trusts or has revoked, and the newest releases it had.

    Example: edge-recog keys list --json
    """
    trust = _trust(folder)
    keyring, floors = trust.keyring(), trust.floors.read()
    rows = [
        {
            "id": entry.id,
            "name": entry.name,
            "state": "revoked" if keyring.is_revoked(entry.id) else "trusted",
            "path": str(entry.path),
        }
        for entry in keyring.entries
    ]
    if json:
        wanted = {"signatures_wanted": keyring.wants_signatures}
        print_json({"schema": 1, **wanted, "keys": rows, "floors": floors})
        return
    if rows:
        print_rows([(row["state"], row["id"], row["name"] or "-", row["path"]) for row in rows])
    else:
        looked = " and ".join(map(str, trust.folders))
        typer.echo(f"no key is trusted in {looked}: models need no signature")
    if floors:
        print_rows([("floor", str(floors[name]), name) for name in sorted(floors)])


@app.command(no_args_is_help=True)
def revoke(
    key: Annotated[
        str,
        typer.Argument(
            help="A key's name, id or first digits of it, or the file of a public key.",
            show_default=False,
        ),
    ],
    folder: Dir = None,
    json: Json = False,
) -> None:
    """Never accept a key's signatures here again; models that are installed stay.

    Example: sudo edge-recog keys revoke ada
    """
    from edge_recog.signing.keyring import find_key, revoke_key

    trust = _trust(folder)
    key_id, found = find_key(trust.keyring(), key)
    path = revoke_key(trust.folders, key_id, found)
    keyring = trust.keyring()
    if json:
        print_json(
            {
                "id": key_id,
                "name": keyring.name_of(key_id),
                "state": "revoked",
                "path": str(path),
            }
        )
        return
    typer.echo(f"revoked: {key_id} ({keyring.name_of(key_id) or 'unknown'}), in {path.parent}")
    if all(keyring.is_revoked(entry.id) for entry in keyring.entries):
        typer.echo("no key is left: until another one is trusted, no model is accepted there")


def _trust(folder: Path | None) -> Trust:
    """Return that of this device, or of one folder of keys."""
    from edge_recog.service.web.tokens import state_directory
    from edge_recog.signing import Trust

    state = state_directory(os.environ)
    return Trust.open(state, os.environ) if folder is None else Trust((folder,), state)


def _passphrase(file: Path | None) -> str | None:
    """Return the passphrase of a file, else of the environment; None if there is none."""
    from edge_recog.service.config.secret_files import read_secret

    if file is not None:
        return read_secret(file)
    return os.environ.get(PASSPHRASE_VARIABLE) or None


def _pasted_key() -> PublicKey:
    """Return the public key on stdin."""
    from edge_recog.signing.public_keys import MOST_BYTES, PublicKey

    return PublicKey.parse(sys.stdin.buffer.read(MOST_BYTES), where="stdin")


def _expiry(text: str, now: datetime) -> datetime:
    """Return the moment that `90d` or `2031-12-31` mean.

    Raises:
        UsageError: It is neither, or over.
    """
    found = _DAYS.fullmatch(text)
    try:
        if found is not None:
            expires_at = now.replace(microsecond=0) + timedelta(days=int(found[1]))
        else:
            day = datetime.strptime(text, "%Y-%m-%d").date() + timedelta(days=1)
            expires_at = datetime.combine(day, time(), UTC)
    except (OverflowError, ValueError) as error:
        raise UsageError(
            f"--expires {text}: neither a number of days such as 90d nor a day such as 2031-12-31"
        ) from error
    if expires_at <= now:
        raise UsageError(f"--expires {text}: that is over already")
    return expires_at


def _key_document(key: PublicKey) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "line": key.line}


def _statement_rows(statement: Statement) -> list[tuple[str, str]]:
    expires_at = statement.expires_at
    return [
        ("model", f"{statement.name}  ({statement.model}, {statement.size_bytes} bytes)"),
        ("release", str(statement.sequence)),
        ("signed", f"{statement.signed_at:%Y-%m-%d %H:%M} UTC"),
        ("expires", "never" if expires_at is None else f"{expires_at:%Y-%m-%d %H:%M} UTC"),
    ]
