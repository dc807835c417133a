"""What a report answers to the question whether one model may replace another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_benchmarks.report.answer import answer
from edge_recog_benchmarks.report.digest import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_benchmarks.results import Result

    Make = Callable[..., Result]

FAST = [[[10.0, 10.1, 10.2]] * 4] * 5
SLOW = [[[20.0, 20.1, 20.2]] * 4] * 5
ALL, HALF = [True] * 2000, [True, False] * 1000


@pytest.mark.parametrize(
    ("latencies", "right", "kind", "said"),
    [
        ((SLOW, FAST), (ALL, ALL), "yes", "Yes, net-int8 may replace net-float"),
        ((FAST, FAST), (ALL, ALL), "yes", "which is no difference"),
        ((SLOW, FAST), (ALL[:20], ALL[:20]), "open", "not shown yet"),
        ((SLOW, FAST), (ALL, HALF), "no", "must not replace"),
        ((FAST, SLOW), (ALL, ALL), "no", "times as long"),
        ((SLOW[:1], FAST[:1]), (ALL, ALL), "open", "cannot be told yet"),
        ((SLOW[:1], FAST[:1]), (ALL, HALF), "no", "must not replace"),
        ((SLOW, FAST), None, "open", "times as fast"),
    ],
    ids=[
        *("good", "as fast", "few pictures", "worse", "slower", "undecided"),
        *("undecided but worse", "no pictures"),
    ],
)
def test_whether_one_may_replace_the_other(
    make_result: Make,
    labelled: Make,
    latencies: tuple[Any, Any],
    right: tuple[list[bool], list[bool]] | None,
    kind: str,
    said: str,
) -> None:
    result = make_result(dict(zip(("net-float", "net-int8"), latencies, strict=True)))
    if right is not None:
        result = labelled(result, right)
    found = answer(digest(result), str)
    assert found.kind == kind
    assert said in f"{found.lead} {found.rest}"


def test_the_int8_model_is_asked_about_wherever_it_stands(
    make_result: Make, labelled: Make
) -> None:
    result = make_result({"net-int8": FAST, "net-float": SLOW, "more-int8": FAST})
    found = answer(digest(labelled(result, [ALL] * 3)), str)
    assert found.lead == "Yes, net-int8 may replace net-float:"


def test_a_contestant_that_failed_replaces_nothing(two: Result, failing: Make) -> None:
    found = answer(digest(failing(two, "net-int8")), str)
    assert (found.kind, found.rest) == ("no", "it ran out of memory.")


def test_one_alone_is_described(make_result: Make) -> None:
    found = answer(digest(make_result({"only": [[[12.0]]]})), str)
    assert (found.kind, found.lead) == ("open", "only answers a picture in 12.0 ms")


def test_slowing_down_is_told(make_result: Make, two: Result) -> None:
    generation = [[10.0] * 3] * 20 + [[12.0] * 3] * 20
    plan = msgspec.structs.replace(two.plan, scenario="sustained")
    found = answer(digest(make_result({"only": [generation]}, plan=plan)), str)
    assert "only takes 1.20 times as long at the end" in found.remarks[-1]
