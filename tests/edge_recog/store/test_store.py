"""Installing, activating and keeping models, in real folders."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.errors import BundleError, EdgeRecogError, UsageError
from edge_recog.models import default_model
from edge_recog.store import (
    BUILT_IN,
    BusyError,
    DamagedVersionError,
    FailedTryoutError,
    NoRoomError,
    Release,
    Store,
    StoreRules,
    TrialRules,
    Trusted,
    UnusableStoreError,
)
from edge_recog.store.tryout import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def settled(store: Store, model_of: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what makes a model of a name the active one."""

    def settle(name: str) -> Any:
        model = model_of(name)
        store.install(model.data, where=name)
        trial = store.trial(TrialRules(frames=1))
        trial.started(0)
        trial.answered(1)
        trial.tick(1)
        assert store.state().active == model.digest
        return model

    return settle


def path_of(store: Store, digest: str) -> Path:
    return store.root / "versions" / digest / "model.tflite"


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_store_that_is_not_there_has_the_built_in_model_and_is_not_made(store: Store) -> None:
    chosen = store.chosen()

    assert (chosen.model, chosen.on_trial, chosen.notes) == (BUILT_IN, False, ())
    assert chosen.bundle.where == str(default_model())
    assert not store.root.exists()


def test_an_installed_model_is_the_candidate_and_not_yet_active(
    store: Store, model_of: Callable[[str], Any]
) -> None:
    model = model_of("a")
    digest = store.install(model.data, b"a signature", where="a.tflite")
    state = store.state()

    assert digest == model.digest
    assert (state.active, state.nominee) == (BUILT_IN, digest)
    assert store.chosen().model == BUILT_IN
    assert path_of(store, digest).read_bytes() == model.data
    assert path_of(store, digest).with_name("model.tflite.sig").read_bytes() == b"a signature"
    assert state.versions[digest].name == "a"
    assert state.versions[digest].size_bytes == len(model.data) + len(b"a signature")


def test_a_model_can_be_kept_only(store: Store, model_of: Callable[[str], Any]) -> None:
    digest = store.install(model_of("a").data, where="a", nominate=False)

    assert store.state().candidate is None
    assert digest in store.state().versions


def test_a_new_signature_takes_the_place_of_the_old_one_while_the_model_stays(
    store: Store, settled: Callable[[str], Any]
) -> None:
    model = settled("a")
    inode = path_of(store, model.digest).stat().st_ino
    store.install(model.data, b"new", where="a")

    assert path_of(store, model.digest).stat().st_ino == inode
    assert path_of(store, model.digest).with_name("model.tflite.sig").read_bytes() == b"new"
    assert store.state().active == model.digest
    assert store.state().candidate is None


@pytest.mark.parametrize(
    ("tried", "reason"),
    [
        (Outcome(runtime="r", vectors=1, p50_ms=20.1, memory_mb=1.0), "20.1 ms here"),
        (Outcome(runtime="r", vectors=1, p50_ms=1.0, memory_mb=10.1), "10.1 MB of memory"),
        (FailedTryoutError("m: the interpreter crashed"), "crashed"),
    ],
    ids=["slow", "large", "crash"],
)
def test_a_model_that_fails_here_leaves_no_trace(
    open_store: Callable[..., Store],
    model_of: Callable[[str], Any],
    tried: Outcome | Exception,
    reason: str,
) -> None:
    def tryout(model: bytes, *, where: str) -> Outcome:
        if isinstance(tried, Exception):
            raise tried
        return tried

    store = open_store(tryout=tryout, rules=StoreRules(most_p50_ms=20.0, most_memory_mb=10.0))
    with pytest.raises(FailedTryoutError, match=reason):
        store.install(model_of("a").data, where="m")
    assert not store.root.exists()


def test_a_file_that_is_no_model_is_refused(store: Store) -> None:
    with pytest.raises(BundleError, match="not a TFLite model"):
        store.install(b"hello", where="m")
    assert not store.root.exists()


class Gate:
    """Lets in what is signed with `good`, and remembers what is in use."""

    def __init__(self) -> None:
        self.used: list[Release] = []

    def admit(self, model: bytes, signature: bytes | None, *, where: str) -> Release | None:
        if signature != b"good":
            raise EdgeRecogError(f"{where}: nobody vouches for it")
        return Release("kitchen", len(model))

    def in_use(self, release: Release) -> None:
        self.used.append(release)


def test_who_decides_about_signatures_is_asked_each_time(
    open_store: Callable[..., Store], model_of: Callable[[str], Any]
) -> None:
    gate, model = Gate(), model_of("a")
    store = open_store(admission=gate)
    with pytest.raises(EdgeRecogError, match="nobody vouches"):
        store.install(model.data, b"bad", where="a")
    assert not store.root.exists()
    store.install(model.data, b"good", where="a", nominate=False)
    assert store.state().versions[model.digest].release == Release("kitchen", len(model.data))

    path_of(store, model.digest).with_name("model.tflite.sig").write_bytes(b"changed")
    with pytest.raises(EdgeRecogError, match="nobody vouches"):
        store.activate("a")
    (verdict,) = store.verify()
    assert "nobody vouches" in verdict.problem


def test_the_release_in_use_is_told_when_committed_and_at_every_start(
    open_store: Callable[..., Store], model_of: Callable[[str], Any]
) -> None:
    gate, model = Gate(), model_of("a")
    store = open_store(admission=gate)
    store.install(model.data, b"good", where="a")
    trial = store.trial(TrialRules(frames=1))
    trial.started(0)
    assert gate.used == []
    trial.answered(1)
    trial.tick(1)
    assert gate.used == [Release("kitchen", len(model.data))]
    open_store(admission=gate).trial().started(0)
    assert len(gate.used) == 2


def test_a_device_that_trusts_a_key_takes_signed_models_only(
    open_store: Callable[..., Store], model_of: Callable[[str], Any], tmp_path: Path
) -> None:
    pytest.importorskip("cryptography")
    from datetime import UTC, datetime

    from edge_recog.bundle import Bundle
    from edge_recog.signing import Trust, UnsignedError, new_statement, sign
    from edge_recog.signing.ed25519 import decode_private_key
    from edge_recog.signing.keyring import read_public_key, trust_key
    from edge_recog.signing.private_keys import make_key_pair

    keys = make_key_pair(tmp_path / "keys", "ada", passphrase=None)
    trust = Trust((tmp_path / "trust",), tmp_path / "state")
    store = open_store(admission=Trusted(trust))
    model = model_of("a")
    store.install(model.data, where="a", nominate=False)
    trust_key(trust.folders, read_public_key(keys.public), force=False)
    with pytest.raises(UnsignedError):
        store.activate("a")

    bundle = Bundle.from_bytes(model.data, where="a")
    private = decode_private_key(keys.private.read_text(), passphrase=None, where="ada")
    statement = new_statement(
        model=bundle.id,
        size_bytes=len(model.data),
        name="a",
        now=datetime.now(UTC),
        sequence=7,
        expires_at=None,
    )
    store.install(model.data, sign(private, statement), where="a")
    trial = store.trial(TrialRules(frames=1))
    trial.started(0)
    trial.answered(1)
    trial.tick(1)

    assert store.state().active == model.digest
    assert trust.floors.read() == {"a": 7}


def test_the_oldest_make_room_and_the_three_and_the_pinned_stay(
    open_store: Callable[..., Store], model_of: Callable[[str], Any], settled: Callable[..., Any]
) -> None:
    first, second = settled("a"), settled("b")
    plain = open_store()
    old, pinned, young = (model_of(name) for name in ("c", "d", "e"))
    for model in (old, pinned, young):
        plain.install(model.data, where="m", nominate=False)
    plain.pin("d")
    used = plain.state().used_bytes
    new = model_of("f")
    tight = open_store(rules=StoreRules(quota_mb=used / 1e6))
    tight.install(new.data, where="m")
    kept = set(tight.state().versions)

    assert kept == {m.digest for m in (first, second, pinned, young, new)}
    assert {path.name for path in (tight.root / "versions").iterdir()} == kept
    assert tight.state().used_bytes <= used


def test_a_model_without_room_is_refused_before_anything_goes(
    open_store: Callable[..., Store], model_of: Callable[[str], Any], settled: Callable[..., Any]
) -> None:
    settled("a")
    settled("b")
    model = model_of("c")
    before = open_store().state()
    tight = open_store(rules=StoreRules(quota_mb=before.used_bytes / 1e6))
    with pytest.raises(NoRoomError, match="unpin or remove"):
        tight.install(model.data, where="c")
    smaller = open_store(rules=StoreRules(quota_mb=0.001))
    with pytest.raises(NoRoomError, match="--quota-mb"):
        smaller.install(model.data, where="c")

    assert tight.state() == before


@pytest.mark.parametrize("how", ["bit", "end", "gone", "link"])
def test_a_damaged_active_model_is_passed_over_and_then_replaced(
    store: Store, settled: Callable[[str], Any], how: str, tmp_path: Path
) -> None:
    first, second = settled("a"), settled("b")
    path = path_of(store, second.digest)
    if how == "bit":
        damage(path)
    elif how == "end":
        os.truncate(path, 100)
    else:
        path.unlink()
        if how == "link":
            path.symlink_to(tmp_path / "elsewhere")
    chosen = store.chosen()

    assert chosen.model == first.digest
    assert str(path) in chosen.notes[0]
    # Whoever only reads changes nothing.
    assert store.state().active == second.digest
    notes = store.tidy()
    assert str(path) in notes[0]
    assert store.state().active == first.digest
    assert not path.parent.exists()
    damage(path_of(store, first.digest))
    assert store.chosen().model == BUILT_IN
    store.tidy()
    assert store.state().active == BUILT_IN
    assert not store.state().versions


def test_a_disk_that_cannot_read_for_a_while_loses_nothing(
    store: Store, settled: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_recog.store import folder

    first, second = settled("a"), settled("b")
    read = folder.Folder.read

    def fail(self: folder.Folder, name: str, *, most_bytes: int) -> bytes:
        if second.digest in name:
            raise OSError(5, "Input/output error")
        return read(self, name, most_bytes=most_bytes)

    with monkeypatch.context() as patch:
        patch.setattr(folder.Folder, "read", fail)
        assert store.chosen().model == first.digest
        assert "Input/output error" in store.tidy()[0]
        assert store.chosen().model == first.digest
    assert store.chosen().model == second.digest


def test_a_state_that_cannot_be_read_for_a_while_is_not_made_anew(
    store: Store, settled: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_recog.store import folder

    model = settled("a")

    def fail(self: folder.Folder, name: str, *, most_bytes: int) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(folder.Folder, "read", fail)
        chosen = store.chosen()
        assert chosen.model == BUILT_IN
        assert "Input/output error" in chosen.notes[0]
        with pytest.raises(UnusableStoreError, match="Input/output error"):
            store.tidy()
    assert store.chosen().model == model.digest


@pytest.mark.parametrize("name", ["state.json", "state.copy.json"])
@pytest.mark.parametrize("how", ["bit", "gone"])
def test_one_of_the_two_state_files_is_enough(
    store: Store, settled: Callable[[str], Any], name: str, how: str
) -> None:
    model = settled("a")
    before = store.state()
    if how == "bit":
        damage(store.root / name)
    else:
        (store.root / name).unlink()

    assert store.state() == before
    assert store.chosen().model == model.digest
    assert store.tidy() == ()
    assert (store.root / "state.json").read_bytes() == (store.root / "state.copy.json").read_bytes()


@pytest.mark.parametrize("how", ["bit", "gone"])
def test_without_any_state_the_built_in_model_runs_and_the_others_are_kept(
    store: Store, settled: Callable[[str], Any], how: str
) -> None:
    first, second = settled("a"), settled("b")
    damage(path_of(store, second.digest))
    for name in ("state.json", "state.copy.json"):
        if how == "bit":
            damage(store.root / name)
        else:
            (store.root / name).unlink()
    chosen = store.chosen()

    assert chosen.model == BUILT_IN
    assert "the state was lost" in chosen.notes[0]
    assert any("the state was lost" in note for note in store.tidy())
    assert list(store.state().versions) == [first.digest]
    store.activate("a")
    assert store.state().nominee == first.digest


def test_a_state_of_a_newer_version_is_left_alone(
    store: Store, settled: Callable[[str], Any], model_of: Callable[[str], Any]
) -> None:
    settled("a")
    for name in ("state.json", "state.copy.json"):
        document = json.loads((store.root / name).read_text())
        (store.root / name).write_text(json.dumps(document | {"schema_version": 2}))
    chosen = store.chosen()

    assert chosen.model == BUILT_IN
    assert "newer version" in chosen.notes[0]
    with pytest.raises(UnusableStoreError, match="update edge-recog"):
        store.install(model_of("b").data, where="b")
    assert json.loads((store.root / "state.json").read_text())["schema_version"] == 2


def test_who_finds_another_one_at_work_waits_and_then_says_so(
    open_store: Callable[..., Store], model_of: Callable[[str], Any]
) -> None:
    store = open_store(wait_s=0.0)
    store.tidy()
    with (store.root / "store.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another process"):
            store.install(model_of("a").data, where="a")
        assert store.chosen().model == BUILT_IN
    store.install(model_of("a").data, where="a")


def test_installers_side_by_side_all_have_their_way(
    open_store: Callable[..., Store], model_of: Callable[[str], Any], leftovers: Callable[..., Any]
) -> None:
    models = [model_of(str(number)) for number in range(6)]
    errors: list[Exception] = []

    def install(model: Any) -> None:
        try:
            open_store(wait_s=60.0).install(model.data, where="m")
        except EdgeRecogError as error:
            errors.append(error)

    threads = [threading.Thread(target=install, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = open_store()

    assert errors == []
    assert set(store.state().versions) == {model.digest for model in models}
    assert store.state().nominee in store.state().versions
    assert leftovers(store) == []


def test_verify_finds_what_is_damaged(store: Store, settled: Callable[[str], Any]) -> None:
    first, second = settled("a"), settled("b")
    damage(path_of(store, first.digest))
    verdicts = {verdict.digest: verdict for verdict in store.verify()}

    assert "damaged on the disk" in verdicts[first.digest].problem
    assert verdicts[second.digest].problem == ""
    assert verdicts[second.digest].outcome is not None
    assert [v.outcome for v in store.verify("active", run=False)] == [None]
    with pytest.raises(UsageError, match="belongs to the package"):
        list(store.verify("built-in"))


def test_a_damaged_version_cannot_be_activated_and_can_be_installed_again(
    store: Store, settled: Callable[[str], Any], model_of: Callable[[str], Any]
) -> None:
    settled("a")
    spare = model_of("c")
    store.install(spare.data, where="c", nominate=False)
    damage(path_of(store, spare.digest))
    with pytest.raises(DamagedVersionError, match="changed or damaged"):
        store.activate("c")
    store.install(spare.data, where="c")

    assert store.state().nominee == spare.digest
    assert path_of(store, spare.digest).read_bytes() == spare.data


def test_the_built_in_model_is_active_at_once(
    store: Store, settled: Callable[[str], Any], model_of: Callable[[str], Any]
) -> None:
    model = settled("a")
    store.install(model_of("b").data, where="b")
    assert store.activate("built-in") == BUILT_IN
    state = store.state()

    assert (state.active, state.previous, state.candidate) == (BUILT_IN, model.digest, None)
    store.roll_back()
    assert store.chosen().model == model.digest


def test_removing_takes_the_files_along(
    store: Store, settled: Callable[[str], Any], model_of: Callable[[str], Any]
) -> None:
    model = settled("a")
    spare = store.install(model_of("b").data, where="b", nominate=False)
    store.remove("b")
    assert not path_of(store, spare).parent.exists()
    with pytest.raises(UsageError, match="is the active model"):
        store.remove("a")
    assert path_of(store, model.digest).exists()


def test_what_nobody_wanted_in_the_folder_of_versions_goes(
    store: Store, settled: Callable[[str], Any]
) -> None:
    model = settled("a")
    stray = store.root / "versions" / ("f" * 64)
    stray.mkdir()
    (stray / "model.tflite").write_bytes(b"half")
    (store.root / "incoming" / "x" / "y").mkdir(parents=True)
    (store.root / "state.json.1234.part").write_bytes(b"half")
    inner = path_of(store, model.digest).with_name("model.tflite.sig.1234.part")
    inner.write_bytes(b"half")
    theirs = store.root / "notes.txt"
    theirs.write_text("somebody's own")
    store.tidy()

    assert not stray.exists()
    assert not inner.exists()
    assert list((store.root / "incoming").iterdir()) == []
    assert not list(store.root.glob("*.part"))
    assert theirs.exists()


def test_nothing_is_written_when_nothing_changes(
    store: Store, settled: Callable[[str], Any]
) -> None:
    def facts() -> dict[Path, tuple[int, int]]:
        found = {path: path.stat() for path in [store.root, *store.root.rglob("*")]}
        return {path: (fact.st_ino, fact.st_mtime_ns) for path, fact in found.items()}

    settled("a")
    store.tidy()
    before = facts()
    store.tidy()
    store.chosen()
    store.trial().started(0)
    store.activate("a")
    list(store.verify())

    assert facts() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for others")
def test_what_root_installs_belongs_to_whom_the_folder_belongs(
    store: Store, model_of: Callable[[str], Any]
) -> None:
    private = store.root.parent / "private"
    private.mkdir(mode=0o700)
    root = private / "models"
    root.mkdir()
    try:
        os.chown(root, 12345, 23456)
    except OSError:
        pytest.skip("this root has no other users: it is one in a user namespace")
    theirs = Store(root, tryout=store._tryout)
    theirs.install(model_of("a").data, where="a")
    theirs.trial().started(0)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in root.rglob("*")}

    assert owners == {(12345, 23456)}
    assert (os.geteuid(), os.getegid()) == (0, os.getgid())


def test_a_folder_that_is_a_file_is_said_in_one_sentence(
    store: Store, model_of: Callable[[str], Any]
) -> None:
    store.root.write_text("a file")
    with pytest.raises(UnusableStoreError, match="models: cannot be read: Not a directory"):
        store.install(model_of("a").data, where="a")
    assert store.chosen().model == BUILT_IN
    assert "cannot be read" in store.chosen().notes[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_of_somebody_else_is_said_in_one_sentence(store: Store) -> None:
    store.tidy()
    store.root.chmod(0)
    try:
        with pytest.raises(UnusableStoreError, match="Permission denied"):
            store.state()
    finally:
        store.root.chmod(stat.S_IRWXU)
