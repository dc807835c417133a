"""Numbers and colours of a report, and what its drawings leave out."""

from __future__ import annotations

import re
from pathlib import Path

import edge_recog_benchmarks.report
import numpy as np
import pytest
from edge_recog_benchmarks.report.plots import Point, unbeaten
from edge_recog_benchmarks.report.texts import plain, points, significant
from hypothesis import given, settings
from hypothesis import strategies as st


def test_colours_can_be_told_from_the_paper() -> None:
    style = Path(edge_recog_benchmarks.report.__file__).with_name("style.css").read_text()
    for block in style.split("@media", 2)[:2]:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        card = _luminance(colours["card"])
        for key, least in [*((f"c{n}", 4.5 if n < 5 else 3.0) for n in range(12)), ("faint", 4.5)]:
            dark, light = sorted((card, _luminance(colours[key])))
            assert (light + 0.05) / (dark + 0.05) >= least, key


def _luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.1, 0-1."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@settings(derandomize=True)
@given(st.floats(1e-6, 1e6))
def test_three_digits_are_right_and_have_no_exponent(value: float) -> None:
    for text in (significant(value), plain(value)):
        assert "e" not in text
        assert float(text) == pytest.approx(value, rel=0.0051)


@settings(derandomize=True)
@given(st.floats(-1, 1))
def test_points_have_a_sign_unless_they_are_none(share: float) -> None:
    text = points(share)
    assert (text == "0.0") == (abs(100 * share) < 0.05 or f"{100 * share:.1f}" in ("0.0", "-0.0"))
    assert text == "0.0" or text[0] in "+\N{MINUS SIGN}"


@settings(derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_exactly_the_beaten_points_are_left_out(pairs: list[tuple[int, int]]) -> None:
    plotted = [
        Point(str(index), index, float(latency), (right / 9, 0.0, 1.0))
        for index, (latency, right) in enumerate(pairs)
    ]
    best = {int(point.name) for point in unbeaten(plotted)}
    for index, (latency, right) in enumerate(pairs):
        beaten = any((a, -b) != (latency, -right) and a <= latency and b >= right for a, b in pairs)
        assert (index in best) is not beaten
