from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.updates.polling import PollRules, first_delay_s, next_delay_s

rules = st.builds(PollRules, every_min=st.floats(1, 10_080), jitter=st.floats(0, 0.9))
draws = st.floats(0, 1)


@given(rules, draws)
def test_the_first_look_is_within_one_interval(rule: PollRules, draw: float) -> None:
    assert 0 <= first_delay_s(rule, draw) <= rule.every_min * 60


@given(rules, draws, st.integers(0, 10_000), st.none() | st.floats(-1e12, 1e12))
def test_a_look_never_comes_sooner_than_the_jitter_allows(
    rule: PollRules, draw: float, failures: int, asked: float | None
) -> None:
    delay = next_delay_s(rule, draw, failures=failures, retry_after_s=asked)

    assert delay >= rule.every_min * 60 * (1 - rule.jitter) * 0.999_999


@given(rules, draws, st.integers(0, 10_000), st.none() | st.floats(-1e12, 1e12))
def test_no_server_and_no_failure_keeps_a_device_away_for_ever(
    rule: PollRules, draw: float, failures: int, asked: float | None
) -> None:
    delay = next_delay_s(rule, draw, failures=failures, retry_after_s=asked)

    assert delay <= max(32 * rule.every_min * 60 * 1.9, 7 * 86_400 + rule.every_min * 60)


@given(rules, draws, st.integers(0, 100))
def test_each_failure_in_a_row_makes_it_later_or_as_late(
    rule: PollRules, draw: float, failures: int
) -> None:
    assert next_delay_s(rule, draw, failures=failures) <= next_delay_s(
        rule, draw, failures=failures + 1
    )


@pytest.mark.parametrize(
    ("failures", "draw", "minutes"),
    [(0, 0.0, 45), (0, 0.5, 60), (0, 1.0, 75), (1, 0.5, 60), (2, 0.5, 120), (99, 0.5, 1920)],
    ids=["early", "mean", "late", "first-failure", "second-failure", "many-failures"],
)
def test_delays(failures: int, draw: float, minutes: float) -> None:
    assert next_delay_s(PollRules(), draw, failures=failures) == minutes * 60


def test_what_a_server_asks_for_is_granted_and_spread() -> None:
    delays = [next_delay_s(PollRules(), draw, retry_after_s=7200) for draw in (0.0, 1.0)]

    assert delays == [7200, 7200 + 900]
