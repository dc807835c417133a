from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_recog.answers import Vanished
from edge_recog.service.metrics import BUCKETS_S, CONTENT_TYPE, Metrics
from edge_recog.service.sinks import SinkQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.answers import Answer

OUTCOMES = ("answered", "overwritten", "faulty", "still", "limited")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="0.1.0", outcomes=OUTCOMES, temperature_c=lambda: 51.5)


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return value by name and label values."""
    text = metrics.exposition().decode()
    return {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_frames_are_counted_by_what_became_of_them(metrics: Metrics) -> None:
    metrics.frame("answered")
    metrics.frame("answered")
    metrics.frame("overwritten", 3)

    found = samples(metrics)
    frames = {key[1]: value for key, value in found.items() if key[0] == "edge_recog_frames_total"}
    assert frames == {"answered": 2, "overwritten": 3, "faulty": 0, "still": 0, "limited": 0}


def test_an_outcome_nobody_named_is_refused(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.frame("/etc/passwd")


def test_times_are_in_seconds(metrics: Metrics, answer: Callable[..., Answer]) -> None:
    metrics.answer(answer(invoke_s=0.004, age_s=0.2))

    found = samples(metrics)
    assert found["edge_recog_inference_duration_seconds_sum",] == pytest.approx(0.004)
    assert found["edge_recog_inference_duration_seconds_count",] == 1
    assert found["edge_recog_inference_duration_seconds_bucket", "0.003"] == 0
    assert found["edge_recog_inference_duration_seconds_bucket", "0.005"] == 1
    assert found["edge_recog_preprocessing_duration_seconds_sum",] == pytest.approx(0.0001)
    assert found["edge_recog_capture_to_answer_seconds_sum",] >= 0.2


def test_the_buckets_reach_from_half_a_millisecond_to_two_seconds() -> None:
    assert (BUCKETS_S[0], BUCKETS_S[-1]) == (0.0005, 2.0)
    assert list(BUCKETS_S) == sorted(set(BUCKETS_S))


def test_events_are_counted_without_their_labels(
    metrics: Metrics, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    metrics.answer(answer(event("appeared", "shirt"), event("appeared", "hat")))
    metrics.answer(answer(event("vanished", "hat")))

    found = samples(metrics)
    assert found["edge_recog_events_total", "appeared"] == 2
    assert found["edge_recog_events_total", "vanished"] == 1

    metrics.vanished(Vanished((event("vanished", "shirt"), event("vanished", "hat")), "kitchen"))
    assert samples(metrics)["edge_recog_events_total", "vanished"] == 3
    assert b"shirt" not in metrics.exposition()


def test_exactly_one_state_is_set(metrics: Metrics, status: Callable[..., Any]) -> None:
    for state in ("starting", "degraded"):
        metrics.status(status(state))

    found = samples(metrics)
    states = {key[1]: value for key, value in found.items() if key[0] == "edge_recog_camera_state"}
    assert states == {"starting": 0, "running": 0, "standby": 0, "degraded": 1, "stopping": 0}


def test_only_the_model_in_use_is_named(metrics: Metrics) -> None:
    metrics.model("sha256:aa", "old")
    metrics.model("sha256:bb", 'ants, "bees"\nand \\ more')

    found = samples(metrics)
    models = [key[1:] for key in found if key[0] == "edge_recog_model_info"]
    assert models == [("sha256:bb", 'ants, "bees"\nand \\ more')]


def test_sinks_and_temperature_are_read_when_asked_for(metrics: Metrics) -> None:
    class Sink:
        name = "mqtt"

        def answer(self, answer: object) -> None: ...

        def status(self, status: object) -> None: ...

        def close(self) -> None: ...

    queue = SinkQueue(Sink())
    metrics.watch([queue])
    queue.dropped, queue.failed = 7, 2
    found = samples(metrics)
    queue.close(20.0)

    assert found["edge_recog_sink_dropped_total", "mqtt"] == 7
    assert found["edge_recog_sink_failed_total", "mqtt"] == 2
    assert found["edge_recog_sink_waiting_items", "mqtt"] == 0
    assert found["edge_recog_temperature_celsius",] == 51.5


def test_without_a_sensor_there_is_no_temperature() -> None:
    metrics = Metrics(version="0.1.0", outcomes=OUTCOMES, temperature_c=lambda: None)

    assert ("edge_recog_temperature_celsius",) not in samples(metrics)


def test_the_process_and_the_version_are_told(metrics: Metrics, emulated: bool) -> None:
    found = samples(metrics)

    # qemu says of each process that it takes no memory.
    assert found["process_resident_memory_bytes",] > (-1 if emulated else 1e6)
    assert found["edge_recog_build_info", "0.1.0"] == 1


def test_two_of_them_do_not_share_a_registry(metrics: Metrics) -> None:
    other = Metrics(version="0.1.0", outcomes=OUTCOMES)
    metrics.frame("answered")

    assert samples(other)["edge_recog_frames_total", "answered"] == 0


def test_the_number_of_series_does_not_grow(
    metrics: Metrics, answer: Callable[..., Answer], event: Callable[..., Any]
) -> None:
    before = len(samples(metrics))
    metrics.model("sha256:aa", "first")
    for index in range(50):
        metrics.model(f"sha256:{index}", f"model {index}")
        metrics.answer(answer(event("appeared", f"label {index}"), label=f"label {index}"))

    assert len(samples(metrics)) == before + 1


def test_counting_from_several_threads_loses_nothing(metrics: Metrics) -> None:
    def count() -> None:
        for _ in range(500):
            metrics.frame("answered")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert samples(metrics)["edge_recog_frames_total", "answered"] == 2000


def test_promtool_finds_nothing_to_complain_of(
    metrics: Metrics,
    answer: Callable[..., Answer],
    event: Callable[..., Any],
    status: Callable[..., Any],
    missing: Callable[[str], NoReturn],
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool is not installed (Debian: prometheus)")
    metrics.frame("answered")
    metrics.model("sha256:aa", "clothing")
    metrics.status(status())
    metrics.answer(answer(event()))

    done = subprocess.run(
        [promtool, "check", "metrics"], input=metrics.exposition(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_name_of_ours_begins_alike_and_none_is_a_creation_time(metrics: Metrics) -> None:
    names = re.findall(r"^# TYPE (\S+)", metrics.exposition().decode(), re.MULTILINE)

    assert all(name.startswith(("edge_recog_", "process_")) for name in names)
    assert not [name for name in names if name.endswith("_created")]
    assert "version=0.0.4" in CONTENT_TYPE


def test_settings_and_sinks_are_imported_without_their_libraries() -> None:
    code = (
        "import sys\n"
        "import edge_recog.service.metrics, edge_recog.service.jsonl, edge_recog.service.webhook\n"
        "import edge_recog.service.mqtt.settings, edge_recog.service.mqtt.sink\n"
        "heavy = {'paho', 'prometheus_client', 'cv2', 'starlette'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
