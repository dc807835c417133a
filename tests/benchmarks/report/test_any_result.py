"""Every kind of result there is, in every format: nothing in it can harm a reader."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_benchmarks.device.events import Failed
from edge_recog_benchmarks.report import csv_table, markdown, page
from edge_recog_benchmarks.results import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_benchmarks.results import Result

    Make = Callable[..., Result]

FAST = [[[10.0, 10.1, 10.2]] * 4] * 5
SLOW = [[[20.0, 20.1, 20.2]] * 4] * 5
HOUR = [[[10 + turn / 100] * 3 for turn in range(40)]]
replace = msgspec.structs.replace


def without_samples(result: Result) -> Result:
    parts = [replace(one, bursts=(), starts=(), ends=()) for one in result.contestants]
    return replace(result, contestants=tuple(parts))


def offline(result: Result) -> Result:
    parts = [
        replace(one, bursts=tuple(replace(burst, samples={}) for burst in one.bursts))
        for one in result.contestants
    ]
    plan = replace(result.plan, scenario="offline")
    return replace(result, plan=plan, contestants=tuple(parts))


def several_labels(result: Result, labelled: Make) -> Result:
    """Return the result with answers to pictures of which some have two labels."""
    result = labelled(result, [[True] * 8] * len(result.contestants))
    assert result.accuracy is not None
    pictures = tuple(
        replace(one, labels=(0, 1) if index % 2 else (0,))
        for index, one in enumerate(result.accuracy.pictures)
    )
    return replace(result, accuracy=replace(result.accuracy, task="multi-label", pictures=pictures))


def hostile(result: Result, name: str) -> Result:
    """Return the result with hostile text wherever there can be text."""
    assert result.accuracy is not None
    data = replace(
        result.accuracy,
        name=name,
        folder=name,
        labels=(name, "dog", "hen"),
        pictures=tuple(
            replace(one, id=f"{index}{name}") for index, one in enumerate(result.accuracy.pictures)
        ),
    )
    first, second = result.contestants
    broken = Failed(contestant=name, generation=0, reason=name)
    return replace(
        result,
        device=name,
        accuracy=data,
        findings=(
            Finding(severity="warning", kind=name, contestant=name, reason=name, advice=name),
        ),
        system=replace(result.system, board=name, governor=name, machine={name: {name: [name]}}),
        contestants=(first, replace(second, failed=broken)),
    )


KINDS: dict[str, Callable[[Any], list[Result]]] = {
    "single": lambda given: [given.make({"only": FAST})],
    "failed": lambda given: [given.failing(given.two, "net-int8")],
    "nothing": lambda given: [without_samples(given.two)],
    "stopped": lambda given: [replace(given.two, complete=False)],
    "invalid": lambda given: [replace(given.two, findings=(given.throttled,))],
    "offline": lambda given: [offline(given.two)],
    "sustained": lambda given: [
        given.make({"a": HOUR, "b": HOUR}, plan=replace(given.two.plan, scenario="sustained"))
    ],
    "twelve": lambda given: [given.make({f"model {n}": FAST for n in range(12)})],
    "several-labels": lambda given: [several_labels(given.two, given.labelled)],
    "two-runs": lambda given: [given.two, given.make({"net-float": SLOW, "new": FAST})],
    "hostile": lambda given: [
        hostile(
            given.labelled(
                given.make({given.hostile: SLOW, "other": FAST}), [[True, False], [False, True]]
            ),
            given.hostile,
        )
    ],
}


@pytest.fixture(params=KINDS)
def results(
    request: pytest.FixtureRequest,
    make_result: Make,
    failing: Make,
    labelled: Make,
    two: Result,
    throttled: Finding,
    hostile_name: str,
) -> list[Result]:
    given = SimpleNamespace(
        make=make_result,
        failing=failing,
        labelled=labelled,
        two=two,
        throttled=throttled,
        hostile=hostile_name,
    )
    return KINDS[request.param](given)


def test_a_page_is_well_formed_whatever_the_result(results: list[Result], outline: Any) -> None:
    outline(page(results))


def test_a_page_asks_for_nothing_and_runs_nothing(results: list[Result], outline: Any) -> None:
    seen = outline(page(results))
    names = {element for element, _ in seen.elements}
    assert not names & {"script", "iframe", "object", "embed", "form", "base", "audio", "video"}
    for _, attributes in seen.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#"))
    policies = [a.get("content") for _, a in seen.elements if "http-equiv" in a]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_format_takes_every_result(results: list[Result]) -> None:
    texts = markdown(results), csv_table(results)
    for one in results:
        for contestant in one.contestants:
            first_word = re.split(r"\W", contestant.name.strip("=<"))[0]
            assert all(first_word in text for text in texts)
