"""Our figures beside those of MLPerf's LoadGen."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_benchmarks.environments import site_packages
from edge_recog_benchmarks.loadgen import REQUIREMENTS, compare, lines, main, ratio_of_pairs
from edge_recog_benchmarks.loadgen_referee import (
    Latencies,
    LoadGenError,
    Referee,
    latencies_of,
    read_answers,
    read_detail,
)
from edge_recog_benchmarks.planning import Wish, prepare
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.cameras.images import FolderSource
from edge_recog.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DETAIL = {
    "result_validity": "VALID",
    "result_query_count": 133,
    "early_stopping_latency_ss": 17_684_023,
    "result_90.00_percentile_latency_ns": 16_361_146,
}
"""What counts of a log of LoadGen 6.0.17."""


@pytest.fixture(scope="module")
def loadgen_python(environment: Callable[..., Path]) -> Path:
    """Return the Python of the environment that holds LoadGen."""
    return environment("peers-loadgen", *REQUIREMENTS)


def as_log(values: dict[str, Any]) -> str:
    entries = [json.dumps({"key": key, "value": value}) for key, value in values.items()]
    return "".join(f":::MLLOG {entry}\n" for entry in entries)


def test_loadgen_and_our_clock_tell_the_same_of_the_same_queries(
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
    loadgen_python: Path,
    uint8_model: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "loadgen.json"
    short = ["--seconds", "0.1", "--blocks", "1", "--environments", loadgen_python.parents[2]]
    outcome = measuring(main, uint8_model, *short, "--out", out)
    assert outcome.code == 0, outcome.err
    (told,) = read_result(out)["models"]
    blocks = {name: found[0] for name, found in told["milliseconds"].items()}
    theirs, own = blocks["loadgen"], blocks["own clock in the same queries"]

    assert theirs["queries"] == own["queries"] >= 64
    # LoadGen's clock runs around ours, query by query, and so does every order statistic.
    assert theirs["early_stopping"] >= own["early_stopping"] > 0
    assert theirs["plain"] > 0
    assert blocks["conductor"]["early_stopping"] >= blocks["conductor"]["plain"] > 0
    assert told["accuracy"] == {"same": 8, "pictures": 8}
    assert "accuracy mode: the same best label on 8 of 8" in outcome.out
    assert "block 1 of 1, LoadGen" in outcome.err


@pytest.mark.parametrize("name", ["resnet", "resnet_int8", "vww", "vww_int8"])
def test_the_models_of_mlperf_tiny_run_in_both_modes(
    tiny_models: dict[str, Path], mobilenets: Path, loadgen_python: Path, name: str
) -> None:
    wish = Wish(models=[tiny_models[name]], data=mobilenets, accuracy=False, seconds=0.01)
    prepared = prepare(wish)
    referee = Referee(site_packages(loadgen_python))
    found, own = referee.performance(prepared)
    answers = referee.accuracy(prepared)

    with Classifier.open(tiny_models[name]) as classifier:
        expected = [
            classifier.classify(frame).predictions[0].index
            for frame in FolderSource(str(mobilenets), {})
        ]
    assert found.queries == own.queries >= 64
    assert found.early_stopping >= own.early_stopping > 0
    assert answers == dict(enumerate(expected))


def test_a_model_that_loadgen_cannot_run_is_told(
    measuring: Callable[..., Any], loadgen_python: Path, shared_data: Path, mobilenets: Path
) -> None:
    model = mobilenets / "mobilenet_v1_0.25_224_1_default_1.tflite"
    outcome = measuring(main, model, "--environments", loadgen_python.parents[2])

    assert outcome.code == 1
    assert "edge-recog adopt" in outcome.err


def test_a_process_without_loadgen_says_so(uint8_model: Path, tmp_path: Path) -> None:
    wish = Wish(models=[uint8_model], seconds=0.01, generations=1, burst_s=0.01, seed=3)

    with pytest.raises(LoadGenError, match="No module named 'mlperf_loadgen'"):
        compare(wish, Referee(tmp_path), blocks=1)


def test_the_figures_of_a_log_are_read() -> None:
    noise = "not a log line\n"

    assert read_detail(noise + as_log(DETAIL)) == Latencies(133, 17.684023, 16.361146)


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (as_log(DETAIL | {"result_validity": "INVALID"}), "calls its result invalid"),
        (as_log({"result_validity": "VALID"}), "lacks a figure"),
        (":::MLLOG {half a li", "cannot be read"),
        ("", "invalid"),
    ],
    ids=["invalid", "incomplete", "cut short", "empty"],
)
def test_a_log_without_a_figure_is_refused(log: str, complaint: str) -> None:
    with pytest.raises(LoadGenError, match=complaint):
        read_detail(log)


@settings(derandomize=True)
@given(st.dictionaries(st.integers(0, 10**6), st.integers(0, 2**31 - 1)))
def test_answers_are_read_as_they_were_logged(answers: dict[int, int]) -> None:
    entries = [
        {"seq_id": number, "qsl_idx": picture, "data": label.to_bytes(4, sys.byteorder).hex()}
        for number, (picture, label) in enumerate(answers.items())
    ]

    assert read_answers(json.dumps(entries)) == answers


@pytest.mark.parametrize("log", ["", "[", '[{"qsl_idx": 1}]', '[{"qsl_idx": 1, "data": "xy"}]'])
def test_a_damaged_accuracy_log_is_refused(log: str) -> None:
    with pytest.raises(LoadGenError, match="accuracy log"):
        read_answers(log)


def test_the_ratio_is_that_of_pairs() -> None:
    theirs = [Latencies(100, value, value) for value in (1.0, 2.2, 3.0)]
    ours = [Latencies(100, value, value) for value in (1.0, 2.0, 1.0)]
    ratio = ratio_of_pairs(theirs, ours, "plain")
    assert ratio["median"] == 1.1
    assert ratio["low"] < 3.3 ** (1 / 3) < ratio["high"]
    assert ratio_of_pairs(theirs[:1], ours[:1], "plain") == {
        "median": 1.0,
        "low": None,
        "high": None,
    }


def test_too_few_samples_make_no_estimate() -> None:
    with pytest.raises(LoadGenError, match="63 samples are too few"):
        latencies_of([10] * 63)


@pytest.mark.parametrize(
    ("ratio", "warned"), [(1.04, False), (0.96, False), (1.06, True), (0.94, True)]
)
def test_figures_that_are_apart_are_called_so(ratio: float, warned: bool) -> None:
    both = {
        form: {"median": median, "low": 0.9, "high": 1.1}
        for form, median in (("early_stopping", ratio), ("plain", 1.0))
    }
    told = {
        "name": "m",
        "milliseconds": {"loadgen": [{}]},
        "medians": {form: {"loadgen": 1.0, "conductor": 1.0} for form in both},
        "loadgen to conductor": both,
        "loadgen to own clock": both,
        "accuracy": {"same": 1, "pictures": 1},
    }

    assert ("more than 5% apart" in "\n".join(lines(told))) is warned
