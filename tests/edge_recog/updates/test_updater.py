from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from edge_recog.errors import EdgeRecogError
from edge_recog.models import default_model
from edge_recog.signing import Trust
from edge_recog.store import BUILT_IN, FailedTryoutError, Store, StoreRules, TrialRules, Trusted
from edge_recog.store.tryout import Outcome
from edge_recog.updates import RefusedError, UnreachableError
from edge_recog.updates import updater as module
from edge_recog.updates.deciding import MOST_REJECTIONS
from edge_recog.updates.journal import FILE_NAME, read_journal
from edge_recog.updates.updater import Updater

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.updates.reports import Report

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC) + timedelta(hours=1)
SECOND_NS = 10**9


def pass_all(model: bytes, *, where: str) -> Outcome:
    del model, where
    return Outcome(runtime="a test", vectors=2, p50_ms=1.0, memory_mb=1.0)


class Device:
    """A device whose processes come and go; its folders stay."""

    def __init__(self, folder: Path, repository: Any) -> None:
        self.folder = folder
        self.repository = repository
        self.reports: list[Report] = []
        self.reloads = 0
        self.tryout: Any = pass_all
        self.now = NOW
        self.admission: Any = None
        self.store_rules: StoreRules | None = None
        self.restart()

    def restart(self) -> None:
        self.store = Store(
            self.folder / "models",
            tryout=lambda model, *, where: self.tryout(model, where=where),
            admission=self.admission,
            rules=self.store_rules,
        )
        self.updater = Updater(
            self.store,
            self.repository,
            self.folder / "updates",
            channel="stable",
            tell=self.reports.append,
            reload=self._reload,
            now=lambda: self.now,
            draw=lambda: 0.5,
        )

    def _reload(self) -> None:
        self.reloads += 1

    def told(self) -> list[str]:
        return [report.state for report in self.reports]

    def run_trial(self, *, fails: str | None = None) -> None:
        """Run the candidate until it has proved itself, or fails."""
        trial = self.store.trial(TrialRules(frames=10))
        trial.started(0)
        if fails is None:
            trial.answered(SECOND_NS, 10)
        else:
            trial.unhealthy(fails)
        assert trial.tick(2 * SECOND_NS) is not None


@pytest.fixture
def device(tmp_path: Path, repository: Any) -> Device:
    return Device(tmp_path, repository)


@pytest.fixture
def publish(
    repository: Any,
    model_of: Callable[[str], bytes],
    make_release: Callable[..., Any],
    make_offers: Callable[..., Any],
) -> Callable[..., str]:
    """Return what publishes a model of a name, and returns its digest."""

    def make(name: str, number: int, *, data: bytes | None = None, **changes: Any) -> str:
        stopped = changes.pop("stopped", ())
        digest: str = repository.add(model_of(name) if data is None else data)
        offered = make_release(digest, number=number, name=name, **changes)
        repository.offers = make_offers(offered, stopped=stopped)
        return digest

    return make


def test_a_release_goes_from_the_server_to_use(device: Device, publish: Callable[..., str]) -> None:
    digest = publish("one", 1)

    device.updater.look()
    assert device.store.state().nominee == digest
    device.run_trial()
    device.updater.glance()

    assert device.store.state().active == digest
    assert device.told() == ["downloading", "trial", "committed"]
    assert device.reloads == 1
    assert [report.number for report in device.reports] == [1, 1, 1]
    assert device.reports[-1].model == f"sha256:{digest}"


def test_a_device_that_is_up_to_date_says_what_it_has(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 3)
    device.updater.look()
    device.run_trial()
    device.updater.glance()

    device.updater.look()

    assert (device.reports[-1].state, device.reports[-1].number) == ("current", 3)
    assert device.repository.fetched.__len__() == 1


def test_a_release_that_fails_is_reported_and_tried_again_but_not_for_ever(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 1)

    for _ in range(6):
        device.updater.look()
        if device.store.state().candidate is not None:
            device.run_trial(fails="the model hangs")
        device.updater.glance()

    failed = [report for report in device.reports if report.state == "failed"]
    assert [(report.attempt, report.reason) for report in failed] == [
        (turn, "the model hangs") for turn in range(1, MOST_REJECTIONS + 1)
    ]
    assert device.told()[-1] == "waiting"
    assert device.store.state().active == BUILT_IN
    assert len(device.repository.fetched) == 1  # The store keeps it meanwhile.


def test_a_model_that_the_tryout_rejects_is_not_fetched_for_ever(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 1)

    def fail(model: bytes, *, where: str) -> Outcome:
        del model
        raise FailedTryoutError(f"{where}: too slow")

    device.tryout = fail

    for _ in range(6):
        device.updater.look()

    assert len(device.repository.fetched) == MOST_REJECTIONS
    assert device.told().count("failed") == MOST_REJECTIONS
    assert "too slow" in device.reports[1].reason


def test_what_is_no_model_is_fetched_once(device: Device, publish: Callable[..., str]) -> None:
    publish("one", 1, data=b"no model")

    for _ in range(3):
        device.updater.look()

    assert len(device.repository.fetched) == 1
    assert device.told() == ["downloading", "failed", "waiting", "waiting"]


def test_a_device_with_keys_takes_only_what_they_have_signed(
    device: Device, publish: Callable[..., str], tmp_path: Path
) -> None:
    from edge_recog.signing import PublicKey
    from edge_recog.signing.ed25519 import new_private_key, public_bytes
    from edge_recog.signing.keyring import trust_key

    keys = tmp_path / "trust"
    trust_key((keys,), PublicKey(public_bytes(new_private_key()), "ada"), force=False)
    device.admission = Trusted(Trust((keys,), tmp_path / "floors"))
    device.restart()
    publish("one", 1)

    device.updater.look()

    assert device.reports[-1].state == "failed"
    assert "not signed" in device.reports[-1].reason


def test_the_signature_of_the_model_goes_along(
    device: Device, publish: Callable[..., str], tmp_path: Path, model_of: Callable[[str], bytes]
) -> None:
    import base64

    from edge_recog.signing import PublicKey, new_statement, sign
    from edge_recog.signing.ed25519 import new_private_key, public_bytes
    from edge_recog.signing.keyring import trust_key

    keys, key = tmp_path / "trust", new_private_key()
    trust_key((keys,), PublicKey(public_bytes(key), "ada"), force=False)
    device.admission = Trusted(Trust((keys,), tmp_path / "floors"))
    device.restart()
    data = model_of("one")
    statement = new_statement(
        model=f"sha256:{hashlib.sha256(data).hexdigest()}",
        size_bytes=len(data),
        name="one",
        now=NOW,
    )
    publish("one", 1, signature=base64.b64encode(sign(key, statement)).decode())

    device.updater.look()

    assert device.told() == ["downloading", "trial"]


def test_a_release_that_is_stopped_while_on_trial_is_given_up(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 1)
    device.updater.look()
    publish("one", 1, stopped=((1, "it hangs"),))

    device.updater.look()

    assert device.store.state().candidate is None
    assert device.reports[-1].state == "withdrawn"
    assert device.reports[-1].reason == "stopped: it hangs"
    assert device.reloads == 2


def test_a_release_that_is_stopped_after_it_was_committed_stays(
    device: Device, publish: Callable[..., str]
) -> None:
    digest = publish("one", 1)
    device.updater.look()
    device.run_trial()
    device.updater.glance()
    publish("one", 1, stopped=((1, "it hangs"),))

    device.updater.look()

    assert device.store.state().active == digest


def test_a_newer_release_takes_the_place_of_one_on_trial(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 1)
    device.updater.look()
    second = publish("two", 2)

    device.updater.look()

    assert device.store.state().nominee == second
    assert device.told() == ["downloading", "trial", "downloading", "trial"]


def test_a_new_release_of_the_model_in_use_needs_no_trial(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 1)
    device.updater.look()
    device.run_trial()
    device.updater.glance()
    publish("one", 2)

    device.updater.look()

    assert device.reports[-1].state == "committed"
    assert read_journal(device.folder / "updates").channels["stable"].number == 2
    assert len(device.repository.fetched) == 1


def test_an_older_release_is_refused_as_a_downgrade(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("two", 2)
    device.updater.look()
    device.run_trial()
    device.updater.glance()
    publish("one", 1)

    device.updater.look()

    assert (device.reports[-1].state, device.reports[-1].kind) == ("refused", "downgrade")
    assert len(device.repository.fetched) == 1


def test_who_activates_another_model_by_hand_is_not_overruled(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 1)
    device.updater.look()
    device.store.roll_back()

    device.updater.glance()
    device.updater.look()

    assert device.told() == ["downloading", "trial", "withdrawn", "waiting"]
    assert device.store.state().candidate is None


def test_another_file_than_was_signed_is_never_installed(
    device: Device, publish: Callable[..., str], model_of: Callable[[str], bytes]
) -> None:
    digest = publish("one", 1)
    device.repository.files[digest] = model_of("evil")

    device.updater.look()

    assert (device.reports[-1].state, device.reports[-1].kind) == ("refused", "altered")
    assert device.store.state().versions == {}


def test_a_file_larger_than_the_store_is_not_fetched(
    device: Device, publish: Callable[..., str]
) -> None:
    device.store_rules = StoreRules(quota_mb=0.0001)
    device.restart()
    publish("one", 1)

    device.updater.look()

    assert device.reports[-1].state == "unusable"
    assert device.repository.fetched == []


@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (RefusedError("stale", "expired"), "refused", "expired"),
        (UnreachableError("away"), "unreachable", ""),
    ],
    ids=["refused", "unreachable"],
)
def test_a_look_that_fails_is_told_and_the_next_ones_come_later(
    device: Device, error: Exception, state: str, kind: str
) -> None:
    device.repository.offers = error
    usual = device.updater.next_delay_s()

    for _ in range(3):
        device.updater.look()

    assert (device.reports[-1].state, device.reports[-1].kind) == (state, kind)
    assert device.updater.next_delay_s() == 4 * usual


def test_a_look_that_succeeds_ends_the_waiting(device: Device, publish: Callable[..., str]) -> None:
    usual = device.updater.next_delay_s()
    device.repository.offers = UnreachableError("busy", retry_after_s=1e5)
    device.updater.look()
    assert device.updater.next_delay_s() > 1e5

    publish("one", 1)
    device.updater.look()

    assert device.updater.next_delay_s() == usual


@pytest.mark.parametrize(
    "now",
    [datetime(1970, 1, 1, tzinfo=UTC), NOW - timedelta(days=30)],
    ids=["never-set", "before-the-release"],
)
def test_nothing_is_believed_while_the_clock_is_wrong(
    device: Device, publish: Callable[..., str], now: datetime
) -> None:
    publish("one", 1)
    device.now = now

    device.updater.look()

    assert device.reports[-1].state == "unusable"
    assert "set-ntp" in device.reports[-1].reason
    assert device.repository.fetched == []


def test_a_damaged_journal_is_begun_anew(device: Device, publish: Callable[..., str]) -> None:
    publish("one", 1)
    (device.folder / "updates").mkdir()
    (device.folder / "updates" / FILE_NAME).write_text("{half")

    device.updater.look()

    assert device.told() == ["downloading", "trial"]


class Killed(BaseException):
    """The process is dead."""


@pytest.mark.parametrize("step", range(1, 7))
def test_a_device_that_dies_at_any_step_ends_with_the_release_all_the_same(
    device: Device, publish: Callable[..., str], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    digest = publish("one", 1)
    steps = 0

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == step:
                raise Killed
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_journal", dying(module.write_journal))
        patched.setattr(device.repository, "fetch", dying(device.repository.fetch))
        patched.setattr(Store, "install", dying(Store.install))
        try:
            device.updater.look()
            device.run_trial()
            device.updater.glance()
        except Killed:
            pass

    device.restart()
    device.updater.glance()
    device.updater.look()
    if device.store.state().candidate is not None:
        device.run_trial()
    device.updater.glance()

    assert device.store.state().active == digest
    assert read_journal(device.folder / "updates").channels["stable"].number == 1
    assert device.told().count("committed") == 1


def test_a_trial_that_ended_in_another_process_is_noticed(
    device: Device, publish: Callable[..., str]
) -> None:
    publish("one", 1)
    device.updater.look()
    device.run_trial()
    device.restart()

    device.updater.glance()

    assert device.told()[-1] == "committed"


def test_the_loop_looks_and_ends(device: Device, publish: Callable[..., str]) -> None:
    publish("one", 1)
    stop = threading.Event()
    device.updater = Updater(
        device.store,
        device.repository,
        device.folder / "updates",
        channel="stable",
        tell=lambda report: (device.reports.append(report), stop.set()),
        now=lambda: NOW,
        draw=lambda: 0.0,
    )

    device.updater.run(stop)

    assert device.told()[0] == "downloading"


def test_the_store_that_cannot_be_read_is_told(
    device: Device, publish: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("one", 1)

    def fail(self: Store) -> Any:
        raise EdgeRecogError("the disk is away")

    monkeypatch.setattr(Store, "state", fail)

    device.updater.look()
    device.updater.glance()

    assert (device.reports[-1].state, device.reports[-1].reason) == ("unusable", "the disk is away")


def test_the_built_in_model_can_be_published(device: Device, publish: Callable[..., str]) -> None:
    digest = publish("built-in", 1, data=default_model().read_bytes())

    device.updater.look()

    assert device.store.state().nominee == digest
