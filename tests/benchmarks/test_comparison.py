"""Verdicts, on latencies whose truth is known."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from edge_recog_benchmarks.comparison import compare, compare_results, decide
from edge_recog_benchmarks.device.events import Failed
from edge_recog_benchmarks.device.plan import Contestant, PictureFrames, Plan, SyntheticFrames
from edge_recog_benchmarks.ratios import ratio_of
from edge_recog_benchmarks.results import Finding
from edge_recog_benchmarks.statistics import Interval
from edge_recog_benchmarks.studies.verdicts import LEVELS, main, rates, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_benchmarks.results import ContestantResult, Result
    from numpy.typing import NDArray

    Pair = Callable[..., tuple[ContestantResult, ContestantResult]]


def latencies(seed: int, *, process: float = 0.005, ratio: float = 1.0) -> NDArray[np.float64]:
    """Return (6 generations, 5 turns, 12 samples) milliseconds around 20 times the ratio."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(0, process, (6, 1, 1)) + rng.normal(0, 0.02, (6, 5, 12))
    return 20 * ratio * np.exp(factors)


@pytest.fixture
def pair(make_result: Callable[..., Result]) -> Pair:
    """Return what makes two contestants, `a` and `b`, out of their milliseconds."""

    def make(
        a: NDArray[np.float64], b: NDArray[np.float64]
    ) -> tuple[ContestantResult, ContestantResult]:
        first, second = make_result({"a": a.tolist(), "b": b.tolist()}).contestants
        return first, second

    return make


@pytest.mark.parametrize("paired", [True, False], ids=["one run", "two runs"])
@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "no difference"), (1.08, "slower"), (1 / 1.08, "faster")]
)
def test_the_verdict_is_the_truth(pair: Pair, paired: bool, ratio: float, verdict: str) -> None:
    comparison = compare(*pair(latencies(1), latencies(2, ratio=ratio)), paired=paired)
    assert comparison.verdict == verdict
    assert comparison.ratio.low < ratio < comparison.ratio.high
    assert comparison.reason == ""


def test_a_difference_within_much_noise_is_undecided_and_says_what_helps(pair: Pair) -> None:
    noisy = pair(latencies(1, process=0.08), latencies(2, process=0.08, ratio=1.05))
    comparison = compare(*noisy, paired=True)
    assert comparison.verdict == "undecided"
    assert "measure longer" in comparison.reason


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.011, 1.3, "slower"),
        (1.005, 1.04, "no difference"),
        (1.005, 1.06, "undecided"),
        (0.96, 1.04, "no difference"),
        (0.94, 1.04, "undecided"),
        (0.7, 0.989, "faster"),
        (0.96, 0.995, "no difference"),
    ],
)
def test_an_interval_decides(low: float, high: float, verdict: str) -> None:
    assert decide(Interval((low + high) / 2, low, high)) == verdict


@given(st.floats(0.3, 3), st.floats(0, 0.3))
@settings(derandomize=True)
def test_the_verdict_follows_from_the_interval(estimate: float, half: float) -> None:
    interval = Interval(estimate, estimate * math.exp(-half), estimate * math.exp(half))
    verdict = decide(interval)
    assert (verdict == "slower") == (interval.low > 1.01)
    assert (verdict == "faster") == (interval.high < 1 / 1.01)
    if verdict == "no difference":
        assert 1 / 1.05 <= interval.low <= interval.high <= 1.05
    if verdict == "undecided":
        assert interval.low < 1 / 1.05 or interval.high > 1.05


@pytest.mark.parametrize("paired", [True, False], ids=["one run", "two runs"])
@given(seed=st.integers(0, 1000))
@settings(derandomize=True, max_examples=20)
def test_the_other_way_round_the_ratio_is_turned_round(seed: int, paired: bool) -> None:
    rng = np.random.default_rng(seed)
    one, two = simulate(LEVELS["busy"], 1.02, generations=5, turns=4, rng=rng)
    there = ratio_of(one, two, paired=paired, metric="p50")
    back = ratio_of(two, one, paired=paired, metric="p50")
    assert back.estimate == pytest.approx(1 / there.estimate)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


def test_drift_cancels_out_within_a_run(pair: Pair) -> None:
    drift = np.linspace(1, 1.4, 30).reshape(6, 5, 1)
    drifting = pair(latencies(1) * drift, latencies(2) * drift)
    assert compare(*drifting, paired=True).verdict == "no difference"
    assert compare(*drifting, paired=False).verdict == "undecided"


def test_a_neighbour_who_hits_some_turns_is_outvoted(pair: Pair) -> None:
    hit = latencies(2)
    hit[:, 1:3] *= 2
    assert compare(*pair(latencies(1), hit), paired=True).verdict == "no difference"


def test_many_samples_of_processes_that_differ_are_no_certainty(pair: Pair) -> None:
    rng = np.random.default_rng(3)
    a, b = (20 * np.exp(rng.normal(0, 0.05, (3, 1, 1))) * np.ones((3, 10, 100)) for _ in "ab")
    assert compare(*pair(a, b), paired=True).verdict == "undecided"


def test_a_single_generation_is_undecided(pair: Pair) -> None:
    comparison = compare(*pair(latencies(1)[:1], latencies(2, ratio=2)[:1]), paired=True)
    assert comparison.verdict == "undecided"
    assert comparison.ratio.estimate == pytest.approx(2, rel=0.05)
    assert not comparison.ratio.bounded
    assert "one generation" in comparison.reason


def test_a_contestant_that_failed_is_undecided(pair: Pair) -> None:
    a, b = pair(latencies(1), latencies(2, ratio=2))
    failed = Failed(contestant="b", generation=4, reason="killed by signal 9")
    comparison = compare(a, msgspec.structs.replace(b, failed=failed), paired=True)
    assert comparison.verdict == "undecided"
    assert comparison.reason == "b failed: killed by signal 9"


def test_a_contestant_without_samples_is_undecided(pair: Pair) -> None:
    comparison = compare(*pair(latencies(1), latencies(2)[:0]), paired=True)
    assert (comparison.verdict, comparison.ratio) == ("undecided", None)
    assert comparison.reason == "b: too few samples for p50, or none"


def test_contestants_of_different_generations_have_nothing_to_pair(pair: Pair) -> None:
    a, b = pair(latencies(1), latencies(2))
    late = tuple(
        msgspec.structs.replace(burst, generation=burst.generation + 10) for burst in b.bursts
    )
    comparison = compare(a, msgspec.structs.replace(b, bursts=late), paired=True)
    assert comparison.reason == "they have no generation in common"


@pytest.mark.parametrize("metric", ["p90", "mean"])
@pytest.mark.parametrize("paired", [True, False], ids=["one run", "two runs"])
def test_other_latencies_are_compared_too(pair: Pair, metric: str, paired: bool) -> None:
    contestants = pair(latencies(1), latencies(2, ratio=1.2))
    comparison = compare(*contestants, paired=paired, metric=metric, stage="invoke")
    assert comparison.verdict == "slower"
    assert comparison.ratio.estimate == pytest.approx(1.2, rel=0.02)


def test_more_throughput_is_faster(pair: Pair) -> None:
    contestants = pair(latencies(1), latencies(2, ratio=0.5))
    comparison = compare(*contestants, paired=True, metric="throughput")
    assert comparison.verdict == "faster"
    assert comparison.ratio.estimate == pytest.approx(2, rel=0.02)


def two(make_result: Callable[..., Result], **changes: Any) -> Result:
    runs = {"a": latencies(1).tolist(), "b": latencies(2, ratio=1.1).tolist()}
    return make_result(runs, **changes)


def test_one_run_compares_each_contestant_with_the_first(
    make_result: Callable[..., Result],
) -> None:
    runs = {name: latencies(seed).tolist() for seed, name in enumerate("abc")}
    comparison = compare_results(make_result(runs))
    assert [(row.reference, row.other, row.paired) for row in comparison.rows] == [
        ("a", "b", True),
        ("a", "c", True),
    ]
    assert comparison.notes == ()


def test_a_row_has_all_that_both_have(make_result: Callable[..., Result]) -> None:
    (row,) = compare_results(two(make_result)).rows
    assert row.headline == row.stages["end_to_end"]
    assert row.headline.verdict == "slower"
    assert list(row.stages) == ["decode", "preprocess", "invoke", "postprocess", "end_to_end"]
    assert row.ratios["p90@invoke"].estimate == pytest.approx(1.1, rel=0.02)
    assert row.ratios["size"] == row.ratios["rss"] == row.ratios["load"] == Interval(1, 1, 1)
    assert "p99" not in row.ratios
    assert "energy" not in row.ratios
    assert row.accuracy == {}


def test_throughput_is_the_headline_where_nothing_else_was_measured(
    make_result: Callable[..., Result],
) -> None:
    result = two(make_result)
    contestants = tuple(
        msgspec.structs.replace(
            one,
            bursts=tuple(msgspec.structs.replace(burst, samples={}) for burst in one.bursts),
        )
        for one in result.contestants
    )
    (row,) = compare_results(msgspec.structs.replace(result, contestants=contestants)).rows
    assert (row.headline.metric, row.headline.verdict) == ("throughput", "slower")
    assert row.stages == {}


def test_sustained_contestants_are_no_pairs(make_result: Callable[..., Result]) -> None:
    plan = Plan(contestants=(Contestant(name="a", model="a"),), scenario="sustained")
    comparison = compare_results(two(make_result, plan=plan))
    assert not comparison.rows[0].paired
    assert "one after the other" in comparison.notes[0]


def test_accuracy_comes_from_whom_it_is_asked(make_result: Callable[..., Result]) -> None:
    difference = {"top1": Interval(-0.01, -0.02, 0.0)}
    result = two(make_result)
    asked = []
    comparison = compare_results(result, accuracy=lambda *both: asked.append(both) or difference)
    assert comparison.rows[0].accuracy == difference
    assert asked == [(result, result.contestants[0], result, result.contestants[1])]


def test_a_run_of_one_has_nothing_to_compare(make_result: Callable[..., Result]) -> None:
    with pytest.raises(UsageError, match="one contestant, a, and nothing to compare"):
        compare_results(make_result({"a": latencies(1).tolist()}))


def test_two_runs_are_matched_by_name(make_result: Callable[..., Result]) -> None:
    runs = {name: latencies(seed).tolist() for seed, name in enumerate("cba")}
    comparison = compare_results(two(make_result), make_result(runs))
    assert [(row.reference, row.other) for row in comparison.rows] == [("a", "a"), ("b", "b")]
    assert not any(row.paired for row in comparison.rows)
    assert "c is in the second result only" in comparison.notes


def test_renamed_contestants_are_matched_by_model_threads_and_runner(
    make_result: Callable[..., Result],
) -> None:
    before = two(make_result)
    renamed = tuple(
        msgspec.structs.replace(
            one, contestant=msgspec.structs.replace(one.contestant, name=f"new {one.name}")
        )
        for one in reversed(before.contestants)
    )
    comparison = compare_results(before, msgspec.structs.replace(before, contestants=renamed))
    assert [(row.reference, row.other) for row in comparison.rows] == [
        ("a", "new a"),
        ("b", "new b"),
    ]


def test_contestants_that_more_than_one_resembles_are_not_matched(
    make_result: Callable[..., Result],
) -> None:
    before = two(make_result)
    first, second = before.contestants
    alike = [
        msgspec.structs.replace(
            first,
            contestant=msgspec.structs.replace(
                first.contestant, name=name, options={"backend": name}
            ),
        )
        for name in ("c", "d")
    ]
    comparison = compare_results(
        before, msgspec.structs.replace(before, contestants=(*alike, second))
    )
    assert [(row.reference, row.other) for row in comparison.rows] == [("b", "b")]
    assert "a is in the first result only" in comparison.notes


def test_single_contestants_are_a_pair_whatever_their_names(
    make_result: Callable[..., Result],
) -> None:
    before, after = (make_result({name: latencies(1).tolist()}) for name in ("v1", "v2"))
    (row,) = compare_results(before, after).rows
    assert (row.reference, row.other) == ("v1", "v2")


def test_runs_with_nothing_in_common_are_refused_with_their_names(
    make_result: Callable[..., Result],
) -> None:
    other = make_result({"c": latencies(1).tolist(), "d": latencies(2).tolist()})
    with pytest.raises(UsageError, match="a, b in the first, c, d in the second"):
        compare_results(two(make_result), other)


def test_runs_under_the_same_conditions_have_one_note(make_result: Callable[..., Result]) -> None:
    result = two(make_result)
    (note,) = compare_results(result, result).notes
    assert "not what differs between two runs" in note


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (
            {"governor": "ondemand"},
            "governor: performance in the first run, ondemand in the second",
        ),
        ({"cores": 2}, "cores: 4 in the first run, 2 in the second"),
        (
            {"board": ""},
            "board: Raspberry Pi 5 Model B Rev 1.0 in the first run, unknown in the second",
        ),
        (
            {"machine": {"processor": "Cortex-A72"}},
            "processor: Cortex-A76 in the first run, Cortex-A72 in the second",
        ),
    ],
    ids=["governor", "cores", "board", "processor"],
)
def test_another_machine_is_noted(
    make_result: Callable[..., Result], change: dict[str, Any], note: str
) -> None:
    before = two(make_result)
    system = msgspec.structs.replace(before.system, **change)
    notes = compare_results(before, msgspec.structs.replace(before, system=system)).notes
    assert notes[1:] == (note,)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (
            {"scenario": "paced", "period_s": 0.1},
            "scenario: single-stream in the first run, paced at 10 a second in the second",
        ),
        (
            {"frames": SyntheticFrames(width=320, height=240)},
            "frames: a test card of 640x480 in the first run, a test card of 320x240 in the second",
        ),
        (
            {"frames": PictureFrames(paths=("/data/cat/1.jpg", "/data/cat/2.jpg"))},
            "frames: a test card of 640x480 in the first run, 2 pictures from 1.jpg on in the "
            "second",
        ),
    ],
    ids=["scenario", "size", "pictures"],
)
def test_another_plan_is_noted(
    make_result: Callable[..., Result], change: dict[str, Any], note: str
) -> None:
    before = two(make_result)
    plan = msgspec.structs.replace(before.plan, **change)
    notes = compare_results(before, msgspec.structs.replace(before, plan=plan)).notes
    assert notes[1:] == (note,)


def test_another_runtime_is_noted(make_result: Callable[..., Result]) -> None:
    before = two(make_result)
    first, second = before.contestants
    starts = tuple(msgspec.structs.replace(start, runtime="tflite 2.14") for start in first.starts)
    changed = (msgspec.structs.replace(first, starts=starts), second)
    notes = compare_results(before, msgspec.structs.replace(before, contestants=changed)).notes
    assert notes[1:] == (
        "a: ai-edge-litert 2.3.0 (XNNPACK, 1 thread) in the first run, tflite 2.14 in the second",
    )


def test_a_run_that_is_invalid_or_was_stopped_is_noted(make_result: Callable[..., Result]) -> None:
    finding = Finding(severity="invalid", kind="throttled", reason="it throttled", advice="cool it")
    invalid = two(make_result, findings=(finding,))
    stopped = two(make_result, complete=False)
    assert compare_results(invalid, stopped).notes[1:] == (
        "the first result is invalid: it throttled",
        "the second run was stopped half way",
    )


@pytest.mark.parametrize(
    ("ratio", "least"), [(1.0, 95), (1.05, 90)], ids=["identical models", "one 5 % slower"]
)
@pytest.mark.parametrize("level", ["quiet", "ordinary"])
def test_a_hundred_simulated_runs_are_judged_right(level: str, ratio: float, least: int) -> None:
    found = rates(LEVELS[level], ratio, runs=100)
    assert 100 * found["expected_share"][0] >= least
    assert found["covered"] >= 0.9


def test_the_study_writes_its_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "verdicts.json"
    monkeypatch.setattr(sys, "argv", ["verdicts", "--runs", "2", "--out", str(out)])
    main()
    document = msgspec.json.decode(out.read_bytes())
    assert document["schema_version"] == 1
    assert len(document["rates"]) == len(capsys.readouterr().out.splitlines()) == 16
    assert all(sum(row["verdicts"].values()) == 1 for row in document["rates"])
