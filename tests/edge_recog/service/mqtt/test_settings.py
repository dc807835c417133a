from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.service.mqtt.settings import (
    PASSWORD_VARIABLE,
    Broker,
    MqttSettings,
    node_name,
    read_password,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mqtt://home.local", Broker("home.local", 1883, False)),
        ("mqtts://home.local", Broker("home.local", 8883, True)),
        ("mqtt://a%40b@10.0.0.1:1884/", Broker("10.0.0.1", 1884, False, "a@b")),
        ("mqtts://[::1]:1", Broker("::1", 1, True)),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: Broker) -> None:
    assert Broker.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "home.local",
        "tcp://home.local",
        "mqtt://",
        "mqtt://user:hunter2@home.local",
        "mqtt://home.local/path",
        "mqtt://home.local?x=y",
        "mqtt://home.local:0",
        "mqtt://home.local:65536",
        "mqtt://home..local",
        "mqtt://" + "a" * 64,
        "mqtt://home.local\n",
        "mqtt://k\u00fcche.local",
    ],
)
def test_an_address_that_is_none_is_refused_without_telling_a_password(text: str) -> None:
    with pytest.raises(UsageError, match=r"mqtt\.broker") as refused:
        Broker.parse(text)
    assert "hunter2" not in str(refused.value)


@given(st.text(max_size=40) | st.text("mqts:/@[].a1?#%\\", max_size=30).map("mqtt://".__add__))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        broker = Broker.parse(text)
    except UsageError:
        return
    assert 0 < broker.port < 65536
    # What paho does with it must not raise in its thread.
    assert broker.host.encode("idna")


@pytest.mark.parametrize(
    "wrong",
    [
        {"node": "Kitchen"},
        {"node": "a/b"},
        {"node": "#"},
        {"node": ""},
        {"node": "kitchen\n"},
        {"node": "x" * 65},
        {"discovery_prefix": "home/#"},
        {"discovery_prefix": "/home"},
        {"discovery_prefix": "$SYS"},
        {"frigate_prefix": "+"},
        {"client_id": "a b"},
        {"version": "4"},
        {"queue": 0},
        {"keepalive_s": 0},
        {"password_file": "p"},
        {"key_file": "k"},
        {"ca_file": "c"},
        {"broker": "mqtt://me@home.local", "user": "you"},
        {"insecure": True},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"broker": "mqtt://home.local", **wrong}, MqttSettings)


def test_the_broker_is_all_that_must_be_named() -> None:
    settings = msgspec.convert({"broker": "mqtts://home.local"}, MqttSettings)

    assert (settings.version, settings.discovery, settings.frigate_prefix) == ("5", True, None)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("raspberrypi", "raspberrypi"),
        ("Pi-4.local", "pi-4"),
        ("K\u00fcche", "k_che"),
        ("", "edge_recog"),
        ("...", "edge_recog"),
    ],
)
def test_a_host_gives_its_name(host: str, expected: str) -> None:
    assert node_name(host) == expected


@given(st.text())
def test_any_host_gives_a_name_that_fits(host: str) -> None:
    assert re.fullmatch("[a-z0-9_-]{1,64}", node_name(host))


def test_a_password_is_the_first_line_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "other")
    (tmp_path / "password").write_text(" with blanks \r\nmore\n")
    (tmp_path / "password").chmod(0o600)
    settings = MqttSettings(broker="mqtt://me@home.local", password_file=str(tmp_path / "password"))

    assert read_password(settings) == " with blanks "


def test_without_a_file_a_password_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = MqttSettings(broker="mqtt://me@home.local")
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret")
    assert read_password(settings) == "s3cret"
    monkeypatch.delenv(PASSWORD_VARIABLE)
    assert read_password(settings) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\nx", "first line is empty"),
        (b"\xff\xfe", "not a text file"),
    ],
    ids=["missing", "empty", "only a line end", "empty line", "binary"],
)
def test_a_password_file_that_is_none_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(UsageError, match=reason):
        read_password(MqttSettings(broker="mqtt://me@home.local", password_file=str(path)))


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("s3cret")
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        read_password(MqttSettings(broker="mqtt://me@home.local", password_file=str(path)))
