"""The one form in which classifications leave the process, as JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_recog.predictions import Classification

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


def milliseconds(nanoseconds: int) -> float:
    """Return milliseconds, to the microsecond."""
    return round(nanoseconds / 1e6, 3)
