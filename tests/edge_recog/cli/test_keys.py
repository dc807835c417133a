from __future__ import annotations

import io
import json
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle
from edge_recog.cli import keys as module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the keys and floors of the machine that runs the tests out of this."""
    monkeypatch.delenv(module.PASSPHRASE_VARIABLE, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("edge_recog.signing.places.SYSTEM", tmp_path / "system")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "config"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def run(edge_recog: Callable[..., Any]) -> Callable[..., Any]:
    """Return what runs `edge-recog keys`."""
    return lambda *arguments: edge_recog("keys", *arguments)


@pytest.fixture
def document(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return what runs it for a program, and returns the document of an exit status."""

    def read(*arguments: Any, code: int = 0) -> Any:
        outcome = run(*arguments, "--json")
        assert (outcome.code, outcome.err) == (code, "")
        return json.loads(outcome.out)

    return read


@pytest.fixture
def ada(document: Callable[..., Any], tmp_path: Path) -> dict[str, str]:
    """Return Ada's new key."""
    made: dict[str, str] = document("new", "ada", "--out", tmp_path / "keys")
    return made


def test_a_model_goes_from_its_signer_to_a_device(
    run: Callable[..., Any], ada: dict[str, str], tiny_path: Path
) -> None:
    assert run("sign", tiny_path, "--key", ada["private"]).code == 0
    assert run("check", tiny_path) == (
        0,
        f"{tiny_path}: accepted: no key is trusted here, so signatures are not looked at\n",
        "",
    )
    assert run("trust", ada["public"]).code == 0
    outcome = run("check", tiny_path)

    assert outcome.code == 0
    assert outcome.out.splitlines()[0].split() == ["accepted", str(tiny_path)]
    assert f"tiny  ({Bundle.open(tiny_path).id}, " in outcome.out

    assert run("revoke", "ada").code == 0
    refused = run("check", tiny_path)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"edge-recog: {tiny_path}: it is signed by key {ada['id']} (ada), which was revoked here: "
        "have it signed by another key\n"
    )


def test_a_new_key_is_in_two_files(
    run: Callable[..., Any], tmp_path: Path, ada: dict[str, str]
) -> None:
    private, public = tmp_path / "keys" / "ada.key", tmp_path / "keys" / "ada.pub"

    assert (ada["private"], ada["public"]) == (str(private), str(public))
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert public.read_text() == f"{ada['line']}\n"
    assert ada["line"].split()[0::2] == ["edge-recog-ed25519", "ada"]
    outcome = run("new", "bob", "--out", tmp_path / "keys")
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["key", "private", "public"]
    assert "PRIVATE KEY" not in outcome.out


def test_no_key_is_overwritten(
    run: Callable[..., Any], tmp_path: Path, ada: dict[str, str]
) -> None:
    outcome = run("new", "ada", "--out", tmp_path / "keys")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"edge-recog: {ada['private']}: exists already; choose another name or folder\n"
    )


def test_a_signature_says_what_it_is_for(
    document: Callable[..., Any], ada: dict[str, str], tiny_path: Path
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    signed = document("sign", tiny_path, "--key", ada["private"], "--expires", "90d")
    statement = signed["statement"]
    signed_at = datetime.fromisoformat(statement["signed_at"])

    assert signed["path"] == f"{tiny_path}.sig"
    assert statement["model"] == Bundle.open(tiny_path).id
    assert (statement["name"], statement["size_bytes"]) == ("tiny", tiny_path.stat().st_size)
    assert before <= signed_at <= datetime.now(UTC)
    assert statement["sequence"] == int(signed_at.timestamp())
    assert datetime.fromisoformat(statement["expires_at"]) - signed_at == timedelta(days=90)


def test_a_day_of_expiry_is_the_last_one(
    document: Callable[..., Any], ada: dict[str, str], tiny_path: Path, tmp_path: Path
) -> None:
    arguments = ["--sequence", 3, "--name", "other", "--expires", "2999-12-31"]
    target = tmp_path / "elsewhere" / "x.sig"
    signed = document("sign", tiny_path, "--key", ada["private"], *arguments, "--out", target)

    assert signed["statement"]["expires_at"] == "3000-01-01T00:00:00Z"
    assert (signed["statement"]["sequence"], signed["statement"]["name"]) == (3, "other")
    document("trust", ada["public"])
    assert document("check", tiny_path, "--signature", target)["accepted"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "neither a number of days such as 90d nor a day such as 2031-12-31"),
        ("2026-02-30", "neither a number"),
        ("99999999d", "neither a number"),
        ("0d", "that is over already"),
        ("2020-01-01", "that is over already"),
        ("9999-12-31", "neither a number"),
    ],
)
def test_an_expiry_must_make_sense(
    run: Callable[..., Any], ada: dict[str, str], tiny_path: Path, text: str, message: str
) -> None:
    outcome = run("sign", tiny_path, "--key", ada["private"], "--expires", text)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"edge-recog: --expires {text}: {message}")
    assert not tiny_path.with_name(f"{tiny_path.name}.sig").exists()


def test_a_signature_is_replaced_only_by_force(
    run: Callable[..., Any], ada: dict[str, str], tiny_path: Path
) -> None:
    command = ("sign", tiny_path, "--key", ada["private"])
    assert run(*command).code == 0
    outcome = run(*command)

    assert outcome.code == 2
    assert "tiny.tflite.sig: exists already" in outcome.err
    assert run(*command, "--force").code == 0


def test_what_is_no_model_is_not_signed(
    run: Callable[..., Any], ada: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "letter.tflite"
    path.write_text("Dear Ada")
    outcome = run("sign", path, "--key", ada["private"])

    assert outcome.code == 1
    assert "not a TFLite model" in outcome.err


def test_a_private_key_that_others_can_read_is_refused(
    run: Callable[..., Any], ada: dict[str, str], tiny_path: Path
) -> None:
    os.chmod(ada["private"], 0o640)  # noqa: PTH101 - a text
    outcome = run("sign", tiny_path, "--key", ada["private"])

    assert outcome.code == 2
    assert outcome.err == (
        f"edge-recog: {ada['private']}: others can read or write it (mode 0640): "
        f"chmod 600 {ada['private']}\n"
    )


@pytest.mark.parametrize("how", ["file", "variable"])
def test_a_key_can_have_a_passphrase(
    run: Callable[..., Any],
    tiny_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    arguments: list[Any] = []
    if how == "file":
        secret = tmp_path / "passphrase"
        secret.write_text("correct horse\n")
        secret.chmod(0o600)
        arguments = ["--passphrase-file", secret]
    else:
        monkeypatch.setenv(module.PASSPHRASE_VARIABLE, "correct horse")
    made = run("new", "ada", "--out", tmp_path, *arguments)
    private = tmp_path / "ada.key"

    assert made.code == 0
    assert private.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert run("sign", tiny_path, "--key", private, *arguments).code == 0

    monkeypatch.delenv(module.PASSPHRASE_VARIABLE, raising=False)
    outcome = run("sign", tiny_path, "--key", private, "--force")
    assert outcome.code == 2
    assert "the key is encrypted" in outcome.err
    monkeypatch.setenv(module.PASSPHRASE_VARIABLE, "battery staple")
    outcome = run("sign", tiny_path, "--key", private, "--force")
    assert outcome.code == 2
    assert "the passphrase is wrong" in outcome.err
    assert "staple" not in outcome.err


def test_a_passphrase_that_others_can_read_is_refused(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o644)
    outcome = run("new", "ada", "--out", tmp_path, "--passphrase-file", secret)

    assert outcome.code == 2
    assert f"chmod 600 {secret}" in outcome.err
    assert not (tmp_path / "ada.key").exists()


def test_no_option_takes_a_passphrase_itself(run: Callable[..., Any]) -> None:
    for verb in ("new", "sign"):
        assert run(verb, "ada", "--passphrase", "secret").code == 2


def test_what_a_device_would_say_is_one_document(
    document: Callable[..., Any], ada: dict[str, str], tiny_path: Path
) -> None:
    said = document("check", tiny_path)
    assert (said["accepted"], said["reason"], said["statement"]) == (True, "no-trusted-key", None)

    document("trust", ada["public"])
    said = document("check", tiny_path, code=1)
    assert (said["accepted"], said["reason"], said["statement"]) == (False, "unsigned", None)
    assert said["message"].startswith(f"{tiny_path}: it is not signed")
    said = document("check", tiny_path, "--allow-unsigned")
    assert (said["accepted"], said["reason"]) == (True, "unsigned-allowed")

    signed = document("sign", tiny_path, "--key", ada["private"])
    said = document("check", tiny_path)
    assert said == {
        "path": str(tiny_path),
        "accepted": True,
        "reason": "signed",
        "message": "",
        "statement": signed["statement"],
    }


def test_what_is_older_than_its_floor_is_refused(
    run: Callable[..., Any],
    document: Callable[..., Any],
    ada: dict[str, str],
    tiny_path: Path,
    own_device: Path,
) -> None:
    from edge_recog.signing import Trust

    document("trust", ada["public"])
    document("sign", tiny_path, "--key", ada["private"], "--sequence", 8)
    trust = Trust.open(own_device / "state", os.environ)
    statement = trust.check(tiny_path, tiny_path.with_name("tiny.tflite.sig"))
    assert statement is not None
    trust.raise_floor(statement)
    document("sign", tiny_path, "--key", ada["private"], "--sequence", 7, "--force")

    assert document("check", tiny_path, code=1)["reason"] == "downgrade"
    assert document("check", tiny_path, "--allow-downgrade")["accepted"]
    assert document("list")["floors"] == {"tiny": 8}
    assert ["floor", "8", "tiny"] in [line.split() for line in run("list").out.splitlines()]


def test_a_signature_that_is_asked_for_must_be_there(
    run: Callable[..., Any], tiny_path: Path, tmp_path: Path
) -> None:
    outcome = run("check", tiny_path, "--signature", tmp_path / "x.sig")

    assert outcome.code == 2
    assert "x.sig: there is no such file" in outcome.err


def test_keys_are_listed(
    run: Callable[..., Any], document: Callable[..., Any], ada: dict[str, str], own_device: Path
) -> None:
    folder = own_device / "config" / "trust"
    assert run("list").out == (
        f"no key is trusted in {folder} and {own_device / 'system'}: models need no signature\n"
    )
    assert document("list") == {
        "schema": 1,
        "signatures_wanted": False,
        "keys": [],
        "floors": {},
    }
    trusted = document("trust", ada["public"])
    assert trusted == {
        "id": ada["id"],
        "name": "ada",
        "line": ada["line"],
        "state": "trusted",
        "path": str(folder / f"{ada['id']}.pub"),
    }
    row = {"id": ada["id"], "name": "ada", "state": "trusted", "path": trusted["path"]}
    assert document("list")["keys"] == [row]
    assert document("list")["signatures_wanted"] is True
    assert run("list").out.split() == ["trusted", ada["id"], "ada", trusted["path"]]

    revoked = document("revoke", ada["id"][:8])
    assert revoked == {**row, "state": "revoked", "path": str(folder / f"{ada['id']}.revoked")}
    assert document("list")["keys"] == [revoked]


def test_whoever_revokes_the_last_key_is_told(run: Callable[..., Any], ada: dict[str, str]) -> None:
    run("trust", ada["public"])
    outcome = run("revoke", "ada")

    assert outcome.code == 0
    assert "until another one is trusted, no model is accepted" in outcome.out


def test_a_revoked_key_comes_back_only_by_force(
    run: Callable[..., Any], ada: dict[str, str]
) -> None:
    run("revoke", ada["public"])
    outcome = run("trust", ada["public"])

    assert outcome.code == 2
    assert "was revoked; if that was a mistake, add --force" in outcome.err
    assert run("trust", ada["public"], "--force").code == 0


def test_a_key_can_be_pasted(
    document: Callable[..., Any], ada: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{ada['line']}\n".encode())))

    assert document("trust", "-")["id"] == ada["id"]


def test_a_private_key_is_not_trusted(run: Callable[..., Any], ada: dict[str, str]) -> None:
    outcome = run("trust", ada["private"])

    assert outcome.code == 2
    assert outcome.err == (
        f"edge-recog: {ada['private']}: a private key; give the public one, NAME.pub\n"
    )


def test_the_keys_of_another_device_can_be_kept(
    document: Callable[..., Any], ada: dict[str, str], tmp_path: Path, tiny_path: Path
) -> None:
    image = tmp_path / "image" / "etc" / "edge-recog" / "trust"
    document("trust", ada["public"], "--dir", image)

    assert [path.name for path in image.iterdir()] == [f"{ada['id']}.pub"]
    assert document("list")["keys"] == []
    assert len(document("list", "--dir", image)["keys"]) == 1
    assert document("check", tiny_path, "--dir", image, code=1)["reason"] == "unsigned"
    assert document("revoke", "ada", "--dir", image)["state"] == "revoked"


@pytest.mark.parametrize("verb", ["new", "sign", "check", "trust", "list", "revoke"])
def test_every_verb_has_an_example(run: Callable[..., Any], verb: str) -> None:
    outcome = run(verb, "--help")

    assert outcome.code == 0
    assert f"edge-recog keys {verb}" in " ".join(outcome.out.split())
