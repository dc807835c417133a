from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.service.mqtt.discovery import (
    MAX_LABELS,
    chosen_labels,
    discovery_messages,
    slug,
    template_text,
)
from edge_recog.service.mqtt.topics import ModelCard, Topics

_TOPIC = re.compile(r"homeassistant/(sensor|binary_sensor)/edge_recog_kitchen/[a-z0-9_]+/config")


def told(*labels: str) -> dict[str, dict[str, Any]]:
    """Return configuration by topic."""
    messages = list(
        discovery_messages(
            Topics("kitchen"),
            ModelCard("sha256:ab", "clothing", labels),
            labels=labels,
            prefix="homeassistant",
            version="0.1.0",
        )
    )
    assert all(message.retain for message in messages)
    found = {message.topic: json.loads(message.payload) for message in messages}
    assert len(found) == len(messages)
    return found


def test_there_is_the_top_label_the_camera_the_model_and_each_wanted_label() -> None:
    assert list(told("shirt", "hat")) == [
        "homeassistant/sensor/edge_recog_kitchen/top_label/config",
        "homeassistant/sensor/edge_recog_kitchen/camera_state/config",
        "homeassistant/sensor/edge_recog_kitchen/model/config",
        "homeassistant/binary_sensor/edge_recog_kitchen/label_shirt/config",
        "homeassistant/binary_sensor/edge_recog_kitchen/label_hat/config",
    ]


def test_all_belong_to_one_device_and_know_whether_it_is_there() -> None:
    configs = told("shirt").values()

    assert len({config["unique_id"] for config in configs}) == 4
    assert {config["availability_topic"] for config in configs} == {
        "edge_recog/kitchen/availability"
    }
    assert {json.dumps(config["device"]["identifiers"]) for config in configs} == {
        '["edge_recog_kitchen"]'
    }


def test_a_label_is_present_where_the_state_says_so() -> None:
    config = told("T-shirt, red")[
        f"homeassistant/binary_sensor/edge_recog_kitchen/label_{slug('T-shirt, red')}/config"
    ]

    assert config["name"] == "T-shirt, red"
    assert config["state_topic"] == "edge_recog/kitchen/state"
    assert config["value_template"] == (
        r"{{ 'ON' if 'T-shirt\U0000002c red' in value_json.present else 'OFF' }}"
    )


def test_the_camera_can_be_in_every_state_of_the_daemon() -> None:
    config = told()["homeassistant/sensor/edge_recog_kitchen/camera_state/config"]

    assert config["options"] == ["starting", "running", "standby", "degraded", "stopping"]
    assert config["state_topic"] == "edge_recog/kitchen/status"


@given(st.lists(st.text(max_size=30), max_size=5, unique=True))
def test_any_labels_give_topics_of_their_own_without_wildcards(labels: list[str]) -> None:
    found = told(*labels)

    assert all(_TOPIC.fullmatch(topic) for topic in found)
    assert len(found) == 3 + len(labels)


@given(st.text())
def test_no_label_can_break_out_of_a_template(label: str) -> None:
    text = template_text(label)

    # Jinja reads a literal as Python does: by the codec `unicode-escape`.
    assert ast.literal_eval(text) == label
    assert re.fullmatch(r"'[A-Za-z0-9 _\\-]*'", text)


@given(st.text(), st.text())
def test_different_labels_have_different_slugs(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)
    assert re.fullmatch("[a-z0-9_]{1,53}", slug(one))


@pytest.mark.parametrize(
    ("wanted", "labels", "expected"),
    [
        (("hat", "sock", "hat"), ("shirt", "hat"), ("hat",)),
        ((), ("shirt", "hat", "shirt"), ("shirt", "hat")),
        ((), tuple(map(str, range(MAX_LABELS + 1))), ()),
        (("7",), tuple(map(str, range(1000))), ("7",)),
    ],
    ids=["wanted", "all", "too many", "one of many"],
)
def test_which_labels_get_a_sensor(
    wanted: tuple[str, ...], labels: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert chosen_labels(wanted, ModelCard("sha256:ab", "model", labels)) == expected
