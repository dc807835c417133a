from __future__ import annotations

import pytest

from edge_recog.errors import BundleError, NotATfliteModelError, located


def test_an_error_gets_its_place_in_front() -> None:
    error = located(NotATfliteModelError("it is truncated"), "a.tflite")

    assert type(error) is NotATfliteModelError
    assert str(error) == "a.tflite: it is truncated"


@pytest.mark.parametrize("text", ["a.tflite: a folder", "try edge-recog adopt a.tflite"])
def test_a_place_that_is_named_is_not_named_twice(text: str) -> None:
    error = BundleError(text)

    assert located(error, "a.tflite") is error
