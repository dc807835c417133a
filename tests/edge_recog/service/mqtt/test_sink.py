from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from edge_recog.answers import Vanished
from edge_recog.errors import UsageError
from edge_recog.service.mqtt.settings import PASSWORD_VARIABLE, MqttSettings
from edge_recog.service.mqtt.sink import MqttSink
from edge_recog.service.mqtt.topics import ModelCard
from edge_recog.service.sinks import SinkError, SinkQueue
from edge_recog.updates import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_recog.answers import Answer

_PATIENCE_S = 30.0
_HERE = Path(__file__).parent
_ROOT = "edge_recog/kitchen"
_SHIRT = "homeassistant/binary_sensor/edge_recog_kitchen/label_shirt/config"


@pytest.fixture
def settings(broker: Any) -> Callable[..., MqttSettings]:
    """Return what makes settings for the broker; every answer is a state of its own."""

    def make(**changes: Any) -> MqttSettings:
        values = {
            "broker": broker.url,
            "password_file": str(broker.password_file),
            "node": "kitchen",
            "state_interval_s": 0.0,
        }
        return MqttSettings(**(values | changes))

    return make


@pytest.fixture
def connect(name_of: Callable[[str], str], model: ModelCard) -> Iterator[Callable[..., MqttSink]]:
    """Return what makes a sink."""
    sinks = []

    def make(settings: MqttSettings, *labels: str) -> MqttSink:
        sink = MqttSink(settings, model=model, labels=labels, name_of=name_of, version="0.1.0")
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close()


class Complaints(logging.Handler):
    """Waits for a text in the log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.texts.append(record.getMessage())
            self._changed.notify_all()

    def wait_for(self, part: str) -> str:
        def found() -> str | None:
            return next((text for text in self.texts if part in text), None)

        with self._changed:
            assert self._changed.wait_for(found, _PATIENCE_S), f"{part!r} not in {self.texts}"
        return found() or ""


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    handler = Complaints()
    logger = logging.getLogger("edge_recog.service.mqtt")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(params=["5", "3.1.1"])
def version(request: pytest.FixtureRequest) -> Any:
    """Of MQTT."""
    return request.param


def test_how_a_release_fares_is_there_for_those_who_come_later(
    broker: Any, settings: Callable[..., MqttSettings], connect: Callable[..., MqttSink]
) -> None:
    report = Report(channel="stable", state="trial", number=7, at="2026-11-27T03:00:00Z")
    early = broker.listen()
    connect(settings()).update(report)
    early.wait_for_topic(f"{_ROOT}/updates")
    heard = broker.listen().wait_for_topic(f"{_ROOT}/updates")

    assert heard.retain
    assert msgspec.json.decode(heard.payload, type=Report) == report


def test_an_event_is_told_once_with_its_time(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    version: Any,
) -> None:
    listener = broker.listen()
    sink = connect(settings(version=version))
    seen_ns = time.monotonic_ns() - 60_000_000_000
    sink.answer(answer(event("appeared", "shirt", at_ns=seen_ns)))

    heard = listener.wait_for_topic(f"{_ROOT}/event")
    said = json.loads(heard.payload)
    assert not heard.retain
    assert (said["event"], said["label"], said["score"]) == ("appeared", "shirt", 0.93)
    assert said["time"].endswith("Z")
    ago = datetime.now(UTC) - datetime.fromisoformat(said["time"])
    assert timedelta(seconds=59) < ago < timedelta(seconds=59 + _PATIENCE_S)


def test_who_comes_late_finds_what_holds_and_no_events(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
    model: ModelCard,
    version: Any,
) -> None:
    early = broker.listen()
    sink = connect(settings(version=version))
    sink.status(status("running"))
    sink.answer(answer(event("appeared", "shirt"), index=7))
    early.wait_for_topic(f"{_ROOT}/event")
    early.wait_for(lambda one: one.payload == b"online")

    late = broker.listen("edge_recog/#")
    state = json.loads(late.wait_for_topic(f"{_ROOT}/state").payload)
    assert (state["frame"], state["source"], state["model"]["name"]) == (7, "kitchen", "clothing")
    assert state["predictions"][0] == {"label": "shirt", "score": 0.93}
    assert (state["smoothed"][0]["label"], state["present"]) == ("shirt", ["shirt"])
    assert json.loads(late.wait_for_topic(f"{_ROOT}/status").payload)["state"] == "running"
    assert json.loads(late.wait_for_topic(f"{_ROOT}/model").payload)["id"] == model.id
    assert late.wait_for_topic(f"{_ROOT}/availability").payload == b"online"
    # Whatever is retained comes before what is sent afterwards.
    early.publish("edge_recog/end", b"")
    late.wait_for_topic("edge_recog/end")
    assert not [one for one in late.heard if one.topic == f"{_ROOT}/event"]


def test_closing_says_goodbye_after_everything_else(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
) -> None:
    listener = broker.listen(f"{_ROOT}/#")
    before = threading.active_count()
    sink = connect(settings())
    listener.wait_for(lambda one: one.payload == b"online")
    for index in range(50):
        sink.answer(answer(event(), index=index))
    sink.close()
    sink.close()

    listener.wait_for(lambda one: one.payload == b"offline")
    topics = [one.topic.rpartition("/")[2] for one in listener.heard]
    assert topics.count("event") == 50
    assert topics[-1] == "availability"
    assert threading.active_count() == before


def test_the_broker_says_offline_for_a_process_that_was_killed(
    broker: Any, settings: Callable[..., MqttSettings]
) -> None:
    listener = broker.listen()
    command = [
        sys.executable,
        str(_HERE / "publish_until_killed.py"),
        msgspec.json.encode(settings()).decode(),
    ]
    with subprocess.Popen(command) as process:
        listener.wait_for(lambda one: one.payload == b"online")
        process.kill()

    listener.wait_for(lambda one: one.payload == b"offline")
    late = broker.listen()
    heard = late.wait_for_topic(f"{_ROOT}/availability")
    assert (heard.payload, heard.retain) == (b"offline", True)


def test_after_a_broker_has_died_and_come_back_it_knows_everything_again(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
    complaints: Complaints,
) -> None:
    listener = broker.listen()
    sink = connect(settings())
    sink.status(status("running"))
    listener.wait_for(lambda one: one.payload == b"online")
    assert sink.problem is None

    broker.kill()
    complaints.wait_for("is lost")
    sink.answer(answer(event("appeared", "shirt"), index=1))
    sink.answer(answer(event("appeared", "hat"), index=2))
    assert sink.problem is not None
    # Events are told once: whoever listens must be there first.
    broker.shut_out()
    broker.start()
    listener = broker.listen()
    broker.let_in()

    listener.wait_for(lambda one: one.topic == f"{_ROOT}/event" and b"shirt" in one.payload)
    listener.wait_for(lambda one: one.topic == f"{_ROOT}/event" and b"hat" in one.payload)
    late = broker.listen()
    assert json.loads(late.wait_for_topic(f"{_ROOT}/state").payload)["present"] == ["hat", "shirt"]
    assert json.loads(late.wait_for_topic(f"{_ROOT}/status").payload)["state"] == "running"
    assert late.wait_for_topic(f"{_ROOT}/availability").payload == b"online"
    late.wait_for_topic(_SHIRT)
    assert sink.problem is None


def test_a_broker_that_is_away_from_the_start_holds_nobody_up_and_is_found_later(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    complaints: Complaints,
) -> None:
    broker.kill()
    sink = connect(settings())
    sink.answer(answer(event()))
    complaints.wait_for("cannot be reached: Connection refused")
    broker.shut_out()
    broker.start()
    listener = broker.listen()
    broker.let_in()

    listener.wait_for_topic(f"{_ROOT}/event")


def test_without_a_broker_so_many_events_wait_and_the_rest_is_counted(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    within: Callable[..., None],
) -> None:
    broker.kill()
    sink = connect(settings(queue=10))

    def put() -> None:
        for index in range(10):
            sink.answer(answer(event(), index=index))
        for index in range(1000):
            sink.answer(answer(index=index))

    within(put)
    with pytest.raises(SinkError, match=r"10 events wait for 127\.0\.0\.1:\d+ already"):
        sink.answer(answer(event()))


def test_a_broker_that_accepts_and_says_nothing_holds_nobody_up(
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    within: Callable[..., None],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"mqtt://me@127.0.0.1:{server.getsockname()[1]}"
        queue = SinkQueue(connect(settings(broker=url)))
        within(lambda: [queue.answer(answer(event(), index=index)) for index in range(50)])
        within(lambda: queue.close(5.0))

    assert queue.failed == 0


@pytest.mark.parametrize("known", [True, False], ids=["wrong password", "no user"])
def test_refused_credentials_are_told_in_words(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    complaints: Complaints,
    tmp_path: Path,
    version: Any,
    known: bool,
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("hunter2\n")
    wrong.chmod(0o600)
    url = broker.url if known else broker.url.replace("kitchen@", "")
    sink = connect(
        settings(broker=url, password_file=str(wrong) if known else None, version=version)
    )

    said = complaints.wait_for("refuses")
    assert ("the user 'kitchen'" if known else "us without a user") in said
    assert "check mqtt.user and mqtt.password_file" in said
    assert not any("hunter2" in text for text in complaints.texts)
    assert sink.problem is not None


def test_a_password_may_come_from_the_environment(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, broker.password_file.read_text().strip())
    listener = broker.listen()
    connect(settings(password_file=None))

    listener.wait_for(lambda one: one.payload == b"online")


def test_two_devices_of_one_name_are_told_so(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    complaints: Complaints,
) -> None:
    listener = broker.listen()
    connect(settings())
    listener.wait_for(lambda one: one.payload == b"online")
    connect(settings())

    assert "its own mqtt.node" in complaints.wait_for("another client of the same ")


def test_over_tls_the_certificate_is_checked(
    secure_broker: Any,
    connect: Callable[..., MqttSink],
    complaints: Complaints,
) -> None:
    trusted = MqttSettings(
        broker=secure_broker.url,
        password_file=str(secure_broker.password_file),
        ca_file=secure_broker.ca_file,
        node="kitchen",
    )
    listener = secure_broker.listen()
    connect(trusted)
    listener.wait_for(lambda one: one.payload == b"online")

    connect(msgspec.structs.replace(trusted, ca_file=None, node="bath"))
    complaints.wait_for("its certificate is refused")


def test_a_broker_without_tls_is_told_so(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    complaints: Complaints,
) -> None:
    connect(settings(broker=broker.url.replace("mqtt:", "mqtts:")))

    complaints.wait_for("cannot be reached")


def test_files_of_tls_that_cannot_be_used_are_refused_at_once(
    connect: Callable[..., MqttSink], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for files, reason in (
        ({"ca_file": str(empty)}, "no certificates"),
        ({"ca_file": str(tmp_path / "none")}, "No such file"),
        ({"cert_file": str(empty)}, r"cannot be used as mqtt\.cert_file"),
    ):
        with pytest.raises(UsageError, match=reason):
            connect(MqttSettings(broker="mqtts://127.0.0.1:1", **files))


def test_a_password_in_the_clear_is_warned_of(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    complaints: Complaints,
) -> None:
    connect(settings(broker="mqtt://me@192.0.2.1"))

    assert "use mqtts://" in complaints.wait_for("for all to read")


def test_home_assistant_is_told_anew_when_it_is_born(
    broker: Any, settings: Callable[..., MqttSettings], connect: Callable[..., MqttSink]
) -> None:
    listener = broker.listen()
    connect(settings())
    listener.wait_for_topic(_SHIRT)
    listener.wait_for(lambda one: one.payload == b"online")
    listener.forget()

    listener.publish("homeassistant/status", b"online")

    assert json.loads(listener.wait_for_topic(_SHIRT).payload)["name"] == "shirt"


def test_what_another_model_does_not_know_is_taken_back(
    broker: Any, settings: Callable[..., MqttSettings], connect: Callable[..., MqttSink]
) -> None:
    listener = broker.listen()
    sink = connect(settings())
    listener.wait_for(lambda one: one.payload == b"online")
    sink.change_model(ModelCard("sha256:cd", "animals", ("cat", "hat")))

    listener.wait_for(lambda one: one.topic.endswith("/label_cat/config"))
    listener.wait_for(lambda one: one.topic == _SHIRT and one.payload == b"")
    late = broker.listen()
    assert json.loads(late.wait_for_topic(f"{_ROOT}/model").payload)["name"] == "animals"
    late.wait_for(lambda one: one.topic.endswith("/label_hat/config"))
    assert _SHIRT not in [one.topic for one in late.heard]


def test_what_an_earlier_run_told_is_taken_back_and_nothing_of_others(
    broker: Any, settings: Callable[..., MqttSettings], connect: Callable[..., MqttSink]
) -> None:
    listener = broker.listen()
    stale = _SHIRT.replace("shirt", "sock")
    foreign = stale.replace("kitchen", "bath")
    listener.publish(foreign, b"{}", retain=True)
    listener.publish(stale, b"{}", retain=True)
    connect(settings())

    listener.wait_for(lambda one: one.topic == stale and one.payload == b"")
    broker.listen().wait_for_topic(foreign)
    assert not [one for one in listener.heard if one.topic == foreign and one.payload == b""]


def test_only_wanted_labels_get_a_sensor(
    broker: Any, settings: Callable[..., MqttSettings], connect: Callable[..., MqttSink]
) -> None:
    listener = broker.listen()
    connect(settings(), "hat")
    listener.wait_for(lambda one: one.payload == b"online")

    labels = [one.topic for one in listener.heard if "/binary_sensor/" in one.topic]
    assert labels == [_SHIRT.replace("shirt", "hat")]


def test_without_discovery_home_assistant_hears_nothing(
    broker: Any, settings: Callable[..., MqttSettings], connect: Callable[..., MqttSink]
) -> None:
    listener = broker.listen()
    connect(settings(discovery=False))
    listener.wait_for(lambda one: one.payload == b"online")

    assert not [one for one in listener.heard if one.topic.startswith("homeassistant")]


@pytest.mark.parametrize("state", ["standby", "degraded", "stopping"])
def test_where_frames_are_not_answered_nothing_is_present(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
    state: str,
) -> None:
    listener = broker.listen()
    sink = connect(settings())
    sink.answer(answer(event("appeared", "shirt")))
    listener.wait_for(lambda one: b'"present":["shirt"]' in one.payload)
    sink.status(status(state, "the camera is lost"))

    listener.wait_for(lambda one: b'"present":[]' in one.payload)
    said = json.loads(listener.wait_for_topic(f"{_ROOT}/status").payload)
    assert (said["state"], said["reason"]) == (state, "the camera is lost")


def test_states_come_no_more_often_than_asked_for_but_events_at_once(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
) -> None:
    listener = broker.listen()
    sink = connect(settings(state_interval_s=3600.0))
    listener.wait_for(lambda one: one.payload == b"online")
    for index in range(10):
        sink.answer(answer(index=index))
    sink.answer(answer(event(), index=99))
    listener.wait_for_topic(f"{_ROOT}/event")

    states = [json.loads(one.payload) for one in listener.heard if one.topic == f"{_ROOT}/state"]
    assert [state["frame"] for state in states] == [0, 99]


def test_events_go_to_frigates_topic_where_that_is_asked_for(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
) -> None:
    listener = broker.listen("frigate/#")
    sink = connect(settings(frigate_prefix="frigate"))
    now_ns = time.monotonic_ns()
    sink.answer(answer(event("appeared", "shirt", at_ns=now_ns - 1_500_000_000)))
    sink.answer(answer(event("vanished", "shirt", at_ns=now_ns)))

    new = json.loads(listener.wait_for(lambda one: b'"new"' in one.payload).payload)
    end = json.loads(listener.wait_for(lambda one: b'"end"' in one.payload).payload)
    assert new["after"]["id"] == end["after"]["id"]
    assert end["after"]["end_time"] - end["after"]["start_time"] == pytest.approx(1.5, abs=0.01)


def test_a_node_is_named_after_its_host(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Garden-Pi.local")

    assert connect(settings(node=None)).topics.state == "edge_recog/garden-pi/state"


def test_an_error_of_ours_does_not_end_the_thread_that_reconnects(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    complaints: Complaints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: MqttSink) -> None:
        raise ZeroDivisionError

    listener = broker.listen()
    sink = connect(settings())
    listener.wait_for(lambda one: one.payload == b"online")
    with monkeypatch.context() as patched:
        patched.setattr(MqttSink, "_tell_discovery", fail)
        listener.publish("homeassistant/status", b"online")
        complaints.wait_for("a message could not be dealt with")
    listener.forget()
    listener.publish("homeassistant/status", b"online")

    listener.wait_for_topic(_SHIRT)
    assert sink.problem is None


def test_what_vanished_because_the_camera_is_lost_is_told_as_an_event(
    broker: Any,
    settings: Callable[..., MqttSettings],
    connect: Callable[..., MqttSink],
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
) -> None:
    listener = broker.listen()
    sink = connect(settings())
    sink.answer(answer(event("appeared", "shirt")))
    listener.wait_for(lambda one: b'"present":["shirt"]' in one.payload)
    sink.status(status("degraded", "the camera is lost"))
    sink.vanished(Vanished((event("vanished", "shirt"),), "kitchen"))

    told = listener.wait_for(lambda one: b'"vanished"' in one.payload)
    assert told.topic == f"{_ROOT}/event"
    document = json.loads(told.payload)
    assert (document["label"], document["source"], document["duration_s"]) == (
        "shirt", "kitchen", 1.5,
    )  # fmt: skip
    late = broker.listen()
    assert json.loads(late.wait_for_topic(f"{_ROOT}/state").payload)["present"] == []
