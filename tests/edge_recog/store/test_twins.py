"""A model and its compiled twin in one version: installed, proved, damaged and removed together."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.errors import (
    BundleError,
    DelegateError,
    EdgeRecogError,
    InterpreterError,
)
from edge_recog.interpreters import DelegateSpec
from edge_recog.interpreters.twins import Twins, compiled_twin
from edge_recog.store import (
    BUILT_IN,
    FailedTryoutError,
    NoRoomError,
    OtherReleaseError,
    Release,
    Store,
    StoreRules,
    TrialRules,
    TwinFile,
)
from edge_recog.store.identity import Files
from edge_recog.store.tryout import Outcome, try_twins_on_device

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHERE = "a_edgetpu.tflite"


def install(store: Store, pair: Any, **options: Any) -> str:
    return store.install(
        pair.model, where="a.tflite", twin=TwinFile(pair.compiled, WHERE), **options
    )


def settle(store: Store, pair: Any) -> None:
    """Make a pair the active version."""
    install(store, pair)
    trial = store.trial(TrialRules(frames=1))
    trial.started(0)
    trial.answered(1)
    trial.tick(1)
    assert store.state().active == pair.digest


def twins_of(pair: Any) -> Twins:
    bundle = Bundle.from_bytes(pair.model, where="a.tflite")
    return Twins(bundle, compiled_twin(bundle, pair.compiled, where=WHERE))


def folder_of(store: Store, digest: str) -> Path:
    return store.root / "versions" / digest


def test_a_version_is_named_by_its_model_alone_or_by_both_files() -> None:
    alone = Files(b"model")

    assert alone.digest == hashlib.sha256(b"model").hexdigest()
    digests = {
        alone.digest,
        Files(b"model", b"compiled").digest,
        Files(b"model", b"compiled anew").digest,
        Files(b"another", b"compiled").digest,
        Files(b"modelcompiled").digest,
        Files(b"compiled", b"model").digest,
    }
    assert len(digests) == 6


def test_one_install_keeps_both_files(store: Store, pair_of: Callable[..., Any]) -> None:
    pair = pair_of("a")
    twin = TwinFile(pair.compiled, WHERE, b"its signature")
    digest = store.install(pair.model, b"a signature", where="a.tflite", twin=twin)
    version = store.state().versions[digest]
    kept = {path.name: path.read_bytes() for path in folder_of(store, digest).iterdir()}

    assert digest == pair.digest
    assert kept == {
        "model.tflite": pair.model,
        "model.tflite.sig": b"a signature",
        "model_edgetpu.tflite": pair.compiled,
        "model_edgetpu.tflite.sig": b"its signature",
    }
    assert version.size_bytes == sum(map(len, kept.values()))
    assert version.p50_ms == 1.0
    assert version.twin is not None
    assert version.twin.p50_ms == 0.5
    assert version.twin.is_signed
    assert version.twin.compiled == hashlib.sha256(pair.compiled).hexdigest()


def test_the_same_model_with_another_twin_has_to_prove_itself_anew(
    store: Store, pair_of: Callable[..., Any]
) -> None:
    pair, other = pair_of("a"), pair_of("a", compiler="16.1")
    settle(store, pair)
    digest = install(store, other)
    state = store.state()

    assert pair.model == other.model
    assert digest != pair.digest
    assert (state.active, state.nominee) == (pair.digest, digest)
    install(store, pair)
    assert store.state().nominee is None


def test_a_version_is_found_by_the_ids_of_its_files_too(
    store: Store, pair_of: Callable[..., Any]
) -> None:
    pair = pair_of("a")
    install(store, pair, nominate=False)
    for data in (pair.model, pair.compiled):
        store.pin(hashlib.sha256(data).hexdigest()[:12])
        assert store.pin(f"sha256:{hashlib.sha256(data).hexdigest()}", on=False) == pair.digest


def test_a_file_that_is_no_twin_keeps_the_model_out_as_well(
    store: Store, pair_of: Callable[..., Any], model_of: Callable[[str], Any]
) -> None:
    twin = TwinFile(pair_of("a").compiled, WHERE)
    with pytest.raises(BundleError, match=f"{WHERE}: not compiled from b.tflite"):
        store.install(model_of("b").data, where="b.tflite", twin=twin)
    assert not store.root.exists()


def test_both_count_for_the_quota(
    open_store: Callable[..., Store], pair_of: Callable[..., Any]
) -> None:
    pair = pair_of("a")
    one = len(pair.model) + len(pair.compiled)
    with pytest.raises(NoRoomError, match="--quota-mb"):
        install(open_store(rules=StoreRules(quota_mb=(one - 1) / 1e6)), pair)
    store = open_store(rules=StoreRules(quota_mb=(2 * one - 1) / 1e6))
    install(store, pair, nominate=False)
    assert install(store, pair_of("b"), nominate=False) in store.state().versions
    assert pair.digest not in store.state().versions
    assert not folder_of(store, pair.digest).exists()


@pytest.mark.parametrize("slow", ["model", "twin"])
def test_neither_may_take_longer_than_is_allowed(
    open_store: Callable[..., Store], pair_of: Callable[..., Any], slow: str
) -> None:
    quick, slower = (
        Outcome(runtime="r", vectors=1, p50_ms=p50_ms, memory_mb=1.0) for p50_ms in (1.0, 20.0)
    )
    both = (slower, quick) if slow == "model" else (quick, slower)
    store = open_store(twins_tryout=lambda twins: both, rules=StoreRules(most_p50_ms=10.0))
    where = "a.tflite" if slow == "model" else WHERE
    with pytest.raises(FailedTryoutError, match=f"^{where}: a picture takes 20.0 ms"):
        install(store, pair_of("a"))


@pytest.mark.parametrize("name", ["model.tflite", "model_edgetpu.tflite"])
@pytest.mark.parametrize("how", ["bit", "gone"])
def test_a_version_with_one_damaged_file_is_passed_over(
    store: Store, pair_of: Callable[..., Any], name: str, how: str
) -> None:
    first, second = pair_of("a"), pair_of("b")
    settle(store, first)
    settle(store, second)
    path = folder_of(store, second.digest) / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    chosen = store.chosen()

    assert chosen.model == first.digest
    assert second.digest in chosen.notes[0]
    (problem,) = [one.problem for one in store.verify(second.digest, run=False)]
    assert "damaged on the disk" in problem or "cannot be read" in problem
    store.tidy()
    assert set(store.state().versions) == {first.digest}


def test_what_is_chosen_brings_its_twin_along(store: Store, pair_of: Callable[..., Any]) -> None:
    pair = pair_of("a")
    settle(store, pair)
    twins = store.chosen().twins

    assert twins.bundle.data == pair.model
    assert twins.compiled is not None
    assert twins.compiled.data == pair.compiled
    assert store.trial().started(0).twins.compiled is not None


def test_removing_a_version_removes_both(store: Store, pair_of: Callable[..., Any]) -> None:
    pair = pair_of("a")
    install(store, pair, nominate=False)
    store.remove("a")
    assert list((store.root / "versions").iterdir()) == []


def test_a_lost_state_is_made_anew_with_twins(store: Store, pair_of: Callable[..., Any]) -> None:
    pair = pair_of("a")
    settle(store, pair)
    before = store.state().versions[pair.digest].twin
    for name in ("state.json", "state.copy.json"):
        (store.root / name).write_text("{}")
    store.tidy()
    version = store.state().versions[pair.digest]

    assert store.state().active == BUILT_IN
    assert version.size_bytes == len(pair.model) + len(pair.compiled)
    assert version.twin is not None
    assert before is not None
    assert (version.twin.model, version.twin.compiled) == (before.model, before.compiled)


class Gate:
    """Lets in what is signed with a number, as that release."""

    def admit(self, model: bytes, signature: bytes | None, *, where: str) -> Release | None:
        if signature is None:
            raise EdgeRecogError(f"{where}: nobody vouches for it")
        return Release("a", int(signature))

    def in_use(self, release: Release) -> None:
        pass


@pytest.mark.parametrize(
    ("signature", "error", "said"),
    [
        (None, EdgeRecogError, f"{WHERE}: nobody vouches"),
        (b"6", OtherReleaseError, "as release 6 of 'a', and the model as release 7 of 'a'"),
    ],
    ids=["unsigned", "another release"],
)
def test_whoever_signs_a_model_signs_its_twin(
    open_store: Callable[..., Store],
    pair_of: Callable[..., Any],
    signature: bytes | None,
    error: type[Exception],
    said: str,
) -> None:
    pair, store = pair_of("a"), open_store(admission=Gate())
    twin = TwinFile(pair.compiled, WHERE, signature)
    with pytest.raises(error, match=said):
        store.install(pair.model, b"7", where="a.tflite", twin=twin)
    assert not store.root.exists()


def test_both_signatures_are_asked_again_before_a_version_is_activated(
    open_store: Callable[..., Store], pair_of: Callable[..., Any]
) -> None:
    pair, store = pair_of("a"), open_store(admission=Gate())
    twin = TwinFile(pair.compiled, WHERE, b"7")
    store.install(pair.model, b"7", where="a.tflite", twin=twin, nominate=False)
    (folder_of(store, pair.digest) / "model_edgetpu.tflite.sig").unlink()

    with pytest.raises(EdgeRecogError, match=r"model_edgetpu\.tflite: nobody vouches"):
        store.activate("a")
    (verdict,) = store.verify()
    assert "nobody vouches" in verdict.problem


def on_edge_tpu(library: Path) -> Callable[[Twins], Classifier]:
    spec = DelegateSpec(str(library))
    return lambda twins: Classifier.open(twins.chosen(spec), delegate=spec)


def test_a_candidate_is_loaded_with_its_twin(
    store: Store, pair_of: Callable[..., Any], edge_tpu_library: Path
) -> None:
    pair = pair_of("a")
    install(store, pair)
    chosen, classifier = store.trial().load_twins(on_edge_tpu(edge_tpu_library))
    with classifier:
        assert chosen.on_trial
        assert classifier.bundle.data == pair.compiled
        assert "libedgetpu" in classifier.runtime


def test_who_knows_nothing_of_twins_is_given_the_model(
    store: Store, pair_of: Callable[..., Any]
) -> None:
    pair = pair_of("a")
    install(store, pair)
    chosen, data = store.trial().load(lambda bundle: bundle.data)

    assert chosen.on_trial
    assert data == pair.model


@pytest.mark.parametrize(
    ("error", "failures"), [(DelegateError, 0), (InterpreterError, 1)], ids=["accelerator", "model"]
)
def test_an_accelerator_that_fails_is_not_held_against_the_candidate(
    store: Store, pair_of: Callable[..., Any], error: type[EdgeRecogError], failures: int
) -> None:
    active, candidate = pair_of("a"), pair_of("b")
    settle(store, active)
    install(store, candidate)

    def open_it(twins: Twins) -> str:
        if twins.bundle.data == candidate.model:
            raise error("it does not go")
        return twins.bundle.name

    chosen, opened = store.trial().load_twins(open_it)
    trouble = store.state().troubles.get(candidate.digest)

    assert (chosen.model, opened) == (active.digest, "a")
    assert store.state().nominee is None
    assert (0 if trouble is None else trouble.failures) == failures


def test_a_candidate_that_loses_its_accelerator_is_rolled_back_without_blame(
    store: Store, pair_of: Callable[..., Any]
) -> None:
    install(store, pair_of("a"))
    trial = store.trial()
    trial.started(0)
    trial.unhealthy("the device is gone", counts=False)
    ended = trial.tick(1)

    assert ended is not None
    assert ended.how == "rolled-back"
    assert store.state().nominee is None
    assert not store.state().troubles


def test_a_model_is_tried_on_the_cpu_and_its_twin_on_the_edge_tpu(
    pair_of: Callable[..., Any], edge_tpu_library: Path
) -> None:
    outcome, accelerated = try_twins_on_device(
        twins_of(pair_of("a")), delegate=f"{edge_tpu_library}?device=usb:0"
    )

    assert accelerated is not None
    assert "libedgetpu" in accelerated.runtime
    assert "libedgetpu" not in outcome.runtime
    assert accelerated.vectors == outcome.vectors > 0


@pytest.mark.parametrize(
    ("op", "query", "said"),
    [
        ("RELU6", "", f"{WHERE}: .* golden vectors failed; .*the output differs by"),
        ("RELU", "?device=usb:9", f"{WHERE}: the Edge TPU 'usb:9' cannot be opened"),
        ("RELU", "?fail=prepare", f"{WHERE}: .* cannot compile this graph"),
        ("RELU", "?fail=invoke", f"{WHERE}: .* the device is gone"),
        ("RELU", "?fail=crash", f"{WHERE}: the interpreter crashed .*SIGABRT"),
    ],
    ids=["other answers", "no device", "prepare", "invoke", "crash"],
)
def test_a_twin_that_fails_here_is_not_installed(
    pair_of: Callable[..., Any], edge_tpu_library: Path, op: str, query: str, said: str
) -> None:
    with pytest.raises(FailedTryoutError, match=said):
        try_twins_on_device(twins_of(pair_of("a", op=op)), delegate=f"{edge_tpu_library}{query}")


def test_without_an_edge_tpu_a_twin_is_kept_and_not_tried(pair_of: Callable[..., Any]) -> None:
    outcome, accelerated = try_twins_on_device(twins_of(pair_of("a")))

    assert outcome.vectors > 0
    assert accelerated is None


@pytest.fixture
def side_by_side(pair_of: Callable[..., Any], tmp_path: Path) -> Path:
    pair, path = pair_of("a"), tmp_path / "a.tflite"
    path.write_bytes(pair.model)
    path.with_name("a_edgetpu.tflite").write_bytes(pair.compiled)
    return path


@pytest.fixture
def model(
    edge_recog: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Return what runs `edge-recog model` on a store of this test, without keys."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.setattr("edge_recog.signing.places.SYSTEM", tmp_path / "system" / "trust")
    root = tmp_path / "state" / "models"
    return lambda verb, *rest: edge_recog("model", verb, *rest, "--dir", root)


def test_the_command_takes_the_twin_that_lies_beside_a_model_and_says_so(
    model: Callable[..., Any], side_by_side: Path, edge_tpu_library: Path
) -> None:
    outcome = model("install", side_by_side, "--delegate", str(edge_tpu_library))
    assert (outcome.code, outcome.err) == (0, "")
    assert "its compiled twin came along (sha256:" in outcome.out
    assert re.search(r"ms a picture on (ai-edge-litert|tflite-runtime) 2\.", outcome.out)
    assert "with its Edge TPU twin" in model("list").out
    (listed,) = json.loads(model("list", "--json").out)["models"]
    compiled = side_by_side.with_name("a_edgetpu.tflite").read_bytes()
    assert listed["edge_tpu"]["id"] == f"sha256:{hashlib.sha256(compiled).hexdigest()}"

    outcome = model("verify", "--delegate", str(edge_tpu_library))
    assert outcome.code == 0
    assert "; on the Edge TPU 1/1 golden vectors" in outcome.out


def test_the_command_says_that_a_twin_was_not_tried(
    model: Callable[..., Any], side_by_side: Path
) -> None:
    outcome = model("install", side_by_side, "--no-activate")
    assert outcome.code == 0
    assert "not tried: --delegate edgetpu does" in outcome.out


def test_the_command_can_leave_the_twin_where_it_is(
    model: Callable[..., Any], side_by_side: Path
) -> None:
    outcome = model("install", side_by_side, "--no-activate", "--no-twin", "--json")
    assert json.loads(outcome.out)["models"][0]["edge_tpu"] is None


def test_the_command_wants_the_model_named_and_not_its_twin(
    model: Callable[..., Any], side_by_side: Path
) -> None:
    outcome = model("install", side_by_side.with_name("a_edgetpu.tflite"))
    assert outcome.code == 2
    assert "a.tflite, which brings it along" in " ".join(outcome.err.split())
