"""Figures of a contestant, from samples that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_benchmarks.device.events import Burst, Failed
from edge_recog_benchmarks.device.plan import Contestant, Plan
from edge_recog_benchmarks.figures import by_generation, figures_of
from edge_recog_benchmarks.statistics import Interval, early_stopping

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_benchmarks.figures import Figures
    from edge_recog_benchmarks.results import ContestantResult, Result

SECOND = 10**9


def figures(result: Result) -> Figures:
    return figures_of(result, result.contestants[0])


def burst(started_s: float, latency_ms: float, **changes: Any) -> Burst:
    """Return a burst of one second."""
    count = round(1000 / latency_ms)
    fields: dict[str, Any] = {
        "contestant": "a",
        "generation": 0,
        "turn": int(started_s),
        "started_ns": int(started_s * SECOND),
        "elapsed_ns": SECOND,
        "samples": {"end_to_end": (int(latency_ms * 1e6),) * count},
        "pictures": count,
    }
    return Burst(**fields | changes)


@pytest.fixture
def with_bursts(make_result: Callable[..., Result]) -> Callable[..., Result]:
    """Return what makes a result of one contestant, `a`, with the bursts given."""

    def make(bursts: list[Burst], scenario: str = "single-stream", **changes: Any) -> Result:
        result = make_result({"a": []})
        one = msgspec.structs.replace(result.contestants[0], bursts=tuple(bursts), **changes)
        plan = Plan(contestants=(Contestant(name="a", model="a.tflite"),), scenario=scenario)
        return msgspec.structs.replace(result, contestants=(one,), plan=plan)

    return make


def test_latencies_are_those_of_all_samples_of_a_stage(make_result: Callable[..., Result]) -> None:
    samples = np.random.default_rng(1).uniform(10, 30, (4, 5, 50))
    found = figures(make_result({"a": samples.tolist()}))
    assert list(found.stages) == ["decode", "preprocess", "invoke", "postprocess", "end_to_end"]
    stage = found.stages["end_to_end"]
    assert stage.samples == 1000
    assert stage.p50_ms.estimate == pytest.approx(np.percentile(samples, 50), rel=1e-6)
    assert stage.p90_ms.estimate == pytest.approx(np.percentile(samples, 90), rel=1e-6)
    assert stage.mean_ms.estimate == pytest.approx(samples.mean(), rel=1e-6)
    assert stage.min_ms == pytest.approx(samples.min(), rel=1e-6)
    assert found.stages["invoke"].min_ms == pytest.approx(0.65 * samples.min(), rel=1e-6)


def test_early_stopping_estimates_are_no_lower_than_the_percentiles(
    make_result: Callable[..., Result],
) -> None:
    samples = np.random.default_rng(2).uniform(10, 30, (2, 5, 100))
    result = make_result({"a": samples.tolist()})
    stage = figures(result).stages["end_to_end"]
    estimate = early_stopping(result.contestants[0].samples("end_to_end"), 0.9)
    assert stage.p90_early_stopping_ms == estimate / 1e6 > stage.p90_ms.estimate
    assert stage.p99_early_stopping_ms > stage.p99_ms.estimate > stage.p90_ms.estimate


@pytest.mark.parametrize(
    ("samples", "p90", "p99"),
    [(63, False, False), (64, True, False), (661, True, False), (662, True, True)],
)
def test_what_too_few_samples_cannot_show_is_left_out(
    make_result: Callable[..., Result], samples: int, p90: bool, p99: bool
) -> None:
    stage = figures(make_result({"a": [[[20.0] * samples]]})).stages["end_to_end"]
    assert (stage.p90_early_stopping_ms is not None) == p90
    assert (stage.p99_early_stopping_ms is not None) == p99
    assert (stage.p99_ms is not None) == p99


def test_the_interval_is_as_wide_as_generations_differ(make_result: Callable[..., Result]) -> None:
    near = figures(make_result({"a": [[[20.0] * 9], [[20.1] * 9], [[20.2] * 9]]}))
    far = figures(make_result({"a": [[[18.0] * 9], [[20.1] * 9], [[22.0] * 9]]}))
    narrow, wide = (one.stages["end_to_end"].p50_ms for one in (near, far))
    assert narrow.estimate == wide.estimate == pytest.approx(20.1)
    assert 19.7 < narrow.low < 20.1 < narrow.high < 20.4
    assert wide.low < 16
    assert wide.high > 25


def test_more_samples_of_the_same_processes_make_it_no_surer(
    make_result: Callable[..., Result],
) -> None:
    few = figures(make_result({"a": [[[20.0] * 5], [[21.0] * 5]]}))
    many = figures(make_result({"a": [[[20.0] * 500], [[21.0] * 500]]}))
    assert few.stages["end_to_end"].p50_ms == many.stages["end_to_end"].p50_ms


def test_a_single_generation_bounds_nothing(make_result: Callable[..., Result]) -> None:
    found = figures(make_result({"a": [[[20.0, 21.0, 22.0]]]}))
    assert found.stages["end_to_end"].p50_ms.estimate == 21
    assert not found.stages["end_to_end"].p50_ms.bounded
    assert found.generations == 1


def test_what_a_process_does_once_is_told_by_its_median_and_its_peak(
    make_result: Callable[..., Result],
) -> None:
    result = make_result({"a": [[[20.0] * 5]] * 3})
    one = result.contestants[0]
    starts = [
        msgspec.structs.replace(start, load_ns=ms * 10**6, first_answer_ns=10 * ms * 10**6)
        for start, ms in zip(one.starts, (30, 90, 40), strict=True)
    ]
    ends = [
        msgspec.structs.replace(end, peak_rss_bytes=peak * 10**6, steady_rss_bytes=80 * 10**6)
        for end, peak in zip(one.ends, (95, 99, 96), strict=True)
    ]
    changed = msgspec.structs.replace(one, starts=tuple(starts), ends=tuple(ends), energy_j=0.05)
    found = figures_of(result, changed)
    assert found.load_ms.estimate == 40
    assert found.first_answer_ms.estimate == 400
    assert found.peak_rss_mb == 99
    assert found.steady_rss_mb == 80
    assert found.size_mb == 5.4
    assert found.energy_mj == pytest.approx(50)


def test_throughput_is_pictures_by_the_time_of_the_bursts(
    with_bursts: Callable[..., Result],
) -> None:
    bursts = [
        burst(0, 100, samples={}, pictures=40),
        burst(5, 100, samples={}, pictures=60, generation=1),
    ]
    found = figures(with_bursts(bursts, "offline"))
    assert found.throughput.estimate == pytest.approx(50)
    assert found.throughput.low < 40
    assert found.stages == {}


def test_dropped_pictures_are_a_share_of_those_that_arrived(
    with_bursts: Callable[..., Result],
) -> None:
    bursts = [burst(0, 100, dropped=5), burst(1, 100, dropped=0)]
    assert figures(with_bursts(bursts, "paced")).dropped_share == pytest.approx(5 / 25)
    assert figures(with_bursts(bursts)).dropped_share is None


def test_sustained_work_is_its_last_quarter_against_its_first_ten_seconds(
    with_bursts: Callable[..., Result],
) -> None:
    bursts = [
        burst(second, 20 if second < 10 else 25 if second < 75 else 40) for second in range(100)
    ]
    found = figures(with_bursts(bursts, "sustained")).sustained
    assert (found.first_p50_ms, found.last_p50_ms, found.ratio) == (20, 40, 2)


def test_a_sustained_run_of_seconds_has_no_last_quarter(with_bursts: Callable[..., Result]) -> None:
    bursts = [burst(second, 20) for second in range(13)]
    assert figures(with_bursts(bursts, "sustained")).sustained is None
    assert figures(with_bursts([], "sustained")).sustained is None


def test_only_a_sustained_run_has_sustained_figures(with_bursts: Callable[..., Result]) -> None:
    assert figures(with_bursts([burst(second, 20) for second in range(100)])).sustained is None


def test_a_contestant_that_never_ran_has_no_figures(with_bursts: Callable[..., Result]) -> None:
    failed = Failed(contestant="a", generation=0, reason="no such delegate")
    found = figures(with_bursts([], failed=failed, starts=(), ends=()))
    assert found.stages == {}
    assert found.generations == 0
    nothing = ("throughput", "first_answer_ms", "load_ms", "peak_rss_mb", "steady_rss_mb")
    assert [getattr(found, name) for name in nothing] == [None] * 5
    assert found.values() == {"size": Interval(5.4, 5.4, 5.4)}


def test_gates_see_the_whole_way_under_plain_names_and_stages_behind_an_at(
    make_result: Callable[..., Result],
) -> None:
    found = figures(make_result({"a": [[[20.0] * 10]] * 2}))
    values = found.values()
    assert values["p50"] == found.stages["end_to_end"].p50_ms
    assert values["p90@invoke"] == found.stages["invoke"].p90_ms
    assert values["rss"] == Interval(96, 96, 96)
    assert "p99" not in values
    assert "energy" not in values


@pytest.mark.parametrize(
    ("metric", "samples", "shown"),
    [
        ("p50", 1, True),
        ("mean", 1, True),
        ("p90", 9, False),
        ("p90", 10, True),
        ("p99", 99, False),
        ("p99", 100, True),
    ],
)
def test_a_generation_shows_a_percentile_if_it_has_the_samples(
    make_result: Callable[..., Result], metric: str, samples: int, shown: bool
) -> None:
    one: ContestantResult = make_result({"a": [[[20.0] * samples]]}).contestants[0]
    assert by_generation(one, metric) == ({0: 20.0} if shown else {})
