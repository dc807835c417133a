from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_recog.service.config.keys import keys_of
from edge_recog.service.config.reading import load_config
from edge_recog.service.config.sections import SET_AT_TOP, Config
from edge_recog.service.config.showing import public_document, rows, schema

_OVERRIDES = {
    "source": "rtsp://user:hunter2@camera/live?token=hunter2",
    "web.token_file": "/etc/edge-recog/token",
    "mqtt.broker": "mqtts://user@home",
    "webhook.url": "https://home.local/hook/hunter2?key=hunter2",
    "webhook.token_file": "/etc/edge-recog/hook",
}


def test_every_value_is_shown_with_where_it_comes_from() -> None:
    loaded = load_config(environ={"EDGE_RECOG__THREADS": "2"}, overrides={"top_k": 3})
    found = {row.key: (row.value, row.origin) for row in rows(loaded, environ={})}

    assert found["threads"] == (2, "environment")
    assert found["top_k"] == (3, "command line")
    assert found["model"] == ("built-in", "default")
    assert found["events.threshold"] == (0.6, "default")
    assert found["mqtt"] == (None, "default")
    assert "mqtt.broker" not in found
    assert "events" not in found


def test_every_key_is_shown_where_every_section_is_on() -> None:
    overrides: dict[str, Any] = {
        **_OVERRIDES,
        "model": "active",
        "motion": True,
        "jsonl": True,
        "updates.url": "https://updates.example/fleet",
        "roi": {"x": 0, "y": 0, "width": 1, "height": 1},
    }
    loaded = load_config(environ={}, overrides=overrides)
    wanted = {
        key.name
        for key in keys_of(Config)
        if key.section is None and not key.name.startswith("masks.") and key.name not in SET_AT_TOP
    }

    assert {row.key for row in rows(loaded, environ={})} == wanted


def test_secrets_are_shown_as_where_they_are() -> None:
    loaded = load_config(environ={}, overrides=_OVERRIDES)
    variables = {"EDGE_RECOG_MQTT_PASSWORD": "hunter2"}
    found = {row.key: row.value for row in rows(loaded, environ=variables)}
    document = public_document(loaded.config)

    assert found["mqtt.password"] == "<from EDGE_RECOG_MQTT_PASSWORD>"
    assert found["web.token_file"] == "<from /etc/edge-recog/token>"
    assert document["web"]["token_file"] == "<from /etc/edge-recog/token>"
    assert document["webhook"]["url"] == "https://home.local:443/…"
    assert document["source"].startswith("rtsp://camera/live")
    assert "hunter2" not in f"{found} {document}"


def test_a_password_that_no_broker_gets_is_not_shown() -> None:
    loaded = load_config(environ={})
    variables = {"EDGE_RECOG_MQTT_PASSWORD": "hunter2"}

    assert "mqtt.password" not in {row.key for row in rows(loaded, environ=variables)}


def test_the_document_is_json_with_all_that_is_in_force() -> None:
    loaded = load_config(environ={})
    document = msgspec.json.decode(msgspec.json.encode(public_document(loaded.config)))

    assert msgspec.convert(document, Config) == loaded.config


def test_the_schema_knows_every_key_that_a_file_may_set() -> None:
    definitions = schema()["$defs"]
    for key in keys_of(Config):
        section, _, name = key.name.rpartition(".")
        kind = {found.name: found.section for found in keys_of(Config)}.get(section, Config)

        assert kind is not None
        assert (name in definitions[kind.__name__]["properties"]) is (key.name not in SET_AT_TOP)


def test_the_schema_has_false_where_toml_has_no_null() -> None:
    document = schema()
    properties = document["$defs"]["Config"]["properties"]

    assert "null" not in msgspec.json.encode(document).decode()
    assert {"const": False} in properties["delegate"]["anyOf"]
    assert {"const": False} in properties["mqtt"]["anyOf"]
    assert {"type": "boolean"} in properties["watch"]["anyOf"]
    assert properties["delegate"]["default"] is False
    assert properties["events"]["default"]["release"] is False
    assert document["$defs"]["Config"]["additionalProperties"] is False


@pytest.mark.parametrize("key", ["threads", "rate_limit_fps"])
def test_the_schema_has_ranges(key: str) -> None:
    text = msgspec.json.encode(schema()["$defs"]["Config"]["properties"][key]).decode()

    assert '"maximum":' in text
