"""The study of a clip played as a camera: what counts as told."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks.studies.live import (
    GRACE,
    Appeared,
    Scene,
    main,
    read_truth,
    scenes_of,
    scenes_told,
)

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_scenes_are_runs_of_the_same_label() -> None:
    labels = ["none", "hat", "hat", "none", "hat", "shirt", "shirt"]

    assert list(scenes_of(labels)) == [
        Scene("hat", 1, 2), Scene("hat", 4, 4), Scene("shirt", 5, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "is_told"),
    [
        (Appeared("hat", 10), True),
        (Appeared("hat", 20 + GRACE), True),
        (Appeared("hat", 21 + GRACE), False),
        (Appeared("hat", 9), False),
        (Appeared("shirt", 15), False),
    ],
    ids=["at once", "just in time", "too late", "too early", "other label"],
)
def test_a_scene_is_told_by_its_label_in_time(event: Appeared, is_told: bool) -> None:
    scene = Scene("hat", 10, 20)

    assert scenes_told([scene], [event]) == ([scene] if is_told else [])


def test_an_event_tells_one_scene_only() -> None:
    scenes = [Scene("hat", 0, 4), Scene("hat", 5, 9)]

    assert scenes_told(scenes, [Appeared("hat", 5)]) == scenes[:1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("frame,what\n0,hat\n", "no column 'label'"),
        ("frame,label\n1,hat\n", "numbered from 0"),
        ("frame,label\n", "numbered from 0"),
        ("frame,label\nx,hat\n", "x"),
    ],
    ids=["column", "gap", "empty", "no number"],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=reason):
        read_truth(path)


def test_a_clip_is_played_and_its_frames_are_counted(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = shared_data / "camera_clip"
    out = tmp_path / "live.json"
    model = shared_data / "mobilenet_v1_025/mobilenet_v1_0.25_224_quant.tflite"
    arguments = [
        "live", str(model), "--clip", str(clip / "clothing_640x480_15fps.mp4"),
        "--truth", str(clip / "ground_truth.csv"), "--out", str(out),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", arguments)
    main()

    document = json.loads(out.read_text())
    assert (document["frames"], document["scenes"]) == (400, 20)
    assert 0 < document["answered_share"] <= 1
    assert sum(document["outcomes"].values()) <= 400
    assert document["invoke_ms"]["p50"] <= document["capture_to_answer_ms"]["p50"]
