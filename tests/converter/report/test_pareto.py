"""Which networks no other one beats, and that their picture can be drawn of any of them."""

from __future__ import annotations

import re

import pytest
from edge_recog_converter.report.document import Point
from edge_recog_converter.report.pareto import _plot, _said, front
from hypothesis import given
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


def test_numbers_of_networks_that_are_alike_stand_below_each_other() -> None:
    alike = Point(
        name="x", score=1.0, invoke_ms=1.0, speed_up=1.0, size_bytes=9, macs=1, parameters=1
    )
    drawn = _plot([alike] * 3, {0, 1, 2}, "Top-1")
    heights = [float(y) for y in re.findall(r'<text x="[^"]+" y="([^"]+)"[^>]*strong', drawn)]

    assert len({round(height) for height in heights}) == 3
    assert "102" not in drawn
    assert "There is one network" in _said([alike], "Top-1")


@pytest.mark.parametrize(("slowest", "logarithmic"), [(3.9, False), (4.1, True)])
def test_wide_ranges_are_logarithmic(slowest: float, *, logarithmic: bool) -> None:
    points = [
        Point(name="x", score=0.5, invoke_ms=ms, speed_up=1.0, size_bytes=9, macs=1, parameters=1)
        for ms in (1.0, slowest)
    ]

    assert ("ms a run, logarithmic" in _plot(points, {0}, "Top-1")) == logarithmic
