"""The one form in which answers leave the process, as JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_recog.events import Event
    from edge_recog.predictions import Classification
    from edge_recog.supervision import Status

SCHEMA = 1


def classification_document(
    result: Classification, *, model_name: str, now: datetime | None = None
) -> dict[str, Any]:
    """Return a classification as plain values.

    Args:
        result: What was classified.
        model_name: The model's name, for people.
        now: Time of the answer, with time zone; the clock's if None.
    """
    since_capture_ns = time.monotonic_ns() - result.captured_ns
    answered = now or datetime.now(UTC)
    captured = answered - timedelta(microseconds=since_capture_ns / 1e3)
    timings = result.timings
    return {
        "schema": SCHEMA,
        "time": captured.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "source": result.source,
        "frame": result.frame_index,
        "model": {"id": result.model_id, "name": model_name},
        "predictions": [
            {"label": prediction.label, "score": round(prediction.score, 4)}
            for prediction in result.predictions
        ],
        "latency_ms": {
            "preprocess": milliseconds(timings.preprocess_ns),
            "invoke": milliseconds(timings.invoke_ns),
            "postprocess": milliseconds(timings.postprocess_ns),
            "total": milliseconds(timings.total_ns),
            "since_capture": milliseconds(since_capture_ns),
        },
    }


def event_document(event: Event, *, source: str, now: datetime | None = None) -> dict[str, Any]:
    """Return an event as plain values.

    Args:
        event: What began or ended.
        source: Where it was seen: a camera's name.
        now: Time of writing, with time zone; the clock's if None.
    """
    return {
        "schema": SCHEMA,
        "time": time_text(event.at_ns, now=now),
        "source": source,
        "event": event.kind,
        "label": event.label,
        "score": round(event.score, 4),
        "duration_s": None if event.duration_s is None else round(event.duration_s, 3),
    }


def status_document(status: Status, *, now: datetime | None = None) -> dict[str, Any]:
    """Return a state as plain values; its time is since when it holds.

    Args:
        status: Of the live classifier.
        now: Time of writing, with time zone; the clock's if None.
    """
    return {
        "schema": SCHEMA,
        "time": time_text(status.since_ns, now=now),
        "state": status.state,
        "reason": status.reason,
    }


def time_text(monotonic_ns: int, *, now: datetime | None = None) -> str:
    """Return the time of day of a monotonic time, RFC 3339.

    Args:
        monotonic_ns: On the scale of `time.monotonic_ns`.
        now: The time of day now, with time zone; the clock's if None.
    """
    ago = timedelta(microseconds=(time.monotonic_ns() - monotonic_ns) / 1e3)
    moment = (now or datetime.now(UTC)) - ago
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(nanoseconds: int) -> float:
    """Return milliseconds, to the microsecond."""
    return round(nanoseconds / 1e6, 3)
