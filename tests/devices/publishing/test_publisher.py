from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.publishing import site as site_module
from edge_recog_devices.publishing.errors import MissingKeyError, PublishError, TamperedError
from edge_recog_devices.publishing.keys import KeyFolders
from edge_recog_devices.publishing.publisher import Publisher
from edge_recog_devices.publishing.roles import LIFETIMES, ROLES

from edge_recog.errors import UsageError
from edge_recog.updates import UpdateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_release_reaches_devices(fleet: Any) -> None:
    offers = fleet.device().look("stable")

    assert offers.latest.release.name == "clothing"
    assert offers.latest.release.number == 1
    assert offers.settled is None
    assert fleet.device().look("beta").latest is None


def test_the_share_of_a_model_grows_under_the_same_number(make_fleet: Callable[..., Any]) -> None:
    fleet = make_fleet()
    first = fleet.publish(share_ppm=10_000)

    second = fleet.publish(share_ppm=500_000)

    assert (first.number, second.number) == (1, 1)
    assert second.created_at == first.created_at
    assert fleet.device().look("stable").latest.release.share_ppm == 500_000


def test_a_share_does_not_shrink(fleet: Any) -> None:
    with pytest.raises(UsageError, match="does not shrink"):
        fleet.publish(share_ppm=10_000)


def test_the_release_before_stays_for_those_whose_turn_has_not_come(fleet: Any) -> None:
    fleet.publish(b"second", share_ppm=10_000)

    offers = fleet.device().look("stable")

    assert (offers.latest.release.number, offers.settled.release.number) == (2, 1)
    assert fleet.device().fetch(offers.settled)


def test_a_release_that_was_never_for_all_does_not_settle(fleet: Any) -> None:
    fleet.publish(b"second", share_ppm=10_000)
    fleet.publish(b"third", share_ppm=10_000)

    offers = fleet.device().look("stable")

    assert (offers.latest.release.number, offers.settled.release.number) == (3, 1)


def test_a_release_that_was_stopped_does_not_settle(fleet: Any) -> None:
    fleet.publish(b"second")
    fleet.publisher.stop("stable", "bad")
    fleet.publish(b"third", share_ppm=10_000)

    assert fleet.device().look("stable").settled.release.number == 1


def test_a_stopped_release_needs_a_new_number_to_come_back(fleet: Any) -> None:
    fleet.publisher.stop("stable", "bad")
    with pytest.raises(UsageError, match="--again"):
        fleet.publish()

    fleet.publish(again=True)

    offers = fleet.device().look("stable")
    assert offers.latest.release.number == 2
    assert offers.stops.reason_for(1) == "bad"
    assert offers.stops.reason_for(2) is None


@pytest.mark.parametrize("number", [2, 99])
def test_only_releases_that_there_are_can_be_stopped(fleet: Any, number: int) -> None:
    with pytest.raises(UsageError, match="no such release"):
        fleet.publisher.stop("stable", "bad", number=number)
    with pytest.raises(UsageError, match="no such release"):
        fleet.publisher.stop("beta", "bad")


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "../x"},
        {"share_ppm": 2_000_000},
        {"minimum_version": "x"},
        {"name": "\n"},
        {"profiles": ("A B",)},
    ],
    ids=str,
)
def test_what_no_device_would_read_is_not_published(fleet: Any, change: dict[str, Any]) -> None:
    before = fleet.device().look("stable")

    with pytest.raises(UsageError):
        fleet.publish(b"second", **change)

    assert fleet.device().look("stable") == before


def test_keys_that_would_be_served_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="served"):
        Publisher(tmp_path / "site", KeyFolders((tmp_path / "site" / "keys",)))


def test_nothing_is_made_over_what_is_there(fleet: Any) -> None:
    with pytest.raises(UsageError, match="already"):
        fleet.publisher.create()


def test_private_keys_are_for_their_owner_alone(fleet: Any) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in fleet.keys.anchor.parent.glob("*.key")}

    assert modes == {0o600}


def test_with_a_passphrase_the_offline_keys_are_encrypted_and_the_others_work_without(
    make_fleet: Callable[..., Any], tmp_path: Path
) -> None:
    fleet = make_fleet()
    folder = tmp_path / "more"
    fleet.keys = KeyFolders((folder,), "a secret")
    fleet.site = fleet.site / "more"
    fleet.url = f"{fleet.url}/more"
    fleet.publisher.create()
    fleet.publish()
    encrypted = {path.stem for path in folder.glob("*.key") if "ENCRYPTED" in path.read_text()}
    assert encrypted == {"root-1", "targets-1"}

    fleet.keys = KeyFolders((folder,))
    fleet.publisher.refresh()
    fleet.publisher.stop("stable", "bad")
    with pytest.raises(MissingKeyError, match="encrypted"):
        fleet.publish(b"second")

    assert fleet.device().look("stable").stops.reason_for(1) == "bad"


def test_keys_may_lie_in_several_folders(make_fleet: Callable[..., Any], tmp_path: Path) -> None:
    fleet = make_fleet(root_keys=2, root_threshold=2)
    fleet.publish()
    stick = tmp_path / "stick"
    stick.mkdir()
    folder = fleet.keys.anchor.parent
    for path in folder.glob("root-2.*"):
        path.rename(stick / path.name)
    with pytest.raises(MissingKeyError, match="1 of the 2 keys"):
        fleet.publisher.rotate("timestamp")

    fleet.keys = KeyFolders((folder, stick))
    fleet.publisher.rotate("timestamp")

    assert fleet.device().look("stable").latest is not None


def test_one_key_of_several_can_be_replaced(make_fleet: Callable[..., Any]) -> None:
    fleet = make_fleet(root_keys=3, root_threshold=2)
    fleet.publish()
    before = list(fleet.publisher._read().root.signed.roles["root"].keyids)

    fleet.publisher.rotate("root", key=before[1][:8])

    after = fleet.publisher._read().root.signed.roles["root"].keyids
    assert len(set(before) & set(after)) == 2
    assert before[1] not in after
    assert fleet.device().look("stable").latest is not None


def test_a_key_that_is_none_cannot_be_replaced(fleet: Any) -> None:
    with pytest.raises(UsageError, match="no key"):
        fleet.publisher.rotate("timestamp", key="zz")


def test_the_timestamp_is_always_refreshed_and_others_when_half_their_time_is_over(
    make_fleet: Callable[..., Any],
) -> None:
    began = datetime(2026, 6, 1, tzinfo=UTC)
    fleet = make_fleet(now=began)
    fleet.publish()
    before = fleet.publisher.expiries()

    fleet.now = began + timedelta(days=1)
    one_day = fleet.publisher.refresh()
    fleet.now = began + LIFETIMES["stops"] / 2
    half_of_stops = fleet.publisher.refresh()

    assert {role for role in ROLES if one_day[role] != before[role]} == {"timestamp"}
    changed = {role for role in ROLES if half_of_stops[role] != one_day[role]}
    assert changed == {"timestamp", "snapshot", "stops"}


def test_all_roles_are_refreshed_in_time_where_the_keys_are(
    make_fleet: Callable[..., Any],
) -> None:
    began = datetime(2026, 6, 1, tzinfo=UTC)
    fleet = make_fleet(now=began)
    fleet.publish()

    fleet.now = began + LIFETIMES["root"] / 2
    after = fleet.publisher.refresh()

    assert all(after[role] - fleet.now == LIFETIMES[role] for role in ROLES)


def test_a_clock_that_is_not_set_signs_nothing(fleet: Any) -> None:
    fleet.now = datetime(1970, 1, 1, tzinfo=UTC)

    with pytest.raises(UsageError, match="set-ntp"):
        fleet.publisher.refresh()


def test_two_publishers_do_not_write_at_once(fleet: Any) -> None:
    other = Publisher(fleet.site, fleet.keys, wait_s=0.0)

    with fleet.publisher._site.alone(), pytest.raises(PublishError, match="somebody else"):
        other.refresh()


def test_a_publisher_waits_for_another_one(fleet: Any) -> None:
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with fleet.publisher._site.alone():
            begun.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(30)
    threading.Timer(0.2, over.set).start()

    assert fleet.publisher.refresh()
    assert over.is_set()
    thread.join()


@pytest.mark.parametrize("pattern", ["*.targets.json", "*.snapshot.json", "*.stops.json"])
def test_a_publisher_does_not_sign_what_somebody_has_put_there(fleet: Any, pattern: str) -> None:
    for path in fleet.metadata.glob(pattern):
        path.write_bytes(path.read_bytes().replace(b"20", b"21", 1))

    with pytest.raises(TamperedError):
        fleet.publisher.refresh()


def test_a_model_file_that_was_damaged_does_not_settle(fleet: Any) -> None:
    (path,) = (fleet.site / "targets" / "stable").iterdir()
    path.write_bytes(b"?")

    with pytest.raises(PublishError, match="damaged"):
        fleet.publish(b"second")


def test_no_file_of_metadata_but_the_timestamp_is_ever_written_twice(
    make_fleet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    original = site_module.Site.write

    def note(self: Any, name: str, data: bytes) -> None:
        if (self.folder / name).exists() and (self.folder / name).read_bytes() != data:
            written.append(name)
        original(self, name, data)

    monkeypatch.setattr(site_module.Site, "write", note)
    fleet = make_fleet()
    for turn in range(3):
        fleet.publish(b"%d" % turn)
        fleet.publisher.stop("stable", "bad")
        fleet.publisher.rotate(ROLES[turn])
        fleet.publisher.refresh()

    assert set(written) == {"metadata/timestamp.json"}


class Killed(BaseException):
    """The process is dead."""


ACTS: dict[str, Any] = {
    "publish": lambda publisher: publisher.publish(
        b"second", name="b", channel="stable", share_ppm=10_000
    ),
    "stop": lambda publisher: publisher.stop("stable", "bad"),
    "refresh": lambda publisher: publisher.refresh(),
    **{f"rotate-{role}": lambda publisher, role=role: publisher.rotate(role) for role in ROLES},
}


@pytest.mark.parametrize("act", ACTS)
def test_devices_see_a_publisher_who_dies_as_one_who_did_nothing_or_all(
    fleet: Any, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    before = fleet.device("before").look("stable")
    copy = fleet.copy("copy")
    ACTS[act](fleet.publisher)
    after = fleet.device("after").look("stable")
    fleet.restore(copy)
    step = 0
    while True:
        step += 1
        steps = 0
        write = site_module.write_file

        def dying(path: Any, data: bytes, *, force: bool) -> None:
            nonlocal steps
            steps += 1
            if steps == step:  # noqa: B023
                raise Killed
            write(path, data, force=force)  # noqa: B023

        with monkeypatch.context() as patched:
            patched.setattr(site_module, "write_file", dying)
            try:
                ACTS[act](fleet.publisher)
                break
            except Killed:
                pass
        try:
            seen = fleet.device(f"device-{step}").look("stable")
            assert _same(seen, before) or _same(seen, after)
        except UpdateError:
            # Between a new root and the timestamp that its new key signs.
            assert act.startswith("rotate")
        fleet.publisher.refresh()
        assert fleet.device(f"device-{step}").look("stable").latest is not None
        fleet.restore(copy)
    assert step > 1


def _same(one: Any, other: Any) -> bool:
    """Compare without the times."""
    return (one.latest.release.model, len(one.stops.stopped)) == (
        other.latest.release.model,
        len(other.stops.stopped),
    )
