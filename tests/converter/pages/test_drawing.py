"""Round numbers beside an axis, and numbers as people read them."""

import pytest
from edge_recog_converter.pages.drawing import decimals, ticks
from edge_recog_converter.pages.texts import duration, megabytes, significant
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 100.0, [0, 20, 40, 60, 80, 100]),
        (0.21, 0.93, [0.4, 0.6, 0.8]),
        (-0.03, 0.11, [0, 0.05, 0.1]),
        (1.0, 1.25, [1.0, 1.05, 1.1, 1.15, 1.2, 1.25]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(("last", "expected"), [(2, [1, 2]), (7, [2, 4, 6]), (16, [5, 10, 15])])
def test_ticks_of_epochs_are_whole(last: int, expected: list[int]) -> None:
    assert ticks(1, last, whole=True) == expected


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.booleans())
def test_ticks_are_few_inside_and_ascending(low: float, span: float, whole: bool) -> None:
    found = ticks(low, low + span, whole=whole)
    slack = 1e-6 * max(1.0, span)

    assert len(found) <= 6
    assert found == sorted(set(found))
    assert all(low - slack <= tick <= low + span + slack for tick in found)
    assert whole or found
    assert not whole or all(tick.is_integer() for tick in found)


@pytest.mark.parametrize(
    ("values", "expected"), [([1, 2], 0), ([0.5, 1.0], 1), ([0.0, 0.025], 3), ([], 0)]
)
def test_decimals_tell_ticks_apart(values: list[float], expected: int) -> None:
    assert decimals(values) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.23, "4.2 s"), (59.97, "1 min"), (724, "12 min 4 s"), (3599.6, "1 h"),
        (4321, "1 h 12 min"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0123456, "0.0123"), (-1.5, "\N{MINUS SIGN}1.50"), (12345.6, "12,346"),
     (float("nan"), "nan")],
)  # fmt: skip
def test_three_digits_are_significant(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("size", "text"), [(3_456_789, "3.46 MB"), (13_579_246, "13.6 MB"), (1_234e6, "1,234 MB")]
)
def test_megabytes(size: float, text: str) -> None:
    assert megabytes(size) == text
