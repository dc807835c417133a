"""The soak: what is made of points, and a short real one."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from edge_recog_benchmarks.studies.soak import (
    POINTS,
    Point,
    frames_in,
    is_good,
    judged,
    main,
    slope,
    summary,
    thinned,
)
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def points(*rss_kb: int, every: int = 1000, threads: int = 8) -> list[Point]:
    return [
        Point((index + 1) * every, float(index + 1), kb, threads, 7, 3)
        for index, kb in enumerate(rss_kb)
    ]


def document(some: list[Point], **changes: Any) -> dict[str, Any]:
    whole = {"complete": True, "most_kb": 100, "exit_code": 0, "tracebacks": 0}
    return whole | judged(some, 2000) | changes


def test_growth_is_the_most_after_the_first_frames() -> None:
    found = judged(points(500, 1000, 1040, 1090, 1010), 2000)

    assert (found["frames"], found["grown_kb"]) == (5000, 90)
    assert found["frames_per_s"] == 1000.0
    assert found["threads"] == {"first": 8, "most": 8, "last": 8}


def test_what_shrinks_has_not_grown() -> None:
    assert judged(points(500, 1000, 900, 800), 2000)["grown_kb"] == -100


@pytest.mark.parametrize("some", [[], points(500), points(500, 1000)], ids=["none", "one", "warm"])
def test_too_few_frames_say_nothing(some: list[Point]) -> None:
    found = document(some)

    assert found["grown_kb"] is None
    assert not is_good(found)
    assert "too few" in summary(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"most_kb": 39}, False),
        ({"complete": False}, False),
        ({"exit_code": -9}, False),
        ({"tracebacks": 1}, False),
        ({"threads": {"first": 8, "most": 9, "last": 9}}, False),
        ({"descriptors": {"first": 7, "most": 9, "last": 8}}, False),
    ],
)
def test_a_soak_is_good_if_nothing_grew_and_it_came_to_its_end(
    changes: dict[str, Any], expected: bool
) -> None:
    assert is_good(document(points(500, 1000, 1040), **changes)) == expected


@given(st.integers(-50, 50), st.integers(2, 50))
def test_the_slope_of_a_line_is_its_own(per_point_kb: int, count: int) -> None:
    line = points(*(100_000 + per_point_kb * index for index in range(count)))

    assert slope(line) * 1000 == pytest.approx(per_point_kb)
    assert slope(line[:1]) == 0.0


@given(st.integers(0, 700), st.integers(2, POINTS))
def test_a_curve_is_thinned_evenly(count: int, most: int) -> None:
    all_of_them = points(*range(count))
    some = thinned(all_of_them, most)

    assert len(some) == min(count, most)
    assert some == sorted(set(some), key=lambda point: point.frames)
    assert not count or (some[0], some[-1]) == (all_of_them[0], all_of_them[-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, 0),
        ("", 0),
        ('{"frame":7,"a":1}\n', 8),
        ('{"frame":7}\n{"state":"running"}\n{"fra', 8),
        ("x" * 20_000 + '{"frame":123456,"model":{}}\n', 123_457),
    ],
    ids=["missing", "empty", "one", "torn", "long"],
)
def test_frames_are_counted_at_the_end_of_the_file(
    tmp_path: Path, text: str | None, expected: int
) -> None:
    path = tmp_path / "answers.jsonl"
    if text is not None:
        path.write_text(text)

    assert frames_in(path) == expected


def test_a_soak_shorter_than_its_beginning_is_refused(measuring: Callable[..., Any]) -> None:
    ended = measuring(main, "--frames", "100", "--warm", "100")

    assert ended.code == 2
    assert "--warm 100 must be below --frames 100" in ended.err


def test_memory_stays_what_it_is_over_many_frames(
    measuring: Callable[..., Any],
    read_result: Callable[[Path], dict[str, Any]],
    missing: Callable[[str], NoReturn],
    tmp_path: Path,
) -> None:
    if shutil.which("mosquitto", path=f"{sys.prefix}/bin:/usr/bin:/bin:/usr/sbin") is None:
        missing("mosquitto is not installed (Debian: mosquitto)")
    out = tmp_path / "soak.json"
    ended = measuring(main, "--frames", "20000", "--warm", "5000", "--out", out)

    assert ended.code == 0, (ended.out, ended.err)
    found = read_result(out)
    assert found["frames"] >= 20_000
    assert found["grown_kb"] <= 2000
    assert 2 <= len(found["curve"]) <= POINTS
    assert "memory grew by" in ended.out
