from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.cameras.backlog import Backlog

RATE = 15.0
PERIOD_S = 1 / RATE


def told(backlog: Backlog, reads: list[tuple[float, float]]) -> list[bool]:
    """Return what is told of frames that were asked for then, and took so long."""
    return [backlog.is_old(asked_s, asked_s + took_s) for asked_s, took_s in reads]


def test_frames_that_were_kept_while_opening_are_old() -> None:
    backlog = Backlog(since_s=10.0, rate=RATE)
    kept = [(12.0 + 0.004 * index, 0.001) for index in range(30)]
    live = [(12.15, 0.05), (12.2, 0.001), (12.27, 0.06)]

    # A network that brings two at a time is no backlog.
    assert told(backlog, kept + live) == [True] * 30 + [False] * 3


def test_a_stream_that_opens_at_once_has_none() -> None:
    assert told(Backlog(since_s=10.0, rate=RATE), [(10.2, 0.001), (10.3, 0.001)]) == [False, False]


def test_so_are_those_that_came_while_nobody_read() -> None:
    backlog = Backlog(since_s=10.0, rate=RATE)
    reads = [(10.1, 0.05), (10.2, 0.05), (13.0, 0.001), (13.01, 0.001), (13.02, 0.05)]

    assert told(backlog, reads) == [False, False, True, True, False]


def test_a_camera_that_is_slow_has_none() -> None:
    backlog = Backlog(since_s=10.0, rate=RATE)

    assert told(backlog, [(10.1, 3.0), (13.1, 3.0), (16.1, 0.001)]) == [False, False, False]


def test_it_comes_to_an_end_where_every_frame_is_there_at_once() -> None:
    backlog = Backlog(since_s=0.0, rate=RATE)
    reads = [(9.0 + 0.01 * index, 0.001) for index in range(400)]
    old = told(backlog, reads)

    assert old == sorted(old, reverse=True)
    assert 90 <= sum(old) <= 100


@pytest.mark.parametrize("rate", [0.0, 90_000.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_not_believed(rate: float) -> None:
    backlog = Backlog(since_s=0.0, rate=rate)

    assert told(backlog, [(2.0, 0.001), (2.01, 0.02), (2.04, 0.001)]) == [True, False, False]


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=60))
def test_no_frame_that_was_waited_for_is_old(steps: list[tuple[float, float]]) -> None:
    backlog = Backlog(since_s=0.0, rate=RATE)
    now_s = began_s = 0.0
    was_old = False
    for pause_s, took_s in steps:
        asked_s = now_s + pause_s
        now_s = asked_s + took_s
        is_old = backlog.is_old(asked_s, now_s)
        if not was_old:
            began_s = asked_s
        was_old = is_old

        assert not (is_old and took_s >= PERIOD_S / 2)
        # However often it pauses: the supervisor waits 3 s for a first frame, and 2 s for others.
        assert not is_old or now_s - began_s < 1.0
