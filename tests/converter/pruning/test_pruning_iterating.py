"""Steps of iterative pruning, and networks cut to a latency that a made-up stopwatch tells."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.errors import PruningError
from edge_recog_converter.pruning.budgets import Budget, Milliseconds, SpeedUp
from edge_recog_converter.pruning.costs import Cost, LayerCost, cost_of
from edge_recog_converter.pruning.iterating import (
    Target,
    pruned_to_latency,
    refuse_infeasible,
    steps_of,
)
from edge_recog_converter.pruning.latency import Timing, int8_for_timing
from edge_recog_converter.pruning.scores import l1_scores
from edge_recog_converter.pruning.sections import PruningBudget
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

BEFORE = Cost((LayerCost("all", parameters=1_000, macs=64_000),))


def test_each_step_takes_the_same_share_away() -> None:
    budget = PruningBudget(latency="8x", macs="4x", parameters=125)
    *first, last = steps_of(budget, 3, before=BEFORE)
    for step, (times, macs, parameters) in zip(
        first, [(2, 64_000 / 4 ** (1 / 3), 500), (4, 64_000 / 4 ** (2 / 3), 250)], strict=True
    ):
        assert isinstance(step.latency, SpeedUp)
        assert step.latency.times == pytest.approx(times)
        assert step.costs is not None
        assert step.costs.macs == pytest.approx(macs)
        assert step.costs.parameters == pytest.approx(parameters)
    assert last == Target(latency=SpeedUp(8.0), costs=Budget(macs=16_000, parameters=125))


def test_steps_to_milliseconds_start_at_the_latency_before() -> None:
    first, last = steps_of(PruningBudget(latency="2ms"), 2, before=BEFORE, before_ms=8.0)
    assert isinstance(first.latency, Milliseconds)
    assert first.latency.most == pytest.approx(4.0)
    assert last == Target(latency=Milliseconds(2.0))
    with pytest.raises(ValueError, match="give before_ms"):
        steps_of(PruningBudget(latency="2ms"), 2, before=BEFORE)


@given(
    factor=st.floats(1.01, 100).map(lambda factor: f"{factor:.2f}x"),
    macs=st.integers(1, 200_000),
    most=st.floats(0.1, 100).map(lambda most: f"{most:.3f}ms"),
    steps=st.integers(1, 10),
)
def test_steps_never_turn_back_and_end_at_the_budget(
    factor: str, macs: int, most: str, steps: int
) -> None:
    by_factor = steps_of(PruningBudget(latency=factor, macs=macs), steps, before=BEFORE)
    times = [step.latency.times for step in by_factor if isinstance(step.latency, SpeedUp)]
    assert times == sorted(times)
    assert (len(times), times[-1]) == (steps, float(factor[:-1]))
    allowed = [step.costs.macs or 0 for step in by_factor if step.costs is not None]
    assert allowed == sorted(allowed, reverse=True)
    assert allowed[-1] == macs
    by_ms = steps_of(PruningBudget(latency=most), steps, before=BEFORE, before_ms=10.0)
    limits = [step.latency.most for step in by_ms if isinstance(step.latency, Milliseconds)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == float(most[:-2])


def test_no_steps_lead_nowhere() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        steps_of(PruningBudget(latency="2x"), 0, before=BEFORE)


class BySize:
    """Takes 1 ms for each 10 kB of a file."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, files: Sequence[bytes]) -> list[Timing]:
        self.calls += 1
        return [Timing(ms=len(file) / 1e4, speed_up=len(files[0]) / len(file)) for file in files]


@pytest.fixture(scope="module")
def resnet() -> Any:
    return build_architecture("resnet-8", input_shape=(16, 16, 3), classes=4, width=1.0, seed=0)


@pytest.fixture(scope="module")
def reference(resnet: Any) -> bytes:
    return int8_for_timing(resnet)


prune = functools.partial(pruned_to_latency, multiple_of=2)


def test_a_network_is_cut_until_it_is_fast_enough(resnet: Any, reference: bytes) -> None:
    stopwatch, scored = BySize(), []

    def score(model: Any, channels: Any) -> Any:
        scored.append(model)
        return l1_scores(model, channels)

    smaller, summary, measured = prune(
        resnet, SpeedUp(2.0), reference=reference, score=score, stopwatch=stopwatch
    )
    assert scored == [resnet]
    assert 2 <= measured.timing.speed_up < 2.2
    assert measured.measurements == stopwatch.calls <= 6
    assert measured.reference_ms == len(reference) / 1e4
    assert measured.file == int8_for_timing(smaller)
    assert summary.after == cost_of(smaller)
    assert summary.before == cost_of(resnet)


def test_milliseconds_and_costs_both_hold(resnet: Any, reference: bytes) -> None:
    most = 0.7 * len(reference) / 1e4
    macs = 0.3 * cost_of(resnet).macs
    smaller, summary, measured = prune(
        resnet,
        Milliseconds(most),
        reference=reference,
        costs=Budget(macs=macs),
        stopwatch=BySize(),
    )
    assert measured.timing.ms <= most
    assert cost_of(smaller).macs <= macs
    assert measured.measurements == 1
    assert summary.keep < 1


def test_the_next_step_is_relative_to_the_same_reference(resnet: Any, reference: bytes) -> None:
    halfway, *_ = prune(resnet, SpeedUp(1.5), reference=reference, stopwatch=BySize())
    _, summary, measured = prune(halfway, SpeedUp(2.0), reference=reference, stopwatch=BySize())
    assert 2 <= measured.timing.speed_up < 2.3
    assert summary.before == cost_of(halfway)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            Target(latency=SpeedUp(50.0)),
            r"the smallest model that can be cut from resnet_8 runs [\d.]+ times faster here, and "
            "50 are asked for: ask for less, or start from a smaller input or width",
        ),
        (Target(latency=Milliseconds(0.01)), r"takes [\d.]+ ms here, and 0.01 are asked for"),
        (Target(costs=Budget(macs=7)), r"has [\d,]+ multiply-accumulates, and 7 are asked for"),
        (Target(costs=Budget(parameters=7)), r"has [\d,]+ parameters, and 7 are asked for"),
    ],
    ids=["times", "ms", "macs", "parameters"],
)
def test_what_no_cut_can_meet_is_refused(
    resnet: Any, reference: bytes, target: Target, said: str
) -> None:
    with pytest.raises(PruningError, match=said):
        refuse_infeasible(resnet, target, reference=reference, stopwatch=BySize())


def test_what_some_cut_can_meet_is_let_pass(resnet: Any, reference: bytes) -> None:
    stopwatch = BySize()
    target = Target(latency=SpeedUp(1.5), costs=Budget(macs=cost_of(resnet).macs / 2))
    refuse_infeasible(resnet, target, reference=reference, stopwatch=stopwatch)
    assert stopwatch.calls == 1


def test_a_speed_up_that_no_cut_has_is_refused_when_cutting(resnet: Any, reference: bytes) -> None:
    with pytest.raises(PruningError, match="times faster here, and 50 are asked for"):
        prune(resnet, SpeedUp(50.0), reference=reference, stopwatch=BySize())


@pytest.mark.parametrize("times", [1.0, 0.0, float("nan")])
def test_a_speed_up_is_over_1(times: float) -> None:
    with pytest.raises(PruningError, match="ask over 1"):
        SpeedUp(times)


def test_milliseconds_are_over_0() -> None:
    with pytest.raises(PruningError, match="allow more than 0"):
        Milliseconds(0.0)
