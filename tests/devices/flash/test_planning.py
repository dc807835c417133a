"""What is to be done so that a device runs what is wanted, by values."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.errors import UnfitError
from edge_recog_devices.flash import Admission, ModelFile, Runtime, Wanted, steps
from edge_recog_devices.flash.places import SYSTEM, user_places
from edge_recog_devices.flash.planning import Device, is_settled, plan, stamp_of
from edge_recog_devices.flash.refusing import (
    refuse_bad,
    refuse_powerless,
    refuse_steps,
    refuse_unfit,
)
from edge_recog_devices.flash.state import Installed
from edge_recog_devices.profiles import find_profile
from edge_recog_devices.wheels import Manifest, Target, WheelFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_recog import __version__
from edge_recog.errors import UsageError
from edge_recog.models import default_model
from edge_recog.store import BadVersionError, State, Version
from edge_recog.store.state import Candidate, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = ModelFile("shop.tflite", "shop", b"a model", None)
OTHER = "b" * 64
WANTED = Wanted(model=MODEL)
PROFILE = find_profile("raspberry-pi-5")


@pytest.fixture
def bare(make_facts: Callable[..., Any], make_python: Callable[..., Any]) -> Device:
    """Return a Raspberry Pi 5 with nothing of ours on it."""
    return Device(SYSTEM, make_facts(), PROFILE, make_python(), Installed(manager="ok"))


def version(order: int = 1) -> Version:
    return Version(order=order, name="m", size_bytes=7)


def flashed(device: Device, wanted: Wanted) -> Device:
    """Return what a device is once all steps of a plan are done."""
    now = device.installed
    for step in plan(device, wanted):
        match step:
            case steps.MakeUser():
                now = replace(now, has_user=True, has_models=True)
            case steps.MakeEnvironment():
                now = replace(now, complete=now.complete | {step.name})
            case steps.UseEnvironment():
                now = replace(now, environment=step.name, version=wanted.runtime.version)
            case steps.WriteFile(key="config"):
                now = replace(now, config=step.data.decode())
            case steps.WriteFile(key="anchor"):
                now = replace(now, anchor_digest=step.digest)
            case steps.WriteFile(key="unit"):
                now = replace(now, unit_digest=step.digest)
            case steps.WriteFile():
                name = Path(step.path).name
                now = replace(now, rule_digests={**now.rule_digests, name: step.digest})
            case steps.InstallModel():
                digest = step.model.digest
                kept = {**now.store.versions, digest: version(len(now.store.versions) + 1)}
                store = State(versions=kept, active=digest, previous=None)
                now = replace(now, store=store, has_models=True)
            case steps.RunService():
                now = replace(now, service="active", enabled="enabled")
            case _:
                pass
    return replace(device, installed=replace(now, is_pending=False))


def kinds(device: Device, wanted: Wanted) -> list[str]:
    return [type(step).__name__ for step in plan(device, wanted)]


def test_a_bare_device_gets_everything_and_what_can_be_forgotten_comes_first(bare: Device) -> None:
    assert kinds(bare, WANTED) == [
        "MakeUser",
        "MakeEnvironment",
        "SendModel",
        "InstallModel",
        "WriteFile",
        "WriteFile",
        "UseEnvironment",
        "RunService",
        "AwaitHealthy",
    ]


def test_nothing_is_to_do_twice(bare: Device) -> None:
    assert kinds(flashed(bare, WANTED), WANTED) == []


def test_only_another_model_travels_later(bare: Device) -> None:
    wanted = replace(WANTED, model=replace(MODEL, data=b"another"))
    found = list(plan(flashed(bare, WANTED), wanted))
    assert [type(one).__name__ for one in found] == [
        "SendModel",
        "InstallModel",
        "RunService",
        "AwaitHealthy",
    ]
    assert found[2] == steps.RunService("reload")
    assert found[3] == steps.AwaitHealthy(wanted.model.digest, "shop", 120.0, 10.0)


def test_only_a_configuration_travels_where_that_alone_is_new(bare: Device) -> None:
    wanted = replace(WANTED, config='source = "v4l2:/dev/video0"\n')
    found = list(plan(flashed(bare, WANTED), wanted))
    [write, run, _] = found
    assert isinstance(write, steps.WriteFile)
    assert write.data == b'model = "active"\nsource = "v4l2:/dev/video0"\n'
    assert run == steps.RunService("restart")


def test_without_a_configuration_the_device_keeps_its_own(bare: Device) -> None:
    mine = replace(WANTED, config='source = "file:clip.mp4?loop=1"\ntop_k = 2\n')
    device = flashed(bare, mine)
    assert kinds(device, WANTED) == []
    assert 'model = "active"' in (device.installed.config or "")


def test_a_configuration_that_names_a_file_is_told_to_run_the_active_model(bare: Device) -> None:
    first_boot = 'model = "/opt/edge-recog/models/m.tflite"\nsource = "picamera2:0"\n'
    device = flashed(bare, WANTED)
    device = replace(device, installed=replace(device.installed, config=first_boot))
    [write] = [one for one in plan(device, WANTED) if isinstance(one, steps.WriteFile)]
    assert write.data == b'model = "active"\nsource = "picamera2:0"\n'


def test_the_environment_of_a_card_s_first_boot_is_kept_if_it_has_this_version(
    bare: Device,
) -> None:
    device = flashed(bare, WANTED)
    device = replace(device, installed=replace(device.installed, environment="before"))
    assert kinds(device, WANTED) == []


@pytest.mark.parametrize("installed_version", ["0.0.9", ""])
def test_another_version_gets_an_environment_beside_the_one_in_use(
    bare: Device, installed_version: str
) -> None:
    device = flashed(bare, WANTED)
    older = replace(device.installed, version=installed_version, environment="0.0.9-old")
    found = list(plan(replace(device, installed=older), WANTED))
    names = [type(one).__name__ for one in found]
    # A run that was killed has left the environment whole: it is not made again.
    assert names == ["UseEnvironment", "RunService", "AwaitHealthy"]
    older = replace(older, complete=frozenset({"0.0.9-old"}))
    names = kinds(replace(device, installed=older), WANTED)
    assert names == ["MakeEnvironment", "UseEnvironment", "RunService", "AwaitHealthy"]


def test_to_install_anew_is_possible_again_and_again(bare: Device) -> None:
    wanted = replace(WANTED, runtime=Runtime(reinstall=True))
    device = bare
    for _ in range(3):
        before = device.installed.environment
        device = flashed(device, wanted)
        assert device.installed.environment != before
        # A commit removes all others.
        only = frozenset({device.installed.environment})
        device = replace(device, installed=replace(device.installed, complete=only))


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"service": "failed"}, "start"),
        ({"service": "inactive"}, "start"),
        ({"enabled": "disabled"}, "start"),
        ({"is_pending": True}, "restart"),
    ],
)
def test_a_service_that_is_not_as_it_should_be_is_started(
    bare: Device, changes: dict[str, Any], how: str
) -> None:
    device = flashed(bare, WANTED)
    device = replace(device, installed=replace(device.installed, **changes))
    [run, wait] = plan(device, WANTED)
    assert run == steps.RunService(how)  # type: ignore[arg-type]
    assert isinstance(wait, steps.AwaitHealthy)


def test_a_model_on_trial_is_as_wanted(bare: Device) -> None:
    device = flashed(bare, WANTED)
    digest = MODEL.digest
    on_trial = State(versions={digest: version()}, candidate=Candidate(version=digest))
    device = replace(device, installed=replace(device.installed, store=on_trial))
    assert kinds(device, WANTED) == []


def test_a_model_that_another_one_is_tried_instead_of_is_not(bare: Device) -> None:
    device = flashed(bare, WANTED)
    digest = MODEL.digest
    other = State(
        versions={digest: version(1), OTHER: version(2)},
        active=digest,
        candidate=Candidate(version=OTHER),
    )
    device = replace(device, installed=replace(device.installed, store=other))
    [install] = [one for one in plan(device, WANTED) if isinstance(one, steps.InstallModel)]
    assert install.instead_of == OTHER
    assert not install.is_new


def test_wheels_are_sent_before_they_are_installed(bare: Device) -> None:
    wanted = replace(WANTED, runtime=Runtime(__version__, Path("wheels"), WHEELS))
    names = kinds(bare, wanted)
    assert names.index("SendWheels") + 1 == names.index("MakeEnvironment")
    assert kinds(flashed(bare, wanted), wanted) == []


def test_an_accelerator_gets_its_rules_and_its_group(bare: Device) -> None:
    device = replace(bare, profile=find_profile("raspberry-pi-coral-usb"))
    found = list(plan(device, WANTED))
    [rule] = [one for one in found if isinstance(one, steps.WriteFile) and "rule" in one.key]
    assert rule.path == "/etc/udev/rules.d/65-edge-recog-coral-usb.rules"
    assert b'ATTRS{idVendor}=="1a6e"' in rule.data
    [user] = [one for one in found if isinstance(one, steps.MakeUser)]
    assert user.groups == ("video", "render", "plugdev")
    assert kinds(flashed(device, WANTED), WANTED) == []


def test_a_user_s_own_installation_needs_no_root(bare: Device) -> None:
    device = replace(bare, places=user_places("/home/pi"))
    found = list(plan(device, WANTED))
    assert not any(isinstance(one, steps.MakeUser) for one in found)
    paths = [one.path for one in found if isinstance(one, steps.WriteFile)]
    assert paths == [
        "/home/pi/.config/edge-recog/config.toml",
        "/home/pi/.config/systemd/user/edge-recog.service",
    ]


FOLLOWS = '[updates]\nurl = "https://updates.example/fleet"\n'


def test_whose_updates_it_trusts_is_written_before_the_configuration(bare: Device) -> None:
    wanted = replace(WANTED, config=FOLLOWS, anchor=b"{}")
    written = [one for one in plan(bare, wanted) if isinstance(one, steps.WriteFile)]
    assert [one.key for one in written] == ["anchor", "config", "unit"]
    assert (written[0].path, written[0].data) == ("/etc/edge-recog/updates-root.json", b"{}")
    assert kinds(flashed(bare, wanted), wanted) == []
    later = replace(wanted, config=None, anchor=b"{ }")
    assert kinds(flashed(bare, wanted), later) == ["WriteFile", "RunService", "AwaitHealthy"]


@pytest.mark.parametrize(
    ("config", "anchor", "told"),
    [
        ("", b"{}", "follows no updates"),
        (f'{FOLLOWS}root_file = "/srv/root.json"\n', b"{}", 'root_file = "/etc/edge-recog/upd'),
        (FOLLOWS, None, "--updates-root FOLDER.keys/1.root.json"),
    ],
)
def test_updates_that_could_not_work_are_refused(
    bare: Device, config: str, anchor: bytes | None, told: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        list(plan(bare, replace(WANTED, config=config, anchor=anchor)))


def test_a_device_that_trusts_somebody_may_be_told_to_follow_updates(bare: Device) -> None:
    there = replace(bare, installed=replace(bare.installed, anchor_digest="1" * 64))
    assert "WriteFile" in kinds(there, replace(WANTED, config=FOLLOWS))


def test_a_model_is_tried_as_the_configuration_says_unless_told_otherwise(bare: Device) -> None:
    config = 'threads = 3\ndelegate = "edgetpu"\n[store]\nmost_p50_ms = 20\nquota_mb = 50\n'
    for most_ms, told in ((None, "20"), (7.5, "7.5")):
        wanted = replace(WANTED, config=config, admission=Admission(most_ms=most_ms))
        [install] = [one for one in plan(bare, wanted) if isinstance(one, steps.InstallModel)]
        options = dict(zip(install.options[::2], install.options[1::2], strict=True))
        assert float(options.pop("--most-mb")) > 0
        assert options == {
            "--threads": "3",
            "--most-ms": told,
            "--quota-mb": "50",
            "--delegate": "edgetpu",
        }


@pytest.mark.parametrize("home", ["", "pi", "/home/my pi", "/home/%h", "/home/../etc", "/a\nb"])
def test_a_home_that_cannot_stand_in_a_unit_is_refused(home: str) -> None:
    with pytest.raises(UsageError, match="--user"):
        user_places(home)


def test_a_configuration_that_is_wrong_is_told_before_anything_is_done(bare: Device) -> None:
    with pytest.raises(UsageError, match="sorce: unknown key; did you mean source"):
        list(plan(bare, replace(WANTED, config='sorce = "x"\n')))


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    service=st.sampled_from(["active", "failed", "inactive"]),
    enabled=st.sampled_from(["enabled", "disabled"]),
    environment=st.sampled_from(["", "before", "0.0.1-old"]),
    config=st.sampled_from([None, "", 'model = "built-in"\n', '[web]\nlisten = "127.0.0.1:9"\n']),
    is_pending=st.booleans(),
    has_user=st.booleans(),
    data=st.binary(min_size=1, max_size=3),
)
def test_from_whatever_a_device_has_one_flash_is_enough(
    bare: Device,
    service: str,
    enabled: str,
    environment: str,
    config: str | None,
    is_pending: bool,
    has_user: bool,
    data: bytes,
) -> None:
    installed = Installed(
        environment=environment,
        version=__version__ if environment else "",
        config=config,
        manager="ok",
        service=service,
        enabled=enabled,
        is_pending=is_pending,
        has_user=has_user,
    )
    wanted = replace(WANTED, model=replace(MODEL, data=data))
    device = flashed(replace(bare, installed=installed), wanted)
    assert kinds(device, wanted) == []
    store = device.installed.store
    assert store.active == hashlib.sha256(data).hexdigest()


WHEELS = Manifest(
    created="2026-01-01T00:00:00Z",
    target=Target(architecture="aarch64", python=(3, 13), glibc=(2, 41)),
    project="edge-recog[daemon]",
    version=__version__,
    project_from="here",
    files=(
        WheelFile(
            file="a-1.0-py3-none-any.whl", distribution="a", version="1.0", size=5, sha256="0" * 64
        ),
    ),
)


def settled(device: Device, wanted: Wanted) -> Device:
    """Return what a device is after a flash that came to a good end."""
    done = flashed(device, wanted)
    stamp = stamp_of(done.places, done.installed, wanted, None)
    return replace(done, installed=replace(done.installed, stamp=stamp))


def test_that_all_is_done_is_known_without_the_facts(bare: Device) -> None:
    device = settled(bare, WANTED)
    assert is_settled(SYSTEM, device.installed, WANTED, None)
    assert not is_settled(SYSTEM, flashed(bare, WANTED).installed, WANTED, None)


def test_who_names_no_wheels_takes_those_that_are_installed(bare: Device) -> None:
    with_wheels = replace(WANTED, runtime=Runtime(__version__, Path("wheels"), WHEELS))
    device = settled(bare, with_wheels)
    assert is_settled(SYSTEM, device.installed, with_wheels, None)
    assert is_settled(SYSTEM, device.installed, WANTED, None)
    without = settled(bare, WANTED)
    assert not is_settled(SYSTEM, without.installed, with_wheels, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": "before"},
        {"version": "0.0.9"},
        {"config": 'model = "built-in"\n'},
        {"config": None},
        {"unit_digest": "1" * 64},
        {"rule_digests": {"65-edge-recog-x.rules": "1" * 64}},
        {"store": State()},
        {"service": "failed"},
        {"enabled": "disabled"},
        {"is_pending": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_is_otherwise_is_looked_into(bare: Device, changes: dict[str, Any]) -> None:
    device = settled(bare, WANTED)
    assert not is_settled(SYSTEM, replace(device.installed, **changes), WANTED, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": replace(MODEL, data=b"another")},
        {"config": "top_k = 2\n"},
        {"source": "v4l2:/dev/video7"},
        {"runtime": Runtime(reinstall=True)},
        {"runtime": Runtime("0.2.0")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_else_is_wanted_is_planned(bare: Device, changes: dict[str, Any]) -> None:
    device = settled(bare, WANTED)
    assert not is_settled(SYSTEM, device.installed, replace(WANTED, **changes), None)


def test_a_bad_model_is_only_tried_again_by_who_insists() -> None:
    trouble = Trouble(failures=3, reason="it hangs", order=1)
    installed = Installed(store=State(troubles={MODEL.digest: trouble}))
    with pytest.raises(BadVersionError, match="failed 3 times in a row"):
        refuse_bad(installed, WANTED)
    refuse_bad(installed, replace(WANTED, admission=Admission(insist=True)))


def test_a_model_is_read_with_its_signature_if_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(default_model().read_bytes())
    assert ModelFile.read(path).signature is None
    (tmp_path / "m.tflite.sig").write_bytes(b"signed")
    found = ModelFile.read(path)
    assert found.signature == b"signed"
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"userland": "armv7l"}, "its system should be aarch64"),
        ({"pythons": ()}, "no Python: sudo apt install python3"),
        ({"systemd": 247}, "the unit needs 252"),
    ],
)
def test_a_device_that_is_not_fit_is_refused(
    make_facts: Callable[..., Any], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnfitError, match=words):
        refuse_unfit(make_facts(**changes), PROFILE, is_there=False)


def test_what_only_an_installation_needs_is_not_asked_of_an_update(
    make_facts: Callable[..., Any],
) -> None:
    refuse_unfit(make_facts(pythons=()), PROFILE, is_there=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sudo": "password"}, "pi may not become root: sudo asks for a password"),
        ({"sudo": "absent"}, "pi may not become root: there is no sudo"),
        ({"systemd": None}, "no systemd runs there"),
    ],
)
def test_who_may_not_do_it_is_told(
    make_facts: Callable[..., Any], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnfitError, match=words):
        refuse_powerless(make_facts(**changes), SYSTEM)


def test_an_update_needs_less_space_than_an_installation(bare: Device) -> None:
    folder = replace_struct(bare.facts.folder, free_kib=100_000)
    facts = replace_struct(bare.facts, folder=folder)
    with pytest.raises(UnfitError, match="102 MB are free for /opt/edge-recog"):
        refuse_steps(facts, PROFILE, list(plan(bare, WANTED)))
    update = plan(flashed(bare, WANTED), replace(WANTED, model=replace(MODEL, data=b"x")))
    refuse_steps(facts, PROFILE, list(update))


def replace_struct(struct: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(struct, **changes)
