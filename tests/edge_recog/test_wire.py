from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from edge_recog.events import Event
from edge_recog.predictions import Classification, Prediction, Timings
from edge_recog.supervision import Status
from edge_recog.wire import (
    classification_document,
    event_document,
    milliseconds,
    status_document,
    time_text,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def result(captured_ns: int = 0) -> Classification:
    return Classification(
        predictions=(Prediction("cat", 0.912345, 3), Prediction("dog", 0.05, 1)),
        timings=Timings(1_234_567, 20_000_000, 3_000),
        model_id="sha256:abc",
        frame_index=7,
        captured_ns=captured_ns,
        source="kitchen",
    )


def test_a_classification_has_stable_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 30_000_000)

    document = classification_document(result(), model_name="ants", now=NOW)

    assert msgspec.json.decode(msgspec.json.encode(document)) == {
        "schema": 1,
        "time": "2026-01-02T03:04:05.648Z",
        "source": "kitchen",
        "frame": 7,
        "model": {"id": "sha256:abc", "name": "ants"},
        "predictions": [{"label": "cat", "score": 0.9123}, {"label": "dog", "score": 0.05}],
        "latency_ms": {
            "preprocess": 1.235,
            "invoke": 20.0,
            "postprocess": 0.003,
            "total": 21.238,
            "since_capture": 30.0,
        },
    }


def test_the_time_is_that_of_the_capture() -> None:
    captured = time.monotonic_ns() - 2_000_000_000
    document = classification_document(result(captured), model_name="")
    said = datetime.fromisoformat(document["time"])

    assert abs(datetime.now(UTC) - timedelta(seconds=2) - said) < timedelta(seconds=1)


def test_another_time_zone_is_written_with_its_offset() -> None:
    now = NOW.astimezone(timezone(timedelta(hours=2)))
    document = classification_document(result(time.monotonic_ns()), model_name="", now=now)

    assert document["time"].startswith("2026-01-02T05:04:05.")
    assert document["time"].endswith("+02:00")


@pytest.mark.parametrize(
    ("kind", "duration_s", "expected"),
    [("appeared", None, None), ("vanished", 1.23456, 1.235)],
    ids=["appeared", "vanished"],
)
def test_an_event_has_stable_keys(
    monkeypatch: pytest.MonkeyPatch, kind: Any, duration_s: float | None, expected: float | None
) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 2_000_000_000)
    event = Event(kind, "cat", 0.912345, 500_000_000, duration_s)

    document = event_document(event, source="kitchen", now=NOW)

    assert msgspec.json.decode(msgspec.json.encode(document)) == {
        "schema": 1,
        "time": "2026-01-02T03:04:04.178Z",
        "source": "kitchen",
        "event": kind,
        "label": "cat",
        "score": 0.9123,
        "duration_s": expected,
    }


def test_a_state_has_stable_keys_and_the_time_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 60_000_000_000)
    status = Status("degraded", "the camera is lost", 0)

    document = status_document(status, now=NOW)

    assert document == {
        "schema": 1,
        "time": "2026-01-02T03:03:05.678Z",
        "state": "degraded",
        "reason": "the camera is lost",
    }


def test_a_time_of_the_future_is_written_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 0)

    assert time_text(1_000_000_000, now=NOW) == "2026-01-02T03:04:06.678Z"


@pytest.mark.parametrize(
    ("nanoseconds", "expected"), [(0, 0.0), (1_499, 0.001), (1_501, 0.002), (10**9, 1000.0)]
)
def test_milliseconds_have_three_decimals(nanoseconds: int, expected: float) -> None:
    assert milliseconds(nanoseconds) == expected
