"""Numbers about the live classifier in the text format of Prometheus."""

from __future__ import annotations

import importlib.util
import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final, get_args

from edge_recog.errors import UsageError
from edge_recog.supervision import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
_BUCKETS_NS: Final = tuple(round(end * 1e9) for end in BUCKETS_S)


class Metrics:
    """Counts what happens; a sink too, so cheap that it needs no queue before it.

    Every method may be called from any thread. No label takes values from outside: what a metric
    can be labelled with is known at the start.

    It counts by itself: the histograms of prometheus-client take a lock and walk their buckets for
    each observation. That library writes the numbers down, and is loaded when somebody asks.
    """

    name = "metrics"

    def __init__(
        self,
        *,
        version: str,
        outcomes: Sequence[str],
        temperature_c: Callable[[], float | None] | None = None,
    ) -> None:
        """Begin at zero.

        Args:
            version: Of this program.
            outcomes: Everything that can become of a frame.
            temperature_c: Reads the processor's temperature, in degrees Celsius, when asked; None
                where there is no sensor.

        Raises:
            UsageError: prometheus-client is not installed.
        """
        if importlib.util.find_spec("prometheus_client") is None:
            raise UsageError('metrics need prometheus-client: pip install "edge-recog[daemon]"')
        self._version = version
        self._temperature_c = temperature_c
        self._sinks: tuple[SinkQueue, ...] = ()
        self._lock = threading.Lock()
        self._frames: dict[str, int] = dict.fromkeys(outcomes, 0)
        self._preprocessing = _Histogram(
            "edge_recog_preprocessing_duration_seconds",
            "Time to turn a frame into the model's input.",
        )
        self._inference = _Histogram(
            "edge_recog_inference_duration_seconds", "Time the interpreter ran for one frame."
        )
        self._capture_to_answer = _Histogram(
            "edge_recog_capture_to_answer_seconds", "Time from a frame's capture to its answer."
        )
        self._events = {"appeared": 0, "vanished": 0}
        self._last_answer_s = 0.0
        self._state: str | None = None
        self._model: tuple[str, str] | None = None
        self._text: Callable[[], bytes] | None = None

    def frame(self, outcome: str, count: int = 1) -> None:
        """Count frames by what became of them.

        Args:
            outcome: One of those named at the start.
            count: Of frames, at least 0.
        """
        with self._lock:
            self._frames[outcome] += count

    def answer(self, answer: Answer) -> None:
        """Take the times and events of an answer; its frame is not counted."""
        result = answer.classification
        timings = result.timings
        with self._lock:
            self._preprocessing.observe(timings.preprocess_ns)
            self._inference.observe(timings.invoke_ns)
            self._capture_to_answer.observe(time.monotonic_ns() - result.captured_ns)
            self._last_answer_s = time.time()
            for event in answer.events:
                self._events[event.kind] += 1

    def vanished(self, vanished: Vanished) -> None:
        """Take events that no frame brought."""
        with self._lock:
            for event in vanished.events:
                self._events[event.kind] += 1

    def status(self, status: Status) -> None:
        """Take a change of state."""
        self._state = status.state

    def model(self, model_id: str, name: str) -> None:
        """Take the model in use, in place of the one before."""
        self._model = (model_id, name)

    def watch(self, sinks: Iterable[SinkQueue]) -> None:
        """Tell of these queues from now on: their names must differ."""
        self._sinks = tuple(sinks)

    def exposition(self) -> bytes:
        """Return all metrics as text, in the type of `CONTENT_TYPE`."""
        import prometheus_client as prometheus

        if self._text is None:
            registry = prometheus.CollectorRegistry()
            registry.register(_AskedFor(self._read))
            prometheus.ProcessCollector(registry=registry)
            # In UTF-8, whatever a model's name is.
            self._text = lambda: prometheus.generate_latest(registry)
        return self._text()

    def close(self) -> None:
        """Nothing is held."""

    def _read(self) -> Iterator[Any]:
        """Yield everything as prometheus-client has it."""
        with self._lock:
            frames, events = dict(self._frames), dict(self._events)
            histograms = [
                one.copy()
                for one in (self._preprocessing, self._inference, self._capture_to_answer)
            ]
            last_answer_s = self._last_answer_s
        yield from self._read_counts(frames, events)
        for histogram in histograms:
            yield histogram.family()
        yield from self._read_how_it_is(last_answer_s)
        yield from self._read_sinks()

    def _read_counts(self, frames: Mapping[str, int], events: Mapping[str, int]) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        yield _labelled(
            CounterMetricFamily,
            "edge_recog_frames",
            "Frames the camera gave, by what became of them.",
            "outcome",
            frames,
        )
        yield _labelled(
            CounterMetricFamily,
            "edge_recog_events",
            "Things that appeared and vanished.",
            "event",
            events,
        )

    def _read_how_it_is(self, last_answer_s: float) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        yield GaugeMetricFamily(
            "edge_recog_last_answer_timestamp_seconds",
            "When the last frame was answered, Unix time; 0 before the first.",
            value=last_answer_s,
        )
        yield _labelled(
            GaugeMetricFamily,
            "edge_recog_camera_state",
            "1 for the state the live classifier is in, 0 for the others.",
            "state",
            {state: int(state == self._state) for state in get_args(State)},
        )
        models = GaugeMetricFamily(
            "edge_recog_model_info", "The model in use.", labels=["id", "name"]
        )
        if self._model is not None:
            models.add_metric(self._model, 1)
        yield models
        yield _labelled(
            GaugeMetricFamily,
            "edge_recog_build_info",
            "The program's version.",
            "version",
            {self._version: 1},
        )
        temperature_c = self._temperature_c() if self._temperature_c is not None else None
        if temperature_c is not None:
            yield GaugeMetricFamily(
                "edge_recog_temperature_celsius", "Of the processor.", value=temperature_c
            )

    def _read_sinks(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        sinks = self._sinks
        yield _labelled(
            CounterMetricFamily,
            "edge_recog_sink_dropped",
            "Items that a sink was too slow for.",
            "sink",
            {sink.name: sink.dropped for sink in sinks},
        )
        yield _labelled(
            CounterMetricFamily,
            "edge_recog_sink_failed",
            "Items that a sink could not take anywhere.",
            "sink",
            {sink.name: sink.failed for sink in sinks},
        )
        yield _labelled(
            GaugeMetricFamily,
            "edge_recog_sink_waiting_items",
            "Items in a sink's queue.",
            "sink",
            {sink.name: sink.waiting for sink in sinks},
        )


class _Histogram:
    """Counts times by the bucket they are in. Not thread-safe."""

    def __init__(self, name: str, about: str) -> None:
        self._name = name
        self._about = about
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_ns = 0

    def observe(self, duration_ns: int) -> None:
        # A bucket's upper end belongs to it.
        self._counts[bisect_left(_BUCKETS_NS, duration_ns)] += 1
        self._sum_ns += duration_ns

    def copy(self) -> _Histogram:
        other = _Histogram(self._name, self._about)
        other._counts, other._sum_ns = list(self._counts), self._sum_ns
        return other

    def family(self) -> Any:
        from prometheus_client.core import HistogramMetricFamily

        total = 0
        buckets = []
        for end, count in zip((*map(str, BUCKETS_S), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((end, float(total)))
        return HistogramMetricFamily(
            self._name, self._about, buckets=buckets, sum_value=self._sum_ns / 1e9
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


def _labelled(
    kind: Callable[..., Any], name: str, about: str, label: str, values: Mapping[str, float]
) -> Any:
    """Return a metric with a value for each value of its label."""
    family = kind(name, about, labels=[label])
    for found, value in values.items():
        family.add_metric([found], value)
    return family
