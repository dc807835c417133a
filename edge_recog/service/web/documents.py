"""What the REST interface says: the shape of every document, and how each is made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from edge_recog.contract import Card, Task
from edge_recog.pipeline import Outcome
from edge_recog.preprocessing import Colour
from edge_recog.supervision import State
from edge_recog.wire import classification_document, milliseconds, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog.classifier import Classifier
    from edge_recog.predictions import Classification, Prediction


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A label and how sure the model is of it."""

    label: str
    score: float
    """0-1."""


class Present(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A label that appeared and has not vanished."""

    label: str
    since: str
    """RFC 3339."""


class ModelName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model."""

    id: str
    """`sha256:` and 64 hexadecimal digits of the file."""
    name: str


class Latencies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds."""

    preprocess: float
    invoke: float
    postprocess: float
    total: float
    """The three together."""
    since_capture: float
    """From the frame's capture to its answer."""


class ClassificationDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model says of one frame."""

    schema: Literal[1]
    time: str
    """Of the frame's capture, RFC 3339."""
    source: str
    frame: int
    """Running number."""
    model: ModelName
    predictions: list[Score]
    """Best first."""
    latency_ms: Latencies
    smoothed: list[Score]
    """Scores of the last moments, best first."""
    present: list[Present]
    """Longest first."""


class EventDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something appeared or vanished."""

    schema: Literal[1]
    time: str
    source: str
    event: Literal["appeared", "vanished"]
    label: str
    score: float
    duration_s: float | None
    """Of what vanished: how long it was there."""


class SinkDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a sink keeps up."""

    name: str
    waiting: int
    dropped: int
    failed: int


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The camera's picture, in pixels."""

    width: int
    height: int


class StatusDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the live classifier is."""

    schema: Literal[1]
    time: str
    node: str
    """This device's name."""
    version: str
    state: State
    reason: str | None
    since: str
    """When the state began, RFC 3339."""
    uptime_s: float
    source: str
    frame_rate_fps: float | None
    """Answers a second, over the last seconds; null where there were none."""
    frames: dict[Outcome, int]
    """By what became of them, since the start."""
    latency_ms: Latencies | None
    """Medians of the last answers; null before the first."""
    temperature_celsius: float | None
    """Of the processor; null where there is no sensor."""
    sinks: list[SinkDocument]
    viewers: int
    """Who watch the live picture."""
    model: ModelName
    recent_events: list[EventDocument]
    """At most 100, the newest last."""
    picture: Picture | None


class InputDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model looks at."""

    width: int
    height: int
    colour: Colour


class ModelDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model in use."""

    schema: Literal[1]
    id: str
    name: str
    labels: list[str]
    task: Task
    input: InputDocument
    precision: str
    """Of its input tensor: `int8`, `uint8`, `float32`."""
    size_bytes: int
    threads: int
    delegate: str | None
    """The accelerator it runs on; null on the CPU."""
    card: Card | None
    """What whoever made it says of it."""


class Alive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frames are answered, or it was told to rest."""

    status: Literal["ready"] = "ready"


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent with an order that says everything itself."""


class StandBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent with the order to rest."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "told to rest"
    """Why, for people."""


class ProblemDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a request came to nothing, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


def full_classification(
    result: Classification,
    *,
    model_name: str,
    answered_ns: int,
    smoothed: Sequence[Prediction],
    present: Mapping[str, int],
) -> dict[str, Any]:
    """Return a classification and what came of the last moments, as plain values.

    Args:
        result: What was classified.
        model_name: The model's name, for people.
        answered_ns: When, monotonic; the document may be made later.
        smoothed: Best first.
        present: Label → since when it is there, monotonic ns.
    """
    document = classification_document(result, model_name=model_name)
    document["latency_ms"]["since_capture"] = milliseconds(answered_ns - result.captured_ns)
    longest_first = sorted(present.items(), key=lambda item: item[1])
    return document | {
        "smoothed": [{"label": one.label, "score": round(one.score, 4)} for one in smoothed],
        "present": [
            {"label": label, "since": time_text(since_ns)} for label, since_ns in longest_first
        ],
    }


def now_text() -> str:
    """Return the time of day, RFC 3339."""
    return time_text(time.monotonic_ns())


def model_document(classifier: Classifier, *, threads: int, delegate: str | None) -> ModelDocument:
    """Return what there is to know of an open model.

    Args:
        classifier: The model.
        threads: That the interpreter may use.
        delegate: The accelerator that was asked for.
    """
    bundle = classifier.bundle
    preprocessing = bundle.contract.preprocessing
    return ModelDocument(
        schema=1,
        id=bundle.id,
        name=bundle.name,
        labels=list(bundle.labels),
        task=bundle.contract.task,
        input=InputDocument(preprocessing.width, preprocessing.height, preprocessing.colour),
        precision=bundle.inputs.dtype,
        size_bytes=len(bundle.data),
        threads=threads,
        delegate=None if classifier.fell_back is not None else delegate,
        card=bundle.manifest.card if bundle.manifest is not None else None,
    )
