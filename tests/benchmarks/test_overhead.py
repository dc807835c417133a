"""What the classifier adds to the bare work."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_benchmarks.overhead import main

from edge_recog import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PARTS = {"resize", "invoke", "classifier"}
PEERS = {"classifier", "naive loop"}


def test_every_contestant_is_measured_and_kept(
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
    uint8_model: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "results" / "overhead.json"
    outcome = measuring(main, uint8_model, "--rounds", "3", "--out", out)
    document = read_result(out)

    assert outcome.code == 0, outcome.err
    assert document["benchmark"] == "overhead"
    assert document["rounds"] == 3
    assert document["model"]["id"] == Bundle.open(uint8_model).id
    # MediaPipe is in this environment only if somebody put it there.
    assert document["milliseconds"]["parts"].keys() == PARTS
    assert document["milliseconds"]["peers"].keys() - {"mediapipe"} == PEERS
    for group in document["milliseconds"].values():
        for values in group.values():
            assert 0 < values["p50"] <= values["p90"] <= values["p99"]


def test_the_figures_are_printed_without_a_file(
    measuring: Callable[..., Any], uint8_model: Path, mobilenets: Path
) -> None:
    outcome = measuring(main, uint8_model, "--rounds", "1", "--picture", mobilenets / "burger.jpg")

    assert outcome.code == 0, outcome.err
    assert ", 1 rounds" in outcome.out
    assert all(f"\n{name} " in outcome.out for name in PARTS | PEERS)
    assert "ours - (invoke + resize) at p50: " in outcome.out


def test_an_older_result_is_replaced(
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
    uint8_model: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "overhead.json"
    out.write_text("older")
    measuring(main, uint8_model, "--rounds", "1", "--out", out)

    assert read_result(out)["rounds"] == 1


def test_garbage_is_collected_again_afterwards(
    measuring: Callable[..., Any], uint8_model: Path
) -> None:
    measuring(main, uint8_model, "--rounds", "1")

    assert gc.isenabled()


def test_a_model_that_the_naive_loop_cannot_feed_is_refused(
    measuring: Callable[..., Any], float_model: Path
) -> None:
    outcome = measuring(main, float_model, "--rounds", "1")

    assert outcome.code == 2
    assert "its input is float32 [1, 224, 224, 3] and not pixels as they are" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("rounds", ["0", "-1", "many", "1.5"])
def test_rounds_are_counted_from_one(
    measuring: Callable[..., Any], uint8_model: Path, rounds: str
) -> None:
    outcome = measuring(main, uint8_model, f"--rounds={rounds}")

    assert outcome.code == 2
    assert f"argument --rounds: '{rounds}' is not a whole number from 1 up" in outcome.err


@pytest.mark.parametrize(
    "arguments", [("nowhere.tflite",), ("{model}", "--picture", "nowhere.jpg")], ids=str
)
def test_a_missing_file_is_named_in_one_line(
    measuring: Callable[..., Any], uint8_model: Path, arguments: tuple[str, ...]
) -> None:
    outcome = measuring(main, *(text.format(model=uint8_model) for text in arguments))

    assert outcome.code == 1
    assert outcome.err.startswith("measuring: nowhere.")
    assert outcome.err.count("\n") == 1


def test_a_result_that_cannot_be_written_is_said_so(
    measuring: Callable[..., Any], uint8_model: Path, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "results"
    in_the_way.write_text("a file, not a folder")
    out = in_the_way / "overhead.json"
    outcome = measuring(main, uint8_model, "--rounds", "1", "--out", out)

    assert outcome.code == 2
    assert f"{out}: cannot be written: " in outcome.err
