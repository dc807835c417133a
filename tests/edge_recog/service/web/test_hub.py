from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from edge_recog.answers import Answer, Vanished
from edge_recog.events import Event
from edge_recog.frames import Frame
from edge_recog.predictions import Classification, Timings
from edge_recog.service.web.documents import (
    ClassificationDocument,
    InputDocument,
    ModelDocument,
    StatusDocument,
)
from edge_recog.service.web.hub import EVENTS, Hub

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = ModelDocument(
    1, "sha256:x", "m", ["a"], "single-label", InputDocument(8, 8, "RGB"), "int8", 1, 1, None, None
)


def make_hub(name_of: Callable[[str], str] = str) -> Hub:
    return Hub(
        node="kitchen",
        version="1",
        source="s",
        model=MODEL,
        name_of=name_of,
        frames={"answered": 3},
    )


@pytest.fixture
def hub(name_of: Callable[[str], str]) -> Hub:
    return make_hub(name_of)


def test_before_the_first_answer_there_is_nothing(hub: Hub) -> None:
    assert hub.classification() is None
    assert hub.frame is None
    document = hub.status_document()
    assert (document.state, document.frame_rate_fps, document.latency_ms) == (
        "starting",
        None,
        None,
    )
    assert document.picture is None
    assert document.frames == {"answered": 3}
    assert not hub.begun.is_set()


def test_an_answer_is_told_with_what_came_of_the_last_moments(
    hub: Hub, answer: Callable[..., Answer], event: Callable[..., Event]
) -> None:
    hub.answer(answer(event("appeared", "shirt"), index=7))

    document = msgspec.convert(hub.classification(), ClassificationDocument)
    assert (document.frame, document.model.name) == (7, "clothing")
    assert [one.label for one in document.smoothed] == ["shirt", "hat"]
    assert [one.label for one in document.present] == ["shirt"]
    assert hub.begun.is_set()


def test_what_appeared_is_present_until_it_vanishes(
    hub: Hub, answer: Callable[..., Answer], event: Callable[..., Event]
) -> None:
    hub.answer(answer(event("appeared", "hat", at_ns=20), event("appeared", "shirt", at_ns=10)))
    before = hub.classification()
    hub.vanished(Vanished((event("vanished", "hat"),), "kitchen"))
    after = hub.classification()

    assert before is not None
    assert after is not None
    assert [one["label"] for one in before["present"]] == ["shirt", "hat"]
    assert [one["label"] for one in after["present"]] == ["shirt"]


def test_the_time_since_capture_is_of_the_answer_however_late_it_is_asked_for(
    hub: Hub, answer: Callable[..., Answer]
) -> None:
    hub.answer(answer(age_s=0.2))
    asked = [hub.classification() for _ in range(2)]

    first, second = ((one or {})["latency_ms"]["since_capture"] for one in asked)
    assert first == second >= 200


@pytest.mark.parametrize("state", ["degraded", "stopping", "starting"])
def test_what_is_of_the_past_is_not_shown(
    hub: Hub,
    answer: Callable[..., Answer],
    event: Callable[..., Event],
    status: Callable[..., Any],
    state: str,
) -> None:
    hub.answer(answer(event("appeared")))
    hub.status(status(state, "why"))

    assert hub.classification() is None
    assert hub.frame is None
    document = hub.status_document()
    assert (document.state, document.reason, document.picture) == (state, "why", None)
    assert document.latency_ms is None
    assert len(document.recent_events) == 1


def test_the_first_answer_stays_when_the_state_follows(
    hub: Hub, answer: Callable[..., Answer], status: Callable[..., Any]
) -> None:
    hub.answer(answer())
    hub.status(status("running"))

    assert hub.classification() is not None


def test_only_the_newest_frame_is_held(hub: Hub, answer: Callable[..., Answer]) -> None:
    held = []
    for index in range(5):
        one = answer(index=index)
        held.append(weakref.ref(one.frame.pixels))
        hub.answer(one)
        del one
    gc.collect()

    assert [ref() is not None for ref in held] == [False, False, False, False, True]


def test_medians_are_of_the_last_answers(hub: Hub, answer: Callable[..., Answer]) -> None:
    for invoke_s in (1.0, 0.004, 0.002, 0.003, 0.005):
        hub.answer(answer(invoke_s=invoke_s))

    document = hub.status_document()
    assert document.latency_ms is not None
    assert document.latency_ms.invoke == 4.0
    assert document.frame_rate_fps is not None
    assert document.frame_rate_fps > 0


def test_the_status_is_as_it_is_described(
    hub: Hub, answer: Callable[..., Answer], event: Callable[..., Event]
) -> None:
    hub.answer(answer(event("appeared"), event("vanished")))
    encoded = msgspec.json.encode(hub.status_document())

    document = msgspec.json.decode(encoded, type=StatusDocument)
    assert [one.event for one in document.recent_events] == ["appeared", "vanished"]
    assert (document.picture and document.picture.width) == 8


def test_everything_new_is_rung_for(
    hub: Hub, answer: Callable[..., Answer], status: Callable[..., Any], event: Callable[..., Event]
) -> None:
    rings = []
    hub.on_change = lambda: rings.append(hub.numbers)
    before = hub.numbers
    hub.answer(answer())
    hub.vanished(Vanished((event("vanished"),), "kitchen"))
    hub.status(status())
    hub.change_model(MODEL)

    assert len(rings) == 4
    assert hub.numbers == tuple(number + 1 for number in before)


@seed(1)
@given(st.lists(st.integers(0, 40), max_size=30), st.integers(0, 30))
def test_events_are_read_without_a_gap_or_it_is_said_that_there_is_one(
    batches: list[int], reads_every: int
) -> None:
    hub = make_hub()
    told, read, last = 0, 0, 0
    frame = Frame.from_rgb(np.zeros((2, 2, 3), np.uint8), captured_ns=0)
    result = Classification((), Timings(0, 0, 0), "m", 0, 0, "s")
    for number, size in enumerate(batches):
        events = tuple(Event("appeared", str(told + one), 1.0, 0) for one in range(size))
        told += size
        hub.answer(Answer(frame, result, (), events))
        if reads_every and number % reads_every:
            continue
        found = hub.events_after(last)
        if found is None:
            assert told - read > EVENTS
            read = last = told
            continue
        assert [one.document["label"] for one in found] == [str(one) for one in range(read, told)]
        read = last = told
    assert hub.last_event == told
