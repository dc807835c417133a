"""The study of viewers and a dead broker: a short real one, and a model that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_recog_benchmarks.studies.watched import main

from edge_recog.models import default_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIP = "camera_clip/clothing_640x480_15fps.mp4"


def test_frames_are_counted_alone_and_with_viewers(
    shared_data: Path,
    tmp_path: Path,
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
) -> None:
    out = tmp_path / "watched.json"
    ended = measuring(
        main, default_model(), "--clip", shared_data / CLIP,
        "--viewers", "2", "--turns", "1", "--seconds", "1", "--out", out,
    )  # fmt: skip
    assert ended.code == 0, ended.err

    document = read_result(out)
    assert document["alone_fps"] > 0
    assert document["watched_fps"] > 0
    assert document["bytes_a_second"] > 0
    assert "2 viewers and a dead broker" in ended.out


def test_what_is_no_model_is_refused(
    shared_data: Path, tmp_path: Path, measuring: Callable[..., Any]
) -> None:
    ended = measuring(main, tmp_path / "none.tflite", "--clip", shared_data / CLIP)

    assert ended.code != 0
    assert ended.err.count("\n") == 1
