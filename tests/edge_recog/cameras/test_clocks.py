from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.clocks import to_monotonic

_S = 1_000_000_000


@pytest.mark.parametrize(
    ("stamp_ns", "expected_ns"),
    [
        (99 * _S, 99 * _S),
        (599 * _S, 99 * _S),
        (100 * _S, 100 * _S),
        (0, 100 * _S),
        (-5, 100 * _S),
        (50 * _S, 100 * _S),
        (101 * _S, 100 * _S),
        (601 * _S, 100 * _S),
        (1_700_000_000 * _S, 100 * _S),
    ],
    ids=[
        "monotonic",
        "boot time",
        "now",
        "none",
        "negative",
        "stale",
        "between the two",
        "future",
        "time of day",
    ],
)
def test_a_stamp_is_of_the_clock_by_which_it_is_recent(stamp_ns: int, expected_ns: int) -> None:
    """The machine has slept for 500 s."""
    said = to_monotonic(stamp_ns, monotonic_ns=100 * _S, boottime_ns=600 * _S)

    assert said == expected_ns


@given(st.integers(-(2**63), 2**63), st.integers(0, 2**50), st.integers(0, 2**50))
def test_no_frame_is_of_the_future_or_long_past(stamp: int, now: int, slept: int) -> None:
    said = to_monotonic(stamp, monotonic_ns=now, boottime_ns=now + slept)

    assert now - 10 * _S <= said <= now
