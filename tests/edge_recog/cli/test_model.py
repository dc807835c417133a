from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle
from edge_recog.packing import pack_bundle
from edge_recog.store import Store, TrialRules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state" / "models"


@pytest.fixture
def model(
    edge_recog: Callable[..., Any], root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Return what runs `edge-recog model` on a store of this test, without keys."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.setattr("edge_recog.signing.places.SYSTEM", tmp_path / "system" / "trust")
    return lambda verb, *rest: edge_recog("model", verb, *rest, "--dir", root)


@pytest.fixture
def other_path(tiny_bytes: bytes, tmp_path: Path) -> Path:
    """Return a model file with another name in it."""
    bundle = Bundle.from_bytes(tiny_bytes, where="tiny")
    assert bundle.manifest is not None
    assert bundle.manifest.golden is not None
    golden = (bundle.manifest.golden.runtime, bundle.golden())
    path = tmp_path / "other.tflite"
    path.write_bytes(
        pack_bundle(tiny_bytes, bundle.contract, bundle.labels, name="other", golden=golden)
    )
    return path


def commit(root: Path) -> str:
    """Have the candidate prove itself, and return its digest."""
    trial = Store(root).trial(TrialRules(frames=1))
    trial.started(0)
    trial.answered(1)
    ended = trial.tick(1)
    assert ended is not None
    assert ended.how == "committed"
    return ended.digest


def test_without_any_the_built_in_model_is_listed(model: Callable[..., Any], root: Path) -> None:
    outcome = model("list")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[1].split()[:2] == ["active", "built-in"]
    assert not root.exists()


def test_a_model_is_installed_tried_committed_and_rolled_back(
    model: Callable[..., Any], root: Path, tiny_path: Path
) -> None:
    outcome = model("install", tiny_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert "candidate: tiny (sha256:" in outcome.out
    assert "systemctl reload edge-recog" in outcome.out
    listed = model("list").out.splitlines()
    assert listed[1].split()[0] == "candidate"
    assert listed[2].split()[:2] == ["active", "built-in"]

    digest = commit(root)
    document = json.loads(model("list", "--json").out)
    assert document["active"] == document["running"] == f"sha256:{digest}"
    assert document["previous"] == "built-in"
    assert document["candidate"] is None

    outcome = model("rollback")
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "active: built-in")
    outcome = model("activate", digest[:8])
    assert outcome.code == 0
    assert outcome.out.startswith(f"candidate: tiny (sha256:{digest[:12]})")


def test_json_is_one_document_for_every_verb(
    model: Callable[..., Any], root: Path, tiny_path: Path, other_path: Path
) -> None:
    installed = json.loads(model("install", tiny_path, "--json").out)
    digest = installed["installed"].removeprefix("sha256:")
    (listed,) = installed["models"]

    assert installed["schema"] == 1
    assert installed["candidate"]["id"] == listed["id"] == f"sha256:{digest}"
    assert listed["name"] == "tiny"
    assert listed["p50_ms"] > 0
    kept = json.loads(model("install", other_path, "--no-activate", "--json").out)
    assert [one["name"] for one in kept["models"]] == ["other", "tiny"]
    assert json.loads(model("pin", "other", "--json").out)["models"][0]["is_pinned"]
    assert not json.loads(model("pin", "other", "--off", "--json").out)["models"][0]["is_pinned"]
    assert json.loads(model("activate", "other", "--json").out)["candidate"]["starts"] == 0
    verified = json.loads(model("verify", "--json").out)
    assert verified["good"]
    assert {one["here"]["vectors"] for one in verified["models"]} == {2}
    assert json.loads(model("rollback", "--json").out)["candidate"] is None
    removed = json.loads(model("remove", "other", "--json").out)
    assert [one["name"] for one in removed["models"]] == ["tiny"]


def test_a_signature_beside_the_file_comes_along(
    model: Callable[..., Any], root: Path, tiny_path: Path, tmp_path: Path
) -> None:
    tiny_path.with_name("tiny.tflite.sig").write_bytes(b"beside")
    digest = json.loads(model("install", tiny_path, "--json").out)["installed"][7:]
    kept = root / "versions" / digest / "model.tflite.sig"
    assert kept.read_bytes() == b"beside"
    elsewhere = tmp_path / "elsewhere.sig"
    elsewhere.write_bytes(b"elsewhere")
    assert model("install", tiny_path, "--signature", elsewhere).code == 0
    assert kept.read_bytes() == b"elsewhere"
    outcome = model("install", tiny_path, "--signature", tmp_path / "none.sig")
    assert (outcome.code, "there is no such file" in outcome.err) == (2, True)


def test_an_unsigned_model_is_refused_where_a_key_is_trusted(
    model: Callable[..., Any], tiny_path: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography")
    from edge_recog.signing import new_statement, sign, signature_path
    from edge_recog.signing.ed25519 import decode_private_key
    from edge_recog.signing.keyring import read_public_key, trust_key
    from edge_recog.signing.private_keys import make_key_pair

    keys = make_key_pair(tmp_path / "keys", "ada", passphrase=None)
    trust_key((tmp_path / "etc" / "trust",), read_public_key(keys.public), force=False)
    outcome = model("install", tiny_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert "it is not signed" in outcome.err

    bundle = Bundle.open(tiny_path)
    statement = new_statement(
        model=bundle.id,
        size_bytes=len(bundle.data),
        name="tiny",
        now=datetime.now(UTC),
        sequence=5,
        expires_at=None,
    )
    private = decode_private_key(keys.private.read_text(), passphrase=None, where="ada")
    signature_path(tiny_path).write_bytes(sign(private, statement))
    outcome = model("install", tiny_path)
    assert (outcome.code, outcome.err) == (0, "")
    signature_path(tiny_path).unlink()
    assert model("install", tiny_path, "--allow-unsigned").code == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--most-ms", "0.001"], "ms here (median)"),
        (["--quota-mb", "0.001"], "--quota-mb"),
        (["--delegate", "edgetpu"], "not compiled for the Edge TPU"),
    ],
    ids=["slow", "quota", "delegate"],
)
def test_a_model_that_does_not_do_is_exit_1_and_not_kept(
    model: Callable[..., Any], root: Path, tiny_path: Path, options: list[str], reason: str
) -> None:
    outcome = model("install", tiny_path, *options)

    assert (outcome.code, outcome.out) == (1, "")
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1
    assert not root.exists()


def test_a_damaged_model_is_found_and_passed_over(
    model: Callable[..., Any], root: Path, tiny_path: Path
) -> None:
    model("install", tiny_path)
    digest = commit(root)
    path = root / "versions" / digest / "model.tflite"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    verified = model("verify", "--quick")
    assert (verified.code, "damaged on the disk" in verified.out) == (1, True)
    quiet = model("verify", "--quick", "--quiet")
    assert (quiet.code, quiet.out, "damaged on the disk" in quiet.err) == (1, "", True)
    listed = model("list")
    assert "is passed over" in listed.err
    assert json.loads(model("list", "--json").out)["running"] == "built-in"


def test_a_name_cannot_play_with_the_terminal(
    model: Callable[..., Any], tiny_bytes: bytes, tmp_path: Path
) -> None:
    bundle = Bundle.from_bytes(tiny_bytes, where="tiny")
    golden = ("XNNPACK", bundle.golden())
    path = tmp_path / "bell.tflite"
    path.write_bytes(
        pack_bundle(tiny_bytes, bundle.contract, bundle.labels, name="\x1b[2Jm", golden=golden)
    )
    outcome = model("install", path)

    assert outcome.code == 0
    assert "\x1b" not in outcome.out + model("list").out


def test_a_bad_model_is_tried_again_by_force_only(
    model: Callable[..., Any], root: Path, tiny_path: Path
) -> None:
    model("install", tiny_path)
    for _ in range(3):
        trial = Store(root).trial()
        trial.started(0)
        trial.unhealthy("it hangs")
        trial.tick(1)
        outcome = model("activate", "tiny")
    assert outcome.code == 1
    assert "failed 3 times in a row, last because it hangs" in outcome.err
    assert "bad: it hangs" in model("list").out
    assert model("install", tiny_path).code == 1
    assert model("install", tiny_path, "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["activate", "nobody"], "no such model here"),
        (["remove", "built-in"], "belongs to the package"),
        (["rollback"], "neither a candidate nor a previous model"),
        (["pin", "candidate"], "there is no candidate"),
    ],
    ids=["activate", "remove", "rollback", "pin"],
)
def test_what_cannot_be_meant_is_exit_2_in_one_line(
    model: Callable[..., Any], arguments: list[str], reason: str
) -> None:
    outcome = model(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    "verb", ["list", "install", "activate", "rollback", "pin", "remove", "verify"]
)
def test_every_verb_has_help_with_an_example(edge_recog: Callable[..., Any], verb: str) -> None:
    outcome = edge_recog("model", verb, "--help")

    assert outcome.code == 0
    words = " ".join(outcome.out.split())
    assert any(f"Example: {sudo}edge-recog model {verb}" in words for sudo in ("", "sudo "))
