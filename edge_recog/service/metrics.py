"""Numbers about the live classifier in the text format of Prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, get_args

from edge_recog.errors import UsageError
from edge_recog.supervision import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from edge_recog.answers import Answer, Vanished
    from edge_recog.service.sinks import SinkQueue
    from edge_recog.supervision import Status

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.exposition` returns."""

BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.25, 0.5, 1.0, 2.0),
)
"""Upper ends of the histograms' buckets: closer where cameras' frame periods are."""


class Metrics:
    """Counts what happens; a sink too, so cheap that it needs no queue before it.

    Every method may be called from any thread. No label takes values from outside: what a metric
    can be labelled with is known at the start.
    """

    name = "metrics"

    def __init__(
        self,
        *,
        version: str,
        outcomes: Sequence[str],
        temperature_c: Callable[[], float | None] | None = None,
    ) -> None:
        """Begin at zero, in a registry of its own.

        Args:
            version: Of this program.
            outcomes: Everything that can become of a frame.
            temperature_c: Reads the processor's temperature, in degrees Celsius, when asked; None
                where there is no sensor.

        Raises:
            UsageError: prometheus-client is not installed.
        """
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise UsageError(
                'metrics need prometheus-client: pip install "edge-recog[daemon]"'
            ) from error
        self._sinks: tuple[SinkQueue, ...] = ()
        self._temperature_c = temperature_c
        self._registry = registry = prometheus.CollectorRegistry()

        def histogram(name: str, about: str) -> prometheus.Histogram:
            return prometheus.Histogram(name, about, registry=registry, buckets=BUCKETS_S)

        frames = prometheus.Counter(
            "edge_recog_frames",
            "Frames the camera gave, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self._frames = {outcome: frames.labels(outcome) for outcome in outcomes}
        self._preprocessing = histogram(
            "edge_recog_preprocessing_duration_seconds",
            "Time to turn a frame into the model's input.",
        )
        self._inference = histogram(
            "edge_recog_inference_duration_seconds", "Time the interpreter ran for one frame."
        )
        self._capture_to_answer = histogram(
            "edge_recog_capture_to_answer_seconds", "Time from a frame's capture to its answer."
        )
        events = prometheus.Counter(
            "edge_recog_events",
            "Things that appeared and vanished.",
            ["event"],
            registry=registry,
        )
        self._events = {kind: events.labels(kind) for kind in ("appeared", "vanished")}
        self._last_answer = prometheus.Gauge(
            "edge_recog_last_answer_timestamp_seconds",
            "When the last frame was answered, Unix time; 0 before the first.",
            registry=registry,
        )
        state = prometheus.Gauge(
            "edge_recog_camera_state",
            "1 for the state the live classifier is in, 0 for the others.",
            ["state"],
            registry=registry,
        )
        self._states = {name: state.labels(name) for name in get_args(State)}
        self._model = prometheus.Gauge(
            "edge_recog_model_info", "The model in use.", ["id", "name"], registry=registry
        )
        prometheus.Gauge(
            "edge_recog_build_info", "The program's version.", ["version"], registry=registry
        ).labels(version).set(1)
        prometheus.ProcessCollector(registry=registry)
        registry.register(_AskedFor(self._read_asked_for))

    def frame(self, outcome: str, count: int = 1) -> None:
        """Count frames by what became of them.

        Args:
            outcome: One of those named at the start.
            count: Of frames, at least 0.
        """
        self._frames[outcome].inc(count)

    def answer(self, answer: Answer) -> None:
        """Take the times and events of an answer; its frame is not counted."""
        result = answer.classification
        self._preprocessing.observe(result.timings.preprocess_ns / 1e9)
        self._inference.observe(result.timings.invoke_ns / 1e9)
        self._capture_to_answer.observe((time.monotonic_ns() - result.captured_ns) / 1e9)
        self._last_answer.set(time.time())
        for event in answer.events:
            self._events[event.kind].inc()

    def vanished(self, vanished: Vanished) -> None:
        """Take events that no frame brought."""
        for event in vanished.events:
            self._events[event.kind].inc()

    def status(self, status: Status) -> None:
        """Take a change of state."""
        for name, gauge in self._states.items():
            gauge.set(1 if name == status.state else 0)

    def model(self, model_id: str, name: str) -> None:
        """Take the model in use, in place of the one before."""
        self._model.clear()
        self._model.labels(model_id, name).set(1)

    def watch(self, sinks: Iterable[SinkQueue]) -> None:
        """Tell of these queues from now on: their names must differ."""
        self._sinks = tuple(sinks)

    def exposition(self) -> bytes:
        """Return all metrics as text, in the type of `CONTENT_TYPE`."""
        from prometheus_client import generate_latest

        # In UTF-8, whatever a model's name is.
        return generate_latest(_WithoutCreated(self._registry))

    def close(self) -> None:
        """Nothing is held."""

    def _read_asked_for(self) -> Iterator[Any]:
        """Yield what is read only when somebody asks."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        dropped = CounterMetricFamily(
            "edge_recog_sink_dropped",
            "Items that a sink was too slow for.",
            labels=["sink"],
        )
        failed = CounterMetricFamily(
            "edge_recog_sink_failed", "Items that a sink could not take anywhere.", labels=["sink"]
        )
        waiting = GaugeMetricFamily(
            "edge_recog_sink_waiting_items", "Items in a sink's queue.", labels=["sink"]
        )
        for sink in self._sinks:
            dropped.add_metric([sink.name], sink.dropped)
            failed.add_metric([sink.name], sink.failed)
            waiting.add_metric([sink.name], sink.waiting)
        yield from (dropped, failed, waiting)
        temperature_c = self._temperature_c() if self._temperature_c is not None else None
        if temperature_c is not None:
            yield GaugeMetricFamily(
                "edge_recog_temperature_celsius", "Of the processor.", value=temperature_c
            )


class _AskedFor:
    """A collector, as prometheus-client calls it."""

    def __init__(self, read: Callable[[], Iterator[Any]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Any]:
        yield from self._read()

    def describe(self) -> Iterator[Any]:
        """Nothing: else it would be read to register it."""
        yield from ()


class _WithoutCreated:
    """A registry without the times at which each series began, which only OpenMetrics knows."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Any]:
        for family in self._registry.collect():
            kept = [one for one in family.samples if not one.name.endswith("_created")]
            family.samples = kept
            yield family
