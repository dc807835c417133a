"""The largest share that is fast enough, from few measurements that may be noisy."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from edge_recog_converter.pruning.searching import TOLERANCE, share_within_latency
from hypothesis import given
from hypothesis import strategies as st

Curve = Callable[[float], float]


def macs_at(share: float, *, steps: int = 400) -> float:
    """Rises in steps, as multiples of channels have it; a little is left of nothing."""
    return 1e6 * (0.02 + 0.98 * (math.ceil(share * steps) / steps) ** 2)


def latency_at(offset: float, power: float) -> Curve:
    """Of the whole network 1, of none nearly `offset`."""
    return lambda share: offset + (1 - offset) * (macs_at(share) / 1e6) ** power


curves = st.builds(latency_at, st.floats(0.02, 0.5), st.floats(0.5, 1.6))


@given(latency=curves, demand=st.floats(0.01, 0.99))
def test_a_share_within_is_found_with_six_measurements(latency: Curve, demand: float) -> None:
    allowed = latency(0) + demand * (1 - latency(0))
    measured: list[float] = []

    def measure(share: float) -> float:
        measured.append(share)
        return allowed / latency(share)

    found = share_within_latency(measure, macs_at)
    assert found is not None
    assert found.share in measured
    assert found.headroom == pytest.approx(allowed / latency(found.share))
    assert found.headroom >= 1
    assert found.measurements == len(measured) <= 6


@pytest.mark.parametrize("offset", [0.02, 0.15, 0.3])
@pytest.mark.parametrize("power", [0.6, 1.0, 1.4])
@pytest.mark.parametrize("times", [1.3, 2.0])
def test_it_is_as_large_as_the_tolerance_says(offset: float, power: float, times: float) -> None:
    latency = latency_at(offset, power)
    found = share_within_latency(lambda share: 1 / times / latency(share), macs_at)
    assert found is not None
    assert 1 <= found.headroom <= 1 + TOLERANCE


@given(
    latency=curves,
    demand=st.floats(0.0, 1.2),
    noise=st.floats(0, 0.05),
    seed=st.integers(0, 1000),
    budget=st.integers(2, 8),
    largest=st.floats(0, 1),
)
def test_noise_never_makes_it_return_what_was_not_measured_to_be_within(
    latency: Curve, demand: float, noise: float, seed: int, budget: int, largest: float
) -> None:
    rng = random.Random(seed)
    allowed = latency(0) + demand * (1 - latency(0))
    measured: dict[float, float] = {}

    def measure(share: float) -> float:
        measured[share] = allowed / latency(share) * (1 + rng.uniform(-noise, noise))
        return measured[share]

    found = share_within_latency(measure, macs_at, largest=largest, measurements=budget)
    assert len(measured) <= budget
    assert all(share <= largest for share in measured)
    if found is None:
        assert all(headroom < 1 for headroom in measured.values())
        # Only after the smallest one was tried.
        assert macs_at(min(measured)) == macs_at(0)
    else:
        assert found.headroom == pytest.approx(measured[found.share])
        assert found.headroom >= 1


def test_the_whole_network_is_enough_if_it_is_fast_enough() -> None:
    found = share_within_latency(lambda share: 1.2, macs_at, largest=0.7)
    assert found is not None
    assert (found.share, found.headroom, found.measurements) == (0.7, pytest.approx(1.2), 1)


def test_nothing_is_found_where_even_the_smallest_is_too_slow() -> None:
    latency = latency_at(0.5, 1.0)
    assert share_within_latency(lambda share: 0.4 / latency(share), macs_at) is None


@pytest.mark.parametrize(("allowed", "share"), [(0.6, 0.5), (0.3, 0.0)], ids=["upper", "lower"])
def test_between_two_neighbouring_cuts_there_is_nothing_to_measure(
    allowed: float, share: float
) -> None:
    measured: list[float] = []

    def steps(share: float) -> float:
        return 1.0 if share > 0.5 else 0.5 if share > 0.2 else 0.25

    def measure(share: float) -> float:
        measured.append(steps(share))
        return allowed / steps(share)

    found = share_within_latency(measure, steps)
    assert found is not None
    assert steps(found.share) == steps(share)
    assert len(measured) == len({*measured})


def test_one_measurement_finds_nothing() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        share_within_latency(lambda share: 1.0, macs_at, measurements=1)
