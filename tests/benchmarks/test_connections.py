"""Where a plan runs: named by one string, reached through the system's OpenSSH."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from edge_recog_benchmarks.connections import (
    DeviceError,
    LocalDevice,
    SshDevice,
    find_device,
)
from edge_recog_benchmarks.device.events import AnyEvent, Burst, Done, Failed, Started
from edge_recog_benchmarks.device.plan import Contestant, PictureFrames, Plan

from edge_recog import UsageError

if TYPE_CHECKING:
    from edge_recog_benchmarks.connections import Device


@pytest.fixture
def plan(uint8_model: Path, mobilenets: Path) -> Plan:
    return Plan(
        contestants=(Contestant(name="one", model=str(uint8_model)),),
        frames=PictureFrames(paths=(str(mobilenets / "burger.jpg"),)),
        generations=1,
        turns=2,
        burst_s=0.01,
        warm_up_s=0,
    )


@pytest.fixture
def ssh_device(ssh_host: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a device on which this Python has the runtime."""
    address, programs = ssh_host
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return f"{address}?python={sys.executable}"


def events_of(device: Device, plan: Plan) -> list[AnyEvent]:
    with device.run(plan) as lines:
        return [msgspec.json.decode(line, type=AnyEvent) for line in lines]


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("local", LocalDevice()),
        ("ssh://pi@kitchen.local", SshDevice("pi@kitchen.local")),
        ("ssh://kitchen", SshDevice("kitchen")),
        ("ssh://pi@10.0.0.7:2222", SshDevice("pi@10.0.0.7", 2222)),
        ("ssh://pi@k?python=/opt/p", SshDevice("pi@k", python="/opt/p")),
    ],
)
def test_a_device_is_one_string(text: str, device: Device) -> None:
    assert find_device(text) == device


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kitchen", "use local, or ssh://user@host"),
        ("http://kitchen", "use local, or ssh://user@host"),
        ("ssh://", "use local, or ssh://user@host"),
        ("ssh://kitchen/home", "use local, or ssh://user@host"),
        ("ssh://kitchen:many", "Port"),
        ("ssh://kitchen?pyton=/p", "no option 'pyton'"),
        ("ssh://-oProxyCommand=evil", "does not start with a dash"),
        ("ssh://pi:secret@kitchen", "use a key"),
    ],
)
def test_what_names_no_device_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        find_device(text)


def test_a_plan_runs_on_this_machine(plan: Plan) -> None:
    events = events_of(LocalDevice(), plan)
    assert [event.turn for event in events if isinstance(event, Burst)] == [0, 1]
    assert events[-1] == Done(complete=True)


def test_a_plan_runs_over_ssh_and_leaves_nothing_there(plan: Plan, ssh_device: str) -> None:
    before = set(Path("/tmp").glob("edge-recog-bench.*"))
    events = events_of(find_device(ssh_device), plan)
    assert not [event for event in events if isinstance(event, Failed)]
    starts = [event for event in events if isinstance(event, Started)]
    assert starts[0].stages == ("decode", "preprocess", "invoke", "postprocess")
    assert events[-1] == Done(complete=True)
    assert set(Path("/tmp").glob("edge-recog-bench.*")) == before


def test_stopping_ends_a_run_over_ssh_early(plan: Plan, ssh_device: str) -> None:
    endless = msgspec.structs.replace(plan, turns=100_000)
    last = None
    with find_device(ssh_device).run(endless) as lines:
        for line in lines:
            last = msgspec.json.decode(line, type=AnyEvent)
            if isinstance(last, Burst):
                lines.stop()
    assert last == Done(complete=False)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("?python=/nowhere/python", "/nowhere/python cannot import edge_recog: pip install"),
        ("?python=/bin/true;touch%20/tmp/x", "cannot import edge_recog"),
    ],
    ids=["no such Python", "a shell command"],
)
def test_a_device_without_the_runtime_says_what_to_install(
    plan: Plan, ssh_device: str, query: str, reason: str
) -> None:
    device = find_device(ssh_device.partition("?")[0] + query)
    with pytest.raises(DeviceError, match=reason):
        events_of(device, plan)


def test_a_device_that_is_not_there_is_named(plan: Plan, ssh_device: str) -> None:
    with pytest.raises(DeviceError, match=r"ssh://nobody@127\.0\.0\.1:1: .*refused"):
        events_of(find_device("ssh://nobody@127.0.0.1:1"), plan)
