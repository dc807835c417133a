from __future__ import annotations

import pytest
from edge_recog_devices.publishing.canary import (
    Canaries,
    CanaryRules,
    Tally,
    lower_bound,
    verdict,
)
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.updates.reports import Report

RULES = CanaryRules()
counts = st.integers(0, 10_000)


def report(state: str, number: int = 1, channel: str = "stable") -> Report:
    return Report(channel=channel, state=state, number=number, at="2026-05-06T07:08:09Z")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failed", "begun", "expected"),
    [(0, 10, 0.0), (3, 3, 0.4385), (5, 10, 0.2366), (10, 1000, 0.0054), (0, 0, 0.0)],
)
def test_the_lower_bound_is_wilsons(failed: int, begun: int, expected: float) -> None:
    assert lower_bound(failed, begun, 1.96) == pytest.approx(expected, abs=5e-4)


@given(counts, counts, st.floats(0, 5))
def test_the_lower_bound_is_a_share_below_the_one_that_was_seen(
    failed: int, others: int, z: float
) -> None:
    begun = failed + others

    assert 0 <= lower_bound(failed, begun, z) <= (failed / begun if begun else 0) + 1e-12


@given(counts, counts, counts)
def test_one_more_failure_never_saves_a_release(trial: int, failed: int, committed: int) -> None:
    if verdict(Tally(trial, failed, committed), RULES) is not None:
        assert verdict(Tally(trial, failed + 1, committed), RULES) is not None


@given(counts, counts, counts)
def test_one_more_success_never_stops_a_release(trial: int, failed: int, committed: int) -> None:
    if verdict(Tally(trial, failed, committed), RULES) is None:
        assert verdict(Tally(trial, failed, committed + 1), RULES) is None


@pytest.mark.parametrize(
    ("tally", "stops"),
    [
        (Tally(), False),
        (Tally(failed=2), False),
        (Tally(failed=3), True),
        (Tally(trial=1000, failed=3), False),
        (Tally(committed=990, failed=10), False),
        (Tally(committed=60, failed=30), True),
        (Tally(trial=60, failed=30), True),
    ],
    ids=["nobody", "too-few", "all", "first-of-many", "one-percent", "a-third", "a-third-so-far"],
)
def test_verdicts(tally: Tally, stops: bool) -> None:
    assert (verdict(tally, RULES) is not None) is stops


def test_a_reason_says_how_many() -> None:
    assert verdict(Tally(trial=1, failed=9), RULES) == (
        "9 of the first 10 devices failed, and 5 % are tolerated"
    )


def test_each_device_counts_once() -> None:
    canaries = Canaries("stable", 1)

    for _ in range(3):
        canaries.hear("kitchen", report("trial"))
        canaries.hear("kitchen", report("failed"))
    canaries.hear("cellar", report("trial"))

    assert canaries.tally == Tally(trial=1, failed=1)


def test_a_device_that_failed_and_then_succeeded_has_succeeded() -> None:
    canaries = Canaries("stable", 1)
    for state in ("trial", "failed", "downloading", "trial", "committed"):
        canaries.hear("kitchen", report(state))

    assert canaries.tally == Tally(committed=1)


@pytest.mark.parametrize(
    "other",
    [report("failed", number=2), report("failed", channel="beta"), report("waiting")],
    ids=["another-release", "another-channel", "no-verdict"],
)
def test_other_reports_are_not_counted(other: Report) -> None:
    canaries = Canaries("stable", 1)

    assert not canaries.hear("kitchen", other)
    assert canaries.tally == Tally()


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["trial", "failed", "committed", "current", "waiting", "refused"]),
        )
    )
)
def test_there_are_never_more_verdicts_than_devices(said: list[tuple[str, str]]) -> None:
    canaries = Canaries("stable", 1)
    for device, state in said:
        canaries.hear(device, report(state))

    tally = canaries.tally
    assert min(tally.trial, tally.failed, tally.committed) >= 0
    assert tally.begun <= len({device for device, _ in said})
