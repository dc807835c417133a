"""Answers, events and states for the tests of what stands around the pipeline."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_recog.answers import Answer
from edge_recog.events import Event
from edge_recog.frames import Frame
from edge_recog.predictions import Classification, Prediction, Timings
from edge_recog.supervision import Status

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_ID = "sha256:" + "ab" * 32


@pytest.fixture(scope="session")
def event() -> Callable[..., Event]:
    """Return what makes an event; a thing that vanished was there for 1.5 s."""

    def make(kind: Any = "appeared", label: str = "shirt", *, at_ns: int | None = None) -> Event:
        duration_s = 1.5 if kind == "vanished" else None
        return Event(kind, label, 0.93, time.monotonic_ns() if at_ns is None else at_ns, duration_s)

    return make


@pytest.fixture(scope="session")
def status() -> Callable[..., Status]:
    """Return what makes a state."""

    def make(state: Any = "running", reason: str | None = None) -> Status:
        return Status(state, reason, time.monotonic_ns())

    return make


@pytest.fixture(scope="session")
def answer() -> Callable[..., Answer]:
    """Return what makes an answer: `shirt`, and who knows `hat`."""

    def make(
        *events: Any,
        index: int = 0,
        source: str = "kitchen",
        label: str = "shirt",
        age_s: float = 0.0,
        invoke_s: float = 0.004,
    ) -> Answer:
        captured_ns = time.monotonic_ns() - int(age_s * 1e9)
        predictions = (Prediction(label, 0.93, 0), Prediction("hat", 0.05, 1))
        timings = Timings(100_000, int(invoke_s * 1e9), 5_000)
        return Answer(
            Frame.from_rgb(np.full((6, 8, 3), 7, np.uint8), captured_ns=captured_ns, index=index),
            Classification(predictions, timings, MODEL_ID, index, captured_ns, source),
            predictions,
            events,
        )

    return make


@pytest.fixture(scope="session")
def name_of() -> Callable[[str], str]:
    """Return what names a model."""
    return {MODEL_ID: "clothing"}.__getitem__


@pytest.fixture(scope="session")
def within() -> Callable[..., None]:
    """Return what runs a function and fails if it does not come back."""

    def run(function: Callable[[], Any], timeout_s: float = 20.0) -> None:
        errors: list[BaseException] = []

        def call() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - raised again by whoever waits.
                errors.append(error)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(timeout_s)
        assert not thread.is_alive(), f"it did not come back within {timeout_s} s"
        if errors:
            raise errors[0]

    return run
