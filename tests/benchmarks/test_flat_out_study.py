"""The study of frames as fast as they are taken: both ways run, and say what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_recog_benchmarks.studies.flat_out import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = "mobilenet_v1_025/mobilenet_v1_0.25_224_quant.tflite"
CLIP = "camera_clip/clothing_640x480_15fps.mp4"


def test_both_ways_answer_pictures_of_a_clip(
    shared_data: Path,
    tmp_path: Path,
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
) -> None:
    out = tmp_path / "flat-out.json"
    ended = measuring(
        main, shared_data / MODEL, "--clip", shared_data / CLIP,
        "--turns", "1", "--seconds", "1.5", "--out", out,
    )  # fmt: skip
    assert ended.code == 0, ended.err

    document = read_result(out)
    [row] = document["models"]
    assert document["picture"] == "640x480"
    assert row["bare_fps"] > 0
    assert row["live_fps"] > 0
    assert row["live_p99_to_p50"] >= 1
    assert "frames a second live" in ended.out


def test_a_clip_that_is_too_short_is_refused(
    shared_data: Path, tmp_path: Path, measuring: Callable[..., Any]
) -> None:
    ended = measuring(main, shared_data / MODEL, "--clip", tmp_path / "none.mp4")

    assert ended.code != 0
    assert ended.err.count("\n") == 1
