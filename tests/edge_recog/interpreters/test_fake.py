"""The fake is as strict as the real thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_recog.errors import ClosedError, InterpreterError
from edge_recog.interpreters import FakeInterpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog.interpreters import Interpreter
    from edge_recog.tensors import TensorSpec

SCORES = np.array([[0.25, 0.75]], np.float32)


def test_it_answers_what_it_was_told_to(image_spec: TensorSpec, scores_spec: TensorSpec) -> None:
    fake = FakeInterpreter([image_spec], [scores_spec], [SCORES])
    interpreter: Interpreter = fake
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.read_output(), SCORES)
    assert (interpreter.runtime, fake.invocations) == ("fake", 1)


def test_it_computes_from_what_was_written(image_spec: TensorSpec, scores_spec: TensorSpec) -> None:
    fake = FakeInterpreter(
        [image_spec], [scores_spec], lambda image: [image.max(axis=(1, 2))[:, :2] / np.float32(2)]
    )
    fake.input_view()[...] = 8
    fake.invoke()
    np.testing.assert_array_equal(fake.read_output(), [[4, 4]])


def test_its_outputs_are_copies(image_spec: TensorSpec, scores_spec: TensorSpec) -> None:
    fake = FakeInterpreter([image_spec], [scores_spec], [SCORES])
    fake.invoke()
    fake.read_output()[...] = 9
    np.testing.assert_array_equal(fake.read_output(), SCORES)


def test_a_held_view_makes_invoke_fail_until_it_is_dropped(
    image_spec: TensorSpec, scores_spec: TensorSpec
) -> None:
    fake = FakeInterpreter([image_spec], [scores_spec], [SCORES])
    view = fake.input_view()[..., 0]
    with pytest.raises(InterpreterError, match="still held: drop it first"):
        fake.invoke()
    del view
    fake.invoke()


@pytest.mark.parametrize(
    "answer", [[], [SCORES[0]], [SCORES.astype(np.float64)]], ids=["none", "shape", "dtype"]
)
def test_an_answer_unlike_the_outputs_is_refused(
    image_spec: TensorSpec, scores_spec: TensorSpec, answer: list[NDArray[Any]]
) -> None:
    with pytest.raises(ValueError, match="but the outputs are"):
        FakeInterpreter([image_spec], [scores_spec], answer).invoke()


def test_closed_it_says_so(image_spec: TensorSpec, scores_spec: TensorSpec) -> None:
    fake = FakeInterpreter([image_spec], [scores_spec], [SCORES])
    fake.close()
    fake.close()
    assert fake.closed
    for use in (fake.input_view, fake.invoke, fake.read_output):
        with pytest.raises(ClosedError):
            use()
