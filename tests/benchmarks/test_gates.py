"""Limits: how they are written, and what they say of what was measured."""

from __future__ import annotations

import pytest
from edge_recog_benchmarks.gates import STAGES, UNITS, Gate, judge
from edge_recog_benchmarks.statistics import Interval
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError


@st.composite
def gates(draw: st.DrawFn) -> Gate:
    """Return any gate there can be."""
    metric = draw(st.sampled_from(sorted(UNITS)))
    unit = draw(st.sampled_from(UNITS[metric]))
    staged = metric in ("p50", "p90", "p99", "mean")
    return Gate(
        metric=metric,
        stage=draw(st.sampled_from(STAGES)) if staged else "end_to_end",
        operator=draw(st.sampled_from([">", ">=", "<", "<="])),
        number=draw(st.floats(-1e9 if unit == "pt" else 0, 1e9)),
        unit=unit,
    )


@given(gates())
@settings(derandomize=True)
def test_what_a_gate_prints_is_read_back(gate: Gate) -> None:
    assert Gate.parse(str(gate)) == gate


@given(gates(), st.lists(st.sampled_from(["", " ", "\t"]), min_size=5, max_size=5))
@settings(derandomize=True)
def test_spaces_between_the_parts_do_not_matter(gate: Gate, spaces: list[str]) -> None:
    parts = [gate.key, gate.operator, repr(gate.number), gate.unit]
    text = spaces[0] + "".join(part + space for part, space in zip(parts, spaces[1:], strict=True))
    assert Gate.parse(text) == gate


@given(st.text(alphabet="p590@invoke>=<1.x ms%t-e+", max_size=20))
@settings(derandomize=True, max_examples=300)
def test_any_text_is_a_gate_or_a_usage_error(text: str) -> None:
    try:
        gate = Gate.parse(text)
    except UsageError:
        return
    assert Gate.parse(str(gate)) == gate


@pytest.mark.parametrize(
    ("text", "key", "limit"),
    [
        ("p50>1.05x", "p50", 1.05),
        ("p90@invoke >= 20 ms", "p90@invoke", 20),
        ("p99@end_to_end>.5s", "p99", 500),
        ("first_answer > 2s", "first_answer", 2000),
        ("rss>200MB", "rss", 200),
        ("throughput<15/s", "throughput", 15),
        ("energy>50mJ", "energy", 50),
        ("top1<75%", "top1", 0.75),
        ("top5<-1pt", "top5", -0.01),
        ("ece>+2pt", "ece", 0.02),
    ],
)
def test_a_limit_is_in_the_unit_of_what_is_measured(text: str, key: str, limit: float) -> None:
    gate = Gate.parse(text)
    assert (gate.key, gate.limit) == (key, limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p50", "has no operator; write METRIC"),
        ("", "has no operator"),
        ("p5>1.05x", "no metric 'p5', did you mean p50; there are p50, p90"),
        ("first-answer>2s", "no metric 'first-answer', did you mean first_answer;"),
        (">1.05x", "the metric is missing; there are p50"),
        ("p50=1.05x", "no operator '='"),
        ("p50>>1.05x", "no operator '>>', did you mean >"),
        ("p50>x", "'x' does not begin with a number"),
        ("p50>1e999x", "does not begin with a number"),
        ("p50>1.05", "the unit for p50 is missing; there are x, ms, s"),
        ("p50>5%", "no unit for p50 '%'; there are x, ms, s"),
        ("rss>200mb", "no unit for rss 'mb'; there are x, MB"),
        ("top1<0.99x", "no unit for top1 'x'; there are %, pt"),
        ("p50@invok>5ms", "no stage 'invok', did you mean invoke; there are decode"),
        ("p50@>5ms", "the stage is missing"),
        ("rss@invoke>5MB", "rss has no stages; only p50, p90, p99, mean do"),
        ("p50<-5ms", "p50 is never below 0"),
    ],
)
def test_a_gate_that_cannot_be_read_is_told_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Gate.parse(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"gate {text!r}")


@pytest.mark.parametrize(
    ("text", "interval", "outcome"),
    [
        ("p50>1.05x", Interval(1.10, 1.06, 1.14), "failed"),
        ("p50>1.05x", Interval(1.10, 1.04, 1.16), "undecided"),
        ("p50>1.05x", Interval(1.04, 1.00, 1.08), "passed"),
        ("p50>1.05x", Interval(1.05, 1.05, 1.05), "passed"),
        ("p50>=1.05x", Interval(1.05, 1.05, 1.05), "failed"),
        ("throughput<15/s", Interval(14, 13, 14.5), "failed"),
        ("throughput<15/s", Interval(14, 13, 16), "undecided"),
        ("throughput<15/s", Interval(16, 14, 18), "passed"),
        ("throughput<=15/s", Interval(15, 15, 15), "failed"),
        ("top1<-1pt", Interval(-0.02, -0.03, -0.012), "failed"),
        ("top1<-1pt", Interval(-0.02, -0.03, 0.001), "undecided"),
        ("p50>5ms", Interval(9, 0, float("inf")), "undecided"),
    ],
)
def test_a_gate_fails_surely_or_not_at_all(text: str, interval: Interval, outcome: str) -> None:
    assert Gate.parse(text).judge(interval) == outcome


@given(gates(), st.floats(-1e9, 1e9), st.floats(0, 1e6), st.floats(0, 1e6))
@settings(derandomize=True)
def test_a_wider_interval_never_turns_passed_into_failed(
    gate: Gate, estimate: float, half: float, more: float
) -> None:
    narrow = gate.judge(Interval(estimate, estimate - half, estimate + half))
    wide = gate.judge(Interval(estimate, estimate - half - more, estimate + half + more))
    assert {narrow, wide} in ({"passed"}, {"failed"}, {"undecided"}, {"failed", "undecided"})
    assert (narrow, wide) != ("undecided", "failed")


ONE = Interval(20.0, 19.0, 21.0)
TWO = Interval(1.2, 1.1, 1.3)
THREE = Interval(-0.02, -0.03, -0.015)


@pytest.mark.parametrize(
    ("text", "measured"),
    [("p50>5ms", ONE), ("p50>1.05x", TWO), ("top1<-1pt", THREE), ("top1<50%", THREE)],
    ids=["value", "ratio", "difference", "share"],
)
def test_the_unit_says_what_is_looked_at(text: str, measured: Interval) -> None:
    judgement = judge(
        Gate.parse(text),
        "a",
        values={"p50": ONE, "top1": THREE},
        ratios={"p50": TWO},
        differences={"top1": THREE},
    )
    assert (judgement.outcome, judgement.measured, judgement.reason) == ("failed", measured, "")


@pytest.mark.parametrize("text", ["p50>1.05x", "top1<-1pt"])
def test_a_relative_gate_needs_a_reference(text: str) -> None:
    gate = Gate.parse(text)
    assert gate.relative
    with pytest.raises(UsageError, match="needs something to compare a with"):
        judge(gate, "a", values={"p50": ONE, "top1": ONE})


def test_what_was_not_measured_does_not_pass() -> None:
    judgement = judge(Gate.parse("p99>30ms"), "a", values={"p50": ONE})
    assert judgement.outcome == "undecided"
    assert judgement.reason == "p99 of a was not measured, or with too few samples"


def test_a_contestant_that_failed_fails_every_gate() -> None:
    judgement = judge(Gate.parse("p50>90ms"), "a", values={"p50": ONE}, failure="no such delegate")
    assert judgement.outcome == "failed"
    assert judgement.reason == "a failed: no such delegate"


def test_an_undecided_gate_says_why() -> None:
    judgement = judge(Gate.parse("p50>19.5ms"), "a", values={"p50": ONE})
    assert (judgement.outcome, judgement.reason) == (
        "undecided",
        "the interval reaches across the limit",
    )
