"""Every attack that The Update Framework names, against a device and a real web server.

https://theupdateframework.io/docs/security/: arbitrary software installation, endless data,
extraneous dependencies, fast-forward, indefinite freeze, malicious mirrors, mix-and-match,
rollback, slow retrieval (in test_fetcher.py and test_isolated.py too), vulnerability to key
compromises, wrong software installation.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.publishing import roles

from edge_recog.updates import RefusedError, UnreachableError, UpdateError
from edge_recog.updates.release import latest_path

if TYPE_CHECKING:
    from collections.abc import Callable

_SPEC = importlib.util.spec_from_file_location("forging", Path(__file__).with_name("forging.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_FORGING = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_FORGING)
Forger = _FORGING.Forger

ROLES = ("timestamp", "snapshot", "targets", "stops")
ONLINE = ("timestamp", "snapshot", "stops")


def refusal(device: Any, channel: str = "stable") -> str:
    """Return why a device believes nothing of what is served now."""
    with pytest.raises(RefusedError) as caught:
        device.look(channel)
    return caught.value.reason


def evil_model(fleet: Any) -> Callable[[Any], None]:
    """Return what makes targets offer another model, whose file is served."""
    data = b"evil"
    digest = hashlib.sha256(data).hexdigest()
    (fleet.site / "targets" / "stable" / f"{digest}.latest.tflite").write_bytes(data)

    def change(targets: Any) -> None:
        target = targets.targets[latest_path("stable")]
        target.length, target.hashes = len(data), {"sha256": digest}
        target.custom["model"] = digest
        target.custom["number"] += 1

    return change


# Arbitrary software installation


def test_another_file_in_the_place_of_the_model_is_refused(fleet: Any) -> None:
    device = fleet.device()
    offer = device.look("stable").latest
    (path,) = (fleet.site / "targets" / "stable").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    with pytest.raises(RefusedError) as caught:
        device.fetch(offer)

    assert caught.value.reason == "altered"


@pytest.mark.parametrize("role", ROLES)
def test_metadata_without_a_signature_is_refused(fleet: Any, role: str) -> None:
    # With all other keys, so that only this signature is missing.
    forger = Forger(fleet, *(set(ROLES) - {role}))
    unsigned = forger.read(role)
    unsigned.signatures.clear()
    number = "" if role == "timestamp" else f"{unsigned.signed.version}."
    (fleet.metadata / f"{number}{role}.json").write_bytes(unsigned.to_bytes())
    if role in {"targets", "stops"}:
        forger.announce()
    elif role == "snapshot":
        forger.point(unsigned.signed.version)

    assert refusal(fleet.device()) == "unsigned"


@pytest.mark.parametrize("role", ROLES)
def test_metadata_signed_by_a_strangers_key_is_refused(fleet: Any, role: str) -> None:
    forger = Forger(fleet, *(set(ROLES) - {role}))
    forger.write(role, lambda signed: None)
    if role in {"targets", "stops"}:
        forger.announce()
    elif role == "snapshot":
        forger.point(forger.newest("snapshot"))

    assert refusal(fleet.device()) == "unsigned"


def test_targets_signed_by_the_key_of_another_role_are_refused(fleet: Any) -> None:
    forger = Forger(fleet, *ONLINE)
    metadata = forger.read("targets")
    evil_model(fleet)(metadata.signed)
    metadata.signatures.clear()
    for role in ("timestamp", "snapshot", "stops"):
        for signer in forger._signers(role):
            metadata.sign(signer, append=True)
    (fleet.metadata / f"{metadata.signed.version}.targets.json").write_bytes(metadata.to_bytes())
    forger.announce()

    assert refusal(fleet.device()) == "unsigned"


@pytest.mark.parametrize("role", ROLES)
def test_a_changed_letter_in_signed_metadata_is_refused(fleet: Any, role: str) -> None:
    forger = Forger(fleet)
    number = "" if role == "timestamp" else f"{forger.newest(role)}."
    path = fleet.metadata / f"{number}{role}.json"
    document = json.loads(path.read_bytes())
    document["signed"]["expires"] = "2999-01-01T00:00:00Z"
    path.write_text(json.dumps(document))

    assert refusal(fleet.device()) in {"unsigned", "altered", "oversized"}


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_anywhere_are_refused_or_change_nothing(fleet: Any, seed: int) -> None:
    fleet.publisher.stop("stable", "bad")
    honest = fleet.device("honest").look("stable")
    draw = random.Random(seed)
    files = sorted(fleet.metadata.glob("*.json"))
    copies = {path: path.read_bytes() for path in files}
    for turn in range(12):
        path = draw.choice(files)
        data = bytearray(copies[path])
        for _ in range(draw.choice((1, 1, 3))):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(data))
        with contextlib.suppress(UpdateError):
            assert fleet.device(f"device-{turn}").look("stable") == honest
        path.write_bytes(copies[path])


# Endless data


def test_a_model_longer_than_was_signed_is_refused(fleet: Any) -> None:
    device = fleet.device()
    offer = device.look("stable").latest
    (path,) = (fleet.site / "targets" / "stable").iterdir()
    path.write_bytes(path.read_bytes() * 100)

    with pytest.raises(RefusedError) as caught:
        device.fetch(offer)

    assert caught.value.reason == "oversized"
    (part,) = (fleet.work / "device" / "downloads").iterdir()
    assert part.stat().st_size <= offer.size_bytes


@pytest.mark.parametrize("role", [*ROLES, "root"])
def test_endless_metadata_is_refused(fleet: Any, role: str) -> None:
    number = "" if role == "timestamp" else "2." if role == "root" else f"{_newest(fleet, role)}."
    (fleet.metadata / f"{number}{role}.json").write_bytes(b" " * 3_000_000)

    assert refusal(fleet.device()) == "oversized"


# Extraneous dependencies: a model has none. What comes nearest is a role that brings others along.


def test_the_role_that_stops_releases_cannot_bring_models(make_fleet: Callable[..., Any]) -> None:
    fleet = make_fleet()
    fleet.publish()
    forger = Forger(fleet, *ONLINE)
    offered = forger.read("targets").signed.targets[latest_path("stable")]

    def bring(stops: Any) -> None:
        stops.targets = {"beta/latest.tflite": offered, latest_path("stable"): offered}

    forger.write("stops", bring)
    forger.announce()

    assert fleet.device().look("beta").latest is None


# Fast-forward


def test_a_fast_forward_is_recovered_from_by_new_keys(fleet: Any) -> None:
    device = fleet.device()
    device.look("stable")
    before = fleet.copy("before")

    def forward(timestamp: Any) -> None:
        timestamp.version = 2**62

    Forger(fleet, "timestamp").write("timestamp", forward)
    device = fleet.device()
    device.look("stable")
    fleet.restore(before)
    assert refusal(fleet.device()) == "rollback"

    fleet.publisher.rotate("timestamp")
    fleet.publish(b"second", share_ppm=500_000)

    assert fleet.device().look("stable").latest.release.number == 2


# Indefinite freeze


def expired(monkeypatch: pytest.MonkeyPatch, make_fleet: Callable[..., Any], role: str) -> Any:
    with monkeypatch.context() as patched:
        patched.setitem(roles.LIFETIMES, role, timedelta(seconds=-1))  # type: ignore[call-overload]
        fleet = make_fleet()
        fleet.publish()
    return fleet


@pytest.mark.parametrize("role", [*ROLES, "root"])
def test_what_has_expired_is_refused(
    make_fleet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    fleet = expired(monkeypatch, make_fleet, role)

    assert refusal(fleet.device()) == "expired"


def test_a_device_that_is_kept_at_an_old_state_notices_when_that_expires(
    make_fleet: Callable[..., Any],
) -> None:
    lifetime = roles.LIFETIMES["timestamp"]
    fleet = make_fleet(now=datetime.now(UTC) - lifetime - timedelta(hours=1))
    fleet.publish()
    frozen = fleet.copy("frozen")
    fleet.now = None
    fleet.publisher.refresh()
    fleet.device().look("stable")
    fleet.restore(frozen)

    # The old timestamp is not even newer; a device that never looked before finds it expired.
    assert refusal(fleet.device()) == "rollback"
    assert refusal(fleet.device("new")) == "expired"


# Malicious mirrors


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{}", b"<html>login</html>", b"[" * 5000, b'{"signed": {}, "signatures": []}', b"\xff"],
    ids=["empty", "object", "captive-portal", "deep", "hollow", "no-utf-8"],
)
@pytest.mark.parametrize("role", [*ROLES, "root"])
def test_garbage_is_refused_and_forgotten(fleet: Any, role: str, garbage: bytes) -> None:
    number = "" if role == "timestamp" else "2." if role == "root" else f"{_newest(fleet, role)}."
    path = fleet.metadata / f"{number}{role}.json"
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(garbage)
    assert refusal(fleet.device()) in {"malformed", "altered", "oversized"}

    path.unlink()
    if before is not None:
        path.write_bytes(before)

    assert fleet.device().look("stable").latest is not None


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json"])
def test_a_mirror_without_a_file_is_no_danger(fleet: Any, name: str) -> None:
    newest = {"2.snapshot.json": f"{_newest(fleet, 'snapshot')}.snapshot.json"}.get(name, name)
    (fleet.metadata / newest).unlink()

    with pytest.raises(UnreachableError, match="404"):
        fleet.device().look("stable")


def test_a_mirror_without_the_model_is_no_danger(fleet: Any) -> None:
    device = fleet.device()
    offer = device.look("stable").latest
    shutil.rmtree(fleet.site / "targets")

    with pytest.raises(UnreachableError, match="404"):
        device.fetch(offer)


# Mix-and-match


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_parts_of_different_times_are_refused(fleet: Any, role: str) -> None:
    old = (fleet.metadata / f"{_newest(fleet, role)}.{role}.json").read_bytes()
    fleet.publish(b"second", share_ppm=500_000)
    (fleet.metadata / f"{_newest(fleet, role)}.{role}.json").write_bytes(old)

    assert refusal(fleet.device()) == "altered"


def test_parts_of_another_repository_are_refused(make_fleet: Callable[..., Any]) -> None:
    fleet, other = make_fleet(), make_fleet()
    fleet.publish()
    other.publish(b"other")
    for path in other.metadata.glob("*.targets.json"):
        shutil.copy(path, fleet.metadata)

    assert refusal(fleet.device()) in {"altered", "oversized"}


def test_the_release_of_one_channel_is_none_of_another(fleet: Any) -> None:
    fleet.publish(b"wild", channel="beta")
    forger = Forger(fleet, *ROLES)

    def swap(targets: Any) -> None:
        targets.targets[latest_path("stable")] = targets.targets[latest_path("beta")]
        targets.targets[latest_path("stable")].path = latest_path("stable")

    forger.write("targets", swap)
    forger.announce()

    assert refusal(fleet.device()) == "mixed"


def test_what_is_signed_of_one_file_is_none_of_another(fleet: Any) -> None:
    forger = Forger(fleet, *ROLES)

    def swap(targets: Any) -> None:
        targets.targets[latest_path("stable")].hashes = {"sha256": "0" * 64}

    forger.write("targets", swap)
    forger.announce()

    assert refusal(fleet.device()) == "mixed"


# Rollback


def test_a_whole_state_of_before_is_refused(fleet: Any) -> None:
    before = fleet.copy("before")
    fleet.publish(b"second", share_ppm=1_000_000)
    fleet.device().look("stable")
    fleet.restore(before)

    assert refusal(fleet.device()) == "rollback"


def test_an_older_snapshot_under_a_new_timestamp_is_refused(fleet: Any) -> None:
    older = _newest(fleet, "snapshot")
    fleet.publish(b"second")
    fleet.device().look("stable")
    Forger(fleet, "timestamp").point(older)

    assert refusal(fleet.device()) == "rollback"


@pytest.mark.parametrize("role", ["targets", "stops"])
def test_older_parts_under_a_new_snapshot_are_refused(fleet: Any, role: str) -> None:
    older = _newest(fleet, role)
    fleet.publish(b"second")
    fleet.publisher.stop("stable", "bad")
    fleet.device().look("stable")
    Forger(fleet, "timestamp", "snapshot").announce(**{role: older})

    assert refusal(fleet.device()) == "rollback"


def test_a_snapshot_without_the_stops_is_refused(fleet: Any) -> None:
    fleet.publisher.stop("stable", "bad")
    fleet.device().look("stable")
    forger = Forger(fleet, "timestamp", "snapshot")
    number = forger.newest("snapshot") + 1

    def drop(snapshot: Any) -> None:
        snapshot.version = number
        del snapshot.meta["stops.json"]

    forger.write("snapshot", drop)
    forger.point(number)

    assert refusal(fleet.device()) == "malformed"


def test_what_a_device_has_seen_outlasts_its_processes(fleet: Any) -> None:
    before = fleet.copy("before")
    fleet.publish(b"second")
    fleet.isolated().look("stable")
    fleet.restore(before)

    with pytest.raises(RefusedError) as caught:
        fleet.isolated().look("stable")

    assert caught.value.reason == "rollback"


# Vulnerability to key compromises


def test_all_keys_that_are_online_together_cannot_bring_a_model(fleet: Any) -> None:
    forger = Forger(fleet, *ONLINE)
    forger.write("targets", evil_model(fleet))
    forger.announce()

    assert refusal(fleet.device()) == "unsigned"


def test_one_of_two_root_keys_that_must_sign_is_not_enough(
    make_fleet: Callable[..., Any],
) -> None:
    fleet = make_fleet(root_keys=3, root_threshold=2)
    fleet.publish()
    root = fleet.publisher._read().root
    root.signed.version += 1
    (stolen, *_) = fleet.keys.signers("root", root.signed.roles["root"])
    root.signatures.clear()
    root.sign(stolen)
    root.sign(stolen, append=True)
    (fleet.metadata / "2.root.json").write_bytes(root.to_bytes())

    assert refusal(fleet.device()) == "unsigned"


def test_the_same_signature_twice_counts_once(make_fleet: Callable[..., Any]) -> None:
    fleet = make_fleet(root_keys=2, root_threshold=2)
    fleet.publish()
    root = fleet.publisher._read().root
    root.signed.version += 1
    (stolen, *_) = fleet.keys.signers("root", root.signed.roles["root"])
    root.signatures.clear()
    signature = root.sign(stolen)
    document = root.to_dict()
    document["signatures"] = [{"keyid": signature.keyid, "sig": signature.signature}] * 2
    (fleet.metadata / "2.root.json").write_text(json.dumps(document))

    assert refusal(fleet.device()) in {"unsigned", "malformed"}


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "stops"])
def test_a_stolen_key_is_worth_nothing_after_it_was_replaced(fleet: Any, role: str) -> None:
    holder = fleet.publisher._read()
    keeper = holder.targets.signed if role == "stops" else holder.root.signed
    (stolen,) = fleet.keys.signers(role, keeper.get_delegated_role(role))
    fleet.publisher.rotate(role)
    assert fleet.device().look("stable").latest is not None

    forger = Forger(fleet, *(set(ROLES) - {role}))
    forger._own = stolen
    forger.write(role, lambda signed: None)
    if role in {"targets", "stops"}:
        forger.announce()
    elif role == "snapshot":
        forger.point(forger.newest("snapshot"))

    assert refusal(fleet.device("new")) == "unsigned"


def test_devices_follow_a_root_whose_keys_were_all_replaced(fleet: Any) -> None:
    fleet.device().look("stable")
    for _ in range(3):
        fleet.publisher.rotate("root")
    fleet.publish(b"second")

    assert fleet.device().look("stable").latest.release.number == 2
    assert fleet.device("that has only the first root").look("stable").latest.release.number == 2


def test_a_root_that_leaves_out_a_version_is_refused(fleet: Any) -> None:
    fleet.publisher.rotate("root")
    fleet.publisher.rotate("root")
    (fleet.metadata / "3.root.json").replace(fleet.metadata / "2.root.json")

    assert refusal(fleet.device()) in {"rollback", "unsigned"}


def test_another_publishers_root_is_refused(make_fleet: Callable[..., Any]) -> None:
    fleet, other = make_fleet(), make_fleet()
    fleet.publish()
    other.publish(b"evil")
    device = fleet.device(root=other.keys.anchor.read_bytes())

    assert refusal(device) == "unsigned"


# Wrong software installation


@pytest.mark.parametrize(
    "change",
    [{"share_ppm": 10**7}, {"schema_version": 9}, {"surprise": True}, {"number": -1}],
    ids=["share", "version", "unknown", "number"],
)
def test_what_is_signed_and_makes_no_sense_is_refused(fleet: Any, change: dict[str, Any]) -> None:
    forger = Forger(fleet, *ROLES)

    def nonsense(targets: Any) -> None:
        targets.targets[latest_path("stable")].custom.update(change)

    forger.write("targets", nonsense)
    forger.announce()

    assert refusal(fleet.device()) == "malformed"


@pytest.mark.parametrize("custom", [None, 5, [], "x", {}], ids=repr)
def test_a_target_about_which_nothing_is_signed_is_refused(fleet: Any, custom: Any) -> None:
    forger = Forger(fleet, *ROLES)

    def drop(targets: Any) -> None:
        targets.targets[latest_path("stable")].unrecognized_fields = {"custom": custom}

    forger.write("targets", drop)
    forger.announce()

    assert refusal(fleet.device()) == "malformed"


def test_a_model_larger_than_any_is_refused_before_it_is_fetched(fleet: Any) -> None:
    forger = Forger(fleet, *ROLES)

    def grow(targets: Any) -> None:
        targets.targets[latest_path("stable")].length = 2**40

    forger.write("targets", grow)
    forger.announce()

    assert refusal(fleet.device()) == "oversized"


def _newest(fleet: Any, role: str) -> int:
    return int(Forger(fleet).newest(role))
