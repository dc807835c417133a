from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.events import EventRules
from edge_recog.masks import Region
from edge_recog.pipeline import PipelineRules
from edge_recog.service.addresses import Listen
from edge_recog.service.config.sections import Config, SmoothingRules
from edge_recog.service.mqtt.settings import MqttSettings
from edge_recog.supervision import SupervisionRules


@pytest.mark.parametrize(
    ("text", "host", "port", "is_loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.1.2.3:0", "127.1.2.3", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        (":8080", "", 8080, False),
        ("0.0.0.0:8080", "0.0.0.0", 8080, False),
        ("[::]:65535", "::", 65535, False),
        ("127.example:80", "127.example", 80, False),
        ("kitchen.local:80", "kitchen.local", 80, False),
    ],
)
def test_an_address_says_who_can_connect(
    text: str, host: str, port: int, is_loopback: bool
) -> None:
    listen = Listen.parse(text)

    assert (listen.host, listen.port, listen.is_loopback) == (host, port, is_loopback)
    assert str(listen) == text


@pytest.mark.parametrize(
    "text", ["", "8080", "a", "a:", "a:b", "a:65536", "::1:80", "[::1]", "a b:80", "a:80\n", "/x:1"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it like"):
        Listen.parse(text)


@given(text=st.text())
def test_only_what_is_printed_alike_is_an_address(text: str) -> None:
    try:
        listen = Listen.parse(text)
    except UsageError:
        return
    assert Listen.parse(str(listen)) == listen


def test_the_pipeline_gets_what_the_file_says_of_it() -> None:
    region = Region(x=0, y=0, width=1, height=0.5)
    config = Config(
        roi=region,
        masks=(region,),
        rate_limit_fps=5.0,
        top_k=2,
        smoothing=SmoothingRules(half_life_s=1.0),
        events=EventRules(threshold=0.5),
        watch=None,
    )

    assert config.pipeline_rules == PipelineRules(
        roi=region,
        masks=(region,),
        rate_limit_fps=5.0,
        top_k=2,
        half_life_s=1.0,
        events=EventRules(threshold=0.5),
        watch=None,
    )


@pytest.mark.parametrize(("fallback", "expected"), [(None, False), ("cpu", True)])
def test_one_key_allows_to_go_on_without_the_accelerator(fallback: Any, expected: bool) -> None:
    config = Config(delegate="edgetpu", fallback=fallback, supervision=SupervisionRules(stall_s=1))

    assert config.supervision_rules == SupervisionRules(stall_s=1, cpu_fallback=expected)


def test_defaults_are_the_pipelines() -> None:
    assert Config().pipeline_rules == PipelineRules()


@pytest.mark.parametrize(
    ("node", "expected"), [("kitchen", "kitchen"), (None, "my_pi")], ids=["named", "the host's"]
)
def test_one_name_is_for_everything(
    monkeypatch: pytest.MonkeyPatch, node: str | None, expected: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "My.Pi" if node else "My Pi.local")
    config = Config(node=node, mqtt=MqttSettings(broker="mqtt://home"))

    assert config.node_name == expected
    assert config.mqtt_settings == MqttSettings(broker="mqtt://home", node=expected)


def test_without_a_broker_there_are_no_mqtt_settings() -> None:
    assert Config().mqtt_settings is None
