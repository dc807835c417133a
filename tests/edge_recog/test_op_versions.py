from __future__ import annotations

import itertools

import pytest

from edge_recog.op_versions import RELEASES, oldest_runtime


def numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ({}, "1.5"),
        ({"CONV_2D": 1, "SOFTMAX": 1}, "1.5"),
        ({"CONV_2D": 3, "SOFTMAX": 2}, "1.14"),
        ({"CONV_2D": 5}, "2.4"),
        # 2.13 is later than 2.4, and 1.15 later than 1.6.
        ({"ADD": 5, "CONV_2D": 5}, "2.13"),
        ({"MEAN": 1, "QUANTIZE": 2}, "1.15"),
        ({"FULLY_CONNECTED": 12}, "2.17"),
        ({"CONV_2D": 99}, ""),
        ({"CONV_2D": 1, "edgetpu-custom-op": 1}, ""),
    ],
    ids=[
        "no operators",
        "first versions",
        "versions",
        "conv 5",
        "two digits",
        "two digits of 1.x",
        "dynamic range",
        "version not known",
        "operator not known",
    ],
)
def test_the_oldest_runtime_is_the_latest_that_any_operator_needs(
    operators: dict[str, int], expected: str
) -> None:
    assert oldest_runtime(operators) == expected


@pytest.mark.parametrize("name", RELEASES)
def test_later_versions_came_in_later_releases(name: str) -> None:
    for earlier, later in itertools.pairwise(RELEASES[name]):
        assert numbers(earlier) <= numbers(later)
