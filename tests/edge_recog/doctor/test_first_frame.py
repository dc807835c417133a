"""Opening a source in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_recog.doctor.first_frame import FirstFrame, judge_frame, read_frame
from edge_recog.doctor.probes import Machine, Said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.usefixtures("patient")
def test_a_source_that_works_gives_a_frame() -> None:
    frame = read_frame(Machine(), "synthetic:64x48")

    assert (frame.problem, frame.width, frame.height) == ("", 64, 48)
    assert judge_frame(frame).outcome == "good"


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("/nowhere/clip.mp4", "no such file"),
        ("nonsense:0", "no source is called nonsense"),
        ("synthetic:64x48?count=0", "ends before its first frame"),
    ],
)
def test_a_source_without_frames_says_why(source: str, problem: str) -> None:
    finding = judge_frame(read_frame(Machine(), source))

    assert finding.outcome == "bad"
    assert problem in finding.evidence


@pytest.mark.usefixtures("patient")
def test_a_picture_that_is_none_says_why(tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")

    assert "broken.png" in read_frame(Machine(), str(path)).problem


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (Said(None, "", ""), "no frame within 20 s"),
        (None, "no frame within 20 s"),
        (Said(-11, "", ""), "status -11: it said nothing"),
        (Said(1, "", "Traceback\nValueError: x"), "status 1: ValueError: x"),
    ],
    ids=["hangs", "not started", "crashes", "fails"],
)
def test_a_camera_that_hangs_or_crashes_ends_no_more_than_the_child(
    build: Callable[..., Machine], said: Said | None, problem: str
) -> None:
    def run(*_: object, **__: object) -> Said | None:
        return said

    assert problem in read_frame(build({}, run=run), "picamera2:0").problem


def test_a_password_in_an_address_is_handed_over_but_never_shown(
    build: Callable[..., Machine],
) -> None:
    address = "rtsp://admin:hunter2@camera/1"
    handed = []

    def run(command: list[str], *, given: str, **_: object) -> Said:
        assert not any("hunter2" in word for word in command)
        handed.append(given)
        return Said(0, f'{{"problem": "{address}: cannot be opened"}}', "")

    frame = read_frame(build({}, run=run), address)

    assert handed == [address]
    assert frame.problem == "rtsp://…@camera/1: cannot be opened"


@pytest.mark.parametrize(
    ("mean", "outcome", "word"),
    [(120.0, "good", "640x480"), (2.0, "warning", "black"), (253.0, "warning", "white")],
)
def test_a_picture_must_show_something(mean: float, outcome: str, word: str) -> None:
    finding = judge_frame(FirstFrame("", 640, 480, 0.5, mean))

    assert finding.outcome == outcome
    assert word in finding.evidence


def test_nothing_is_opened_without_a_source() -> None:
    assert judge_frame(None).outcome == "skipped"
