"""Budgets as a recipe words them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from edge_recog_converter.pruning.budgets import Budget, Milliseconds, SpeedUp
from edge_recog_converter.pruning.costs import Cost, LayerCost
from edge_recog_converter.pruning.sections import PruningBudget, resolve

BEFORE = Cost((LayerCost("all", parameters=1_000, macs=90_000),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x", SpeedUp(2.0)),
        ("1.25 x", SpeedUp(1.25)),
        ("3.5ms", Milliseconds(3.5)),
        ("12 ms", Milliseconds(12.0)),
    ],
)
def test_a_latency_is_a_factor_or_milliseconds(text: str, expected: Any) -> None:
    assert PruningBudget(latency=text).latency_limit == expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "a budget needs latency, macs or parameters"),
        ({"latency": "2"}, 'latency must be like "2x" or "3.5ms", not "2"'),
        ({"latency": "fast"}, 'latency must be like "2x" or "3.5ms", not "fast"'),
        ({"latency": "-2x"}, 'not "-2x"'),
        ({"latency": "1x"}, "over 1 times"),
        ({"latency": "0.5x"}, "over 1 times"),
        ({"latency": "0ms"}, "more than 0 ms"),
        ({"latency": "1e3x"}, 'not "1e3x"'),
        ({"latency": "٣x"}, "latency must be like"),
        ({"macs": "2ms"}, 'macs must be like "2x" or a whole number, not "2ms"'),
        ({"macs": 0}, "macs must be at least 1, not 0"),
        ({"parameters": "1.0x"}, "parameters must be like"),
        ({"parameters": -5}, "parameters must be at least 1"),
        ({"parameters": 1.5}, "Expected"),
        ({"latency": 2}, "Expected"),
        ({"flops": 5}, "unknown field"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(fields, PruningBudget)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"latency": "2x"}, None),
        ({"macs": "3x"}, Budget(macs=30_000)),
        ({"macs": 40_000, "parameters": "4x"}, Budget(macs=40_000, parameters=250)),
        ({"parameters": 10, "latency": "2x"}, Budget(parameters=10)),
    ],
    ids=str,
)
def test_factors_are_of_the_network_before(fields: dict[str, Any], expected: Budget | None) -> None:
    assert resolve(msgspec.convert(fields, PruningBudget), BEFORE) == expected
