"""What runs on a device and watches the service there, with answers that are made up."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest
from edge_recog_devices.flash import observe


class FakeService:
    """Answers in order; None where nothing answers."""

    url = "http://127.0.0.1:8080"

    def __init__(self, *answers: dict[str, Any] | None) -> None:
        self.answers = list(answers)

    def json(self, path: str) -> Any:
        del path
        return self.answers.pop(0)


def status(uptime_s: float, *, model: str = "m", state: str = "running") -> dict[str, Any]:
    return {
        "model": {"id": model},
        "state": state,
        "reason": "the camera is lost" if state == "degraded" else None,
        "uptime_s": uptime_s,
    }


def watched(*answers: dict[str, Any] | None, wanted: str = "m") -> tuple[list[float], str]:
    """Return for how long all was well at each look, one second apart, and the last reason."""
    watch = observe.Watch(FakeService(*answers), wanted)  # type: ignore[arg-type]
    found = [watch.look(float(number)) for number in range(len(answers))]
    return found, watch.reason


def test_the_time_counts_in_which_it_answers_without_a_break() -> None:
    assert watched(None, status(1), status(2), status(3))[0] == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (None, "it does not answer at http://127.0.0.1:8080"),
        (status(3, state="degraded"), "the camera is lost"),
        (status(3, state="starting"), "it is starting"),
        (status(3, model="o"), "another model is at work"),
    ],
)
def test_it_counts_from_the_beginning_after_a_break(
    broken: dict[str, Any] | None, reason: str
) -> None:
    found, told = watched(status(1), status(2), broken, status(4), status(5))
    assert found == [0, 1, 0, 0, 1]
    assert told == reason


def test_a_process_that_was_started_anew_between_two_looks_is_a_break() -> None:
    assert watched(status(5), status(6), status(0.5), status(1.5))[0] == [0, 1, 0, 1]


def test_to_rest_is_well_too_and_so_is_any_model_if_none_is_asked_for() -> None:
    assert watched(status(1, state="standby"), status(2, model="o"), wanted="")[0] == [0, 1]


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        (None, ""),
        ({"active": "m", "candidate": None, "models": []}, ""),
        ({"active": "o", "candidate": {"id": "m"}, "models": []}, ""),
        (
            {
                "active": "o",
                "candidate": None,
                "models": [{"id": "m", "last_failure": "it hangs"}],
            },
            "it hangs",
        ),
        ({"active": "o", "candidate": None, "models": []}, "the device has taken another model"),
    ],
)
def test_what_the_store_has_given_up_is_told(store: object, expected: str) -> None:
    assert observe.failure_in(store, "m") == expected


def test_it_imports_nothing_that_a_bare_python_lacks() -> None:
    tree = ast.parse(Path(observe.__file__).read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    assert names <= sys.stdlib_module_names
