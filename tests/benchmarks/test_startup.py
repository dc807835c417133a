"""Whole processes, from start to first answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from edge_recog_benchmarks.startup import main, measure

from edge_recog import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICTURE = "synthetic:64x48?count=1"


def test_seconds_and_memory_are_measured_and_kept(
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
    uint8_model: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "startup.json"
    outcome = measuring(main, uint8_model, "--source", PICTURE, "--runs", "2", "--out", out)
    document = read_result(out)
    seconds, memory = document["seconds"], document["peak_rss_mb"]

    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"{document['model']['name']}: {seconds['median']:.3f} s median")
    assert document["benchmark"] == "startup"
    assert document["runs"] == 2
    assert document["model"]["id"] == Bundle.open(uint8_model).id
    assert 0 < seconds["min"] <= seconds["median"] <= seconds["max"]
    assert 0 < memory["median"] <= memory["max"]


def test_memory_of_the_process_that_measures_does_not_count(uint8_model: Path) -> None:
    ballast = np.ones(400 * 2**20, np.uint8)
    document = measure(str(uint8_model), PICTURE, runs=1)

    # Python, NumPy, OpenCV and the interpreter: about 100 MB.
    assert 20 < document["peak_rss_mb"]["max"] < ballast.nbytes / 1e6


def test_only_the_first_frame_of_an_endless_source_is_waited_for(uint8_model: Path) -> None:
    assert measure(str(uint8_model), "synthetic:64x48", runs=1)["runs"] == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere.jpg", "SourceError: nowhere.jpg: no such file or folder"),
        ("synthetic:64x48?count=0", "the source has no frames"),
    ],
    ids=["missing", "empty"],
)
def test_a_source_that_gives_no_frame_is_said_so(
    measuring: Callable[..., Any], uint8_model: Path, source: str, reason: str
) -> None:
    outcome = measuring(main, uint8_model, "--source", source, "--runs", "1")

    assert outcome.code == 2
    assert outcome.err.startswith("measuring: the measured program failed: ")
    assert outcome.err.endswith(f"{reason}\n")
    assert outcome.err.count("\n") == 1


def test_a_model_that_cannot_be_used_is_refused_before_any_run(
    measuring: Callable[..., Any], tmp_path: Path
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"no model at all")
    outcome = measuring(main, model, "--runs", "1")

    assert outcome.code == 1
    assert outcome.err.startswith(f"measuring: {model}: not a TFLite model")


def test_runs_are_counted_from_one(measuring: Callable[..., Any], uint8_model: Path) -> None:
    outcome = measuring(main, uint8_model, "--runs", "0")

    assert outcome.code == 2
    assert "argument --runs: '0' is not a whole number from 1 up" in outcome.err
