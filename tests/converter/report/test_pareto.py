"""Which networks no other one beats, and that their picture can be drawn of any of them."""

from __future__ import annotations

import math
import re
from itertools import combinations

import pytest
from edge_recog_converter.pages.placing import Box, Bubble, places
from edge_recog_converter.report.document import Point
from edge_recog_converter.report.pareto import _plot, _said, front
from hypothesis import given, settings
from hypothesis import strategies as st

POINTS = st.lists(
    st.builds(
        Point,
        name=st.just("x"),
        score=st.integers(0, 6).map(lambda one: one / 6),
        invoke_ms=st.sampled_from([0.05, 0.1, 0.11, 1.0, 40.0]),
        speed_up=st.just(1.0),
        size_bytes=st.integers(1_000, 10**7),
        macs=st.just(1),
        parameters=st.just(1),
    ),
    min_size=1,
    max_size=12,
)


@settings(derandomize=True, deadline=None)
@given(POINTS)
def test_the_front_is_what_no_other_one_beats(points: list[Point]) -> None:
    best = front(points)

    assert best
    for at, point in enumerate(points):
        better = [
            other
            for other in points
            if other.score >= point.score
            and other.invoke_ms <= point.invoke_ms
            and (other.score, other.invoke_ms) != (point.score, point.invoke_ms)
        ]
        assert (at in best) == (not better)


@settings(derandomize=True, deadline=None)
@given(POINTS)
def test_every_network_is_drawn_within_the_sheet(points: list[Point]) -> None:
    drawn = _plot(points, front(points), "Top-1")
    circles = re.findall(r'<circle cx="([^"]+)" cy="([^"]+)" r="([^"]+)"', drawn)

    assert len(circles) == len(points)
    for x, y, radius in circles:
        assert 40 <= float(x) <= 340
        assert 0 <= float(y) <= 330
        assert 3 <= float(radius) <= 11
    assert "nan" not in drawn


FREE = Box(40, 16, 338, 292)
BUBBLES = st.lists(
    st.builds(Bubble, st.floats(60, 325), st.floats(60, 280), st.floats(3, 11)),
    min_size=1,
    max_size=12,
)


@settings(derandomize=True, deadline=None)
@given(BUBBLES)
def test_no_number_hides_another_one_or_leaves_the_sheet(bubbles: list[Bubble]) -> None:
    boxes = [place.box for place in places(bubbles, FREE)]

    assert len(boxes) == len(bubbles)
    for box in boxes:
        assert 0 <= box.left < box.right <= 340
        assert 0 <= box.top < box.bottom <= 330 - 38
    for one, other in combinations(boxes, 2):
        beside = one.right <= other.left or other.right <= one.left
        assert beside or one.bottom <= other.top or other.bottom <= one.top


@settings(derandomize=True, deadline=None)
@given(st.floats(60, 300), st.floats(60, 280), st.floats(3, 11), st.integers(1, 12))
def test_networks_that_are_alike_keep_their_numbers_apart_and_near(
    x: float, y: float, radius: float, count: int
) -> None:
    found = places([Bubble(x, y, radius)] * count, FREE)

    assert len({place.middle for place in found}) == count
    for place in found:
        away = math.dist(place.middle, (x, y))
        assert radius < away
        assert place.led or away < radius + 15


def test_a_number_stands_beside_its_bubble_and_off_the_line() -> None:
    (only,) = places([Bubble(100, 100, 5)], FREE)
    first, second = places([Bubble(100, 100, 5), Bubble(200, 100, 5)], FREE)

    assert only.box.left == 108
    assert (only.box.top + only.box.bottom) / 2 == 100
    assert not only.led
    assert first.box.bottom < 100
    assert second.box.left == 208


def test_smaller_bubbles_are_drawn_over_larger_ones() -> None:
    points = [
        Point(name="x", score=0.5, invoke_ms=1.0, speed_up=1.0, size_bytes=n, macs=1, parameters=1)
        for n in (1_000, 4_000, 2_000)
    ]
    radii = [float(one) for one in re.findall(r' r="([^"]+)"', _plot(points, {0}, "Top-1"))]

    assert radii == pytest.approx([11, 11 / math.sqrt(2), 5.5], abs=0.01)


@pytest.mark.parametrize(
    ("score", "said"), [(0.0, {"0.0", "0.5", "1.0"}), (1.0, {"96", "98", "100"})]
)
def test_no_score_is_marked_that_cannot_be(score: float, said: set[str]) -> None:
    point = Point(
        name="x", score=score, invoke_ms=1.0, speed_up=1.0, size_bytes=9, macs=1, parameters=1
    )
    drawn = _plot([point], {0}, "Top-1")

    assert set(re.findall(r'"end" class="faint">([^<]+)<', drawn)) == said


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ((12.341, 12.378), ["12.34", "12.35", "12.36", "12.37", "12.38"]),
        ((0.3, 20.0), ["0.2", "0.5", "1", "2", "5", "10", "20"]),
        ((0.05, 4000.0), ["0.1", "1", "10", "100", "1,000", "10,000"]),
    ],
    ids=["narrow", "wide", "very-wide"],
)
def test_times_are_marked_so_that_they_can_be_told_apart(
    times: tuple[float, ...], said: list[str]
) -> None:
    points = [
        Point(name="x", score=0.5, invoke_ms=ms, speed_up=1.0, size_bytes=9, macs=1, parameters=1)
        for ms in times
    ]
    drawn = _plot(points, {0}, "Top-1")

    assert re.findall(r'"middle" class="faint">([^<]+)<', drawn)[:-1] == said


def test_what_became_of_the_first_network_is_said() -> None:
    first = Point(
        name="train", score=0.914, invoke_ms=9.87, speed_up=1.0, size_bytes=3_890_000, macs=1,
        parameters=1,
    )  # fmt: skip
    last = Point(
        name="INT8", score=0.908, invoke_ms=3.04, speed_up=3.25, size_bytes=1_420_000, macs=1,
        parameters=1,
    )  # fmt: skip

    assert "There is one network" in _said([first], "Top-1")
    assert _said([first, last], "Top-1") == (
        "From the first network to the last, the time of a run went from 9.87 ms to 3.04 ms (3.25 "
        "times as fast), the file from 3.89 MB to 1.42 MB, and top-1 on validation from 91.4 % to "
        "90.8 %."
    )


@pytest.mark.parametrize(("slowest", "logarithmic"), [(3.9, False), (4.1, True)])
def test_wide_ranges_are_logarithmic(slowest: float, *, logarithmic: bool) -> None:
    points = [
        Point(name="x", score=0.5, invoke_ms=ms, speed_up=1.0, size_bytes=9, macs=1, parameters=1)
        for ms in (1.0, slowest)
    ]

    assert ("ms a run, logarithmic" in _plot(points, {0}, "Top-1")) == logarithmic
