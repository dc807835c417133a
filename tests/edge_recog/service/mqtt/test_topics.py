from __future__ import annotations

from typing import Any

import pytest

from edge_recog.errors import UsageError
from edge_recog.predictions import Prediction
from edge_recog.service.mqtt.topics import (
    ModelCard,
    Topics,
    frigate_document,
    model_document,
    state_document,
)


def test_the_topics_of_a_node() -> None:
    topics = Topics("kitchen")

    assert [
        topics.availability,
        topics.state,
        topics.event,
        topics.model,
        topics.status,
    ] == [
        "edge_recog/kitchen/availability",
        "edge_recog/kitchen/state",
        "edge_recog/kitchen/event",
        "edge_recog/kitchen/model",
        "edge_recog/kitchen/status",
    ]


@pytest.mark.parametrize("node", ["", "a/b", "+", "#", "Kitchen", "a\n", "x" * 65, "k\u00fcche"])
def test_a_name_that_means_something_else_in_topics_is_refused(node: str) -> None:
    with pytest.raises(UsageError, match=r"mqtt\.node"):
        Topics(node)


def test_a_state_is_a_classification_and_what_came_of_the_last_moments() -> None:
    state = state_document(
        {"schema": 1, "predictions": []}, [Prediction("shirt", 0.912345, 3)], {"shirt", "hat"}
    )

    assert state == {
        "schema": 1,
        "predictions": [],
        "smoothed": [{"label": "shirt", "score": 0.9123}],
        "present": ["hat", "shirt"],
    }


def test_a_model_is_told_with_its_labels() -> None:
    assert model_document(ModelCard("sha256:ab", "clothing", ("shirt", "hat"))) == {
        "schema": 1,
        "id": "sha256:ab",
        "name": "clothing",
        "labels": ["shirt", "hat"],
    }


def test_an_event_in_the_shape_of_frigate_has_one_id_from_new_to_end() -> None:
    event: dict[str, Any] = {"event": "appeared", "label": "shirt", "score": 0.9}
    new = frigate_document(event, node="kitchen", began=1000.5, now=1000.5)
    end = frigate_document({**event, "event": "vanished"}, node="kitchen", began=1000.5, now=1002.0)

    assert (new["type"], end["type"]) == ("new", "end")
    assert new["after"]["id"] == end["before"]["id"] == end["after"]["id"]
    assert (new["after"]["end_time"], end["after"]["end_time"]) == (None, 1002.0)
    assert end["before"]["end_time"] is None
    assert end["after"]["camera"] == "kitchen"
