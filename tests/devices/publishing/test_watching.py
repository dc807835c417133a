"""Devices report by MQTT, and a bad release is stopped: with a real broker."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_devices.publishing.canary import CanaryRules, Tally
from edge_recog_devices.publishing.keys import KeyFolders
from edge_recog_devices.publishing.watching import MOST_RELEASES, Watch, watch
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_recog.service.mqtt.settings import MqttSettings
from edge_recog.updates.reports import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def payload(state: str, number: int = 1, **changes: Any) -> bytes:
    told: dict[str, Any] = {"channel": "stable", "state": state, "number": number, "at": "now"}
    return msgspec.json.encode(Report(**told | changes))


@pytest.fixture
def broker(tmp_path: Path, missing: Callable[[str], Any]) -> Iterator[int]:
    """Run a broker, and return its port."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing("mosquitto is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    user = "user root\n" if os.geteuid() == 0 else ""
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"{user}listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "log_dest stderr\n"
    )
    command = [str(program), "-c", str(config), "-v"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert any("running" in line for line in running.stderr)
        drain = threading.Thread(target=running.stderr.read)
        drain.start()
        try:
            yield port
        finally:
            running.terminate()
            drain.join()


def say(port: int, messages: list[tuple[str, bytes]]) -> None:
    """Publish as devices do: retained."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic, data in messages:
        client.publish(topic, data, qos=1, retain=True).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def test_a_release_whose_canaries_fail_is_stopped_for_all(fleet: Any, broker: int) -> None:
    fleet.publish(b"bad", share_ppm=10_000)
    # What a machine that watches has: no key of the root or the targets.
    folder = fleet.keys.anchor.parent
    for path in [*folder.glob("root-*"), *folder.glob("targets-*")]:
        path.rename(path.with_name(f"{path.name}.away"))
    say(broker, [("edge_recog/kitchen/updates", payload("failed", 2))])
    told: list[tuple[int, Tally]] = []

    def tell(number: int, tally: Tally) -> None:
        told.append((number, tally))
        if len(told) == 1:  # It listens, and has heard what was said before.
            others = [(f"edge_recog/n{one}/updates", payload("failed", 2)) for one in range(2)]
            threading.Thread(target=say, args=(broker, others)).start()

    stopped = watch(
        fleet.publisher,
        MqttSettings(broker=f"mqtt://127.0.0.1:{broker}", node="publisher"),
        "stable",
        rules=CanaryRules(),
        tell=tell,
    )

    assert stopped is not None
    assert stopped.number == 2
    assert told[-1] == (2, Tally(failed=3))
    assert fleet.device().look("stable").stops.reason_for(2) == stopped.reason


def test_a_release_that_is_well_goes_on(fleet: Any, broker: int) -> None:
    say(broker, [(f"edge_recog/n{one}/updates", payload("committed")) for one in range(5)])
    told: list[Tally] = []

    stopped = watch(
        fleet.publisher,
        MqttSettings(broker=f"mqtt://127.0.0.1:{broker}", node="publisher"),
        "stable",
        rules=CanaryRules(),
        tell=lambda number, tally: told.append(tally),
        is_over=lambda: len(told) == 5,
    )

    assert stopped is None
    assert told[-1] == Tally(committed=5)


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("edge_recog/x/status", payload("failed")),
        ("edge_recog/../updates", payload("failed")),
        ("other/x/updates", payload("failed")),
        ("edge_recog/x/updates", b"{"),
        ("edge_recog/x/updates", b"[" * 9000),
        ("edge_recog/x/updates", b"\xff"),
        ("edge_recog/x/updates", b""),
        ("edge_recog/x/updates", b'{"channel": "stable"}' + b" " * 20_000),
        ("edge_recog/x/updates", payload("failed", number=-1)),
        ("edge_recog/x/updates", payload("failed", channel="beta")),
        ("edge_recog/x/updates", payload("refused")),
    ],
)
def test_whatever_else_is_said_is_not_counted(topic: str, data: bytes) -> None:
    heard = Watch("stable")

    assert heard.hear(topic, data) is None
    assert heard.tally(1) == Tally()


def test_a_report_of_a_newer_program_is_understood() -> None:
    document = msgspec.json.decode(payload("failed")) | {"mood": "low"}
    heard = Watch("stable")

    assert heard.hear("edge_recog/x/updates", msgspec.json.encode(document)) == 1


def test_strangers_cannot_fill_the_memory_with_releases() -> None:
    heard = Watch("stable")
    for number in range(1, 1000):
        heard.hear(f"edge_recog/n{number}/updates", payload("failed", number))

    assert sorted(heard.releases) == list(range(1000 - MOST_RELEASES, 1000))


def test_a_release_that_there_is_not_is_not_stopped(fleet: Any, broker: int) -> None:
    others = [(f"edge_recog/n{one}/updates", payload("failed", 77)) for one in range(5)]
    say(broker, others)
    told: list[int] = []

    stopped = watch(
        fleet.publisher,
        MqttSettings(broker=f"mqtt://127.0.0.1:{broker}", node="publisher"),
        "stable",
        rules=CanaryRules(),
        tell=lambda number, tally: told.append(number),
        is_over=lambda: len(told) == 5,
    )

    assert stopped is None


def test_the_watch_keeps_the_timestamp_fresh(fleet: Any, broker: int) -> None:
    fleet.keys = KeyFolders(fleet.keys.folders)
    before = fleet.publisher._read().timestamp.signed.version
    asked = iter([False, True])

    watch(
        fleet.publisher,
        MqttSettings(broker=f"mqtt://127.0.0.1:{broker}", node="publisher"),
        "stable",
        rules=CanaryRules(),
        tell=lambda number, tally: None,
        is_over=lambda: next(asked),
    )

    assert fleet.publisher._read().timestamp.signed.version == before + 1
