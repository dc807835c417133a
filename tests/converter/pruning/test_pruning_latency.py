"""How files are timed; only the last test looks at a real clock, and at no duration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.pruning.latency import (
    WARM_UP_ROUNDS,
    int8_for_timing,
    run_alternately,
    side_by_side,
    timings_of,
)

from edge_recog.interpreters.fake import FakeInterpreter
from edge_recog.interpreters.opening import open_interpreter
from edge_recog.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Machine:
    """A clock, and interpreters that take as many milliseconds as they are told."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.ran: list[str] = []

    def clock(self) -> int:
        return self.now_ns

    def interpreter(self, name: str, milliseconds: Iterator[float]) -> FakeInterpreter:
        image, scores = (TensorSpec(what, (1,), "uint8", None) for what in ("image", "scores"))

        def run(pixels: object) -> Sequence[np.ndarray]:
            self.now_ns += round(next(milliseconds) * 1e6)
            self.ran.append(name)
            return [np.zeros(1, np.uint8)]

        return FakeInterpreter([image], [scores], run)


def forever(*milliseconds: float) -> Iterator[float]:
    while True:
        yield from milliseconds


def test_each_round_runs_every_file_backwards_every_other_time() -> None:
    machine = Machine()
    files = [machine.interpreter(name, forever(1.0)) for name in "ab"]
    figures = run_alternately(files, rounds=2, seconds=0, clock=machine.clock)
    assert figures.tolist() == [[1.0, 1.0]] * 2
    assert WARM_UP_ROUNDS == 2
    assert "".join(machine.ran) == "abbaabba"


def test_a_file_runs_for_its_seconds_and_its_slow_runs_are_outvoted() -> None:
    machine = Machine()
    file = machine.interpreter("a", forever(2.0, 2.0, 2.0, 50.0, 2.0))
    figures = run_alternately([file], rounds=1, seconds=0.2, clock=machine.clock)
    assert figures.tolist() == [[2.0]]
    assert machine.now_ns >= (WARM_UP_ROUNDS + 1) * 0.2e9


def test_warming_up_does_not_count() -> None:
    machine = Machine()
    cold = [90.0] * WARM_UP_ROUNDS

    def runs() -> Iterator[float]:
        yield from cold
        yield from forever(4.0)

    figures = run_alternately(
        [machine.interpreter("a", runs())], rounds=3, seconds=0, clock=machine.clock
    )
    assert figures.tolist() == [[4.0]] * 3


def test_files_are_compared_within_rounds() -> None:
    # The machine is twice as slow from the third round on, and the last round was disturbed.
    first, second = timings_of(np.array([[4, 2], [4, 2], [8, 4], [8, 4], [8, 40]], np.float64))
    assert (first.ms, first.speed_up) == (8, 1)
    assert (second.ms, second.speed_up) == (4, 2)


@pytest.mark.parametrize(("files", "sittings", "rounds"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_is_not_timed(files: int, sittings: int, rounds: int) -> None:
    with pytest.raises(ValueError, match="tell no time"):
        side_by_side([b""] * files, sittings=sittings, rounds=rounds)


def test_a_network_becomes_a_file_of_integers_that_can_be_timed() -> None:
    model = build_architecture("resnet-8", input_shape=(16, 16, 3), classes=4, width=0.5, seed=0)
    file = int8_for_timing(model)
    assert file == int8_for_timing(model)
    interpreter = open_interpreter(file)
    assert [spec.dtype for spec in (*interpreter.inputs, *interpreter.outputs)] == ["uint8"] * 2
    interpreter.close()
    first, second = side_by_side([file, file], sittings=2, rounds=2, seconds=0)
    assert first.speed_up == 1
    assert first.ms > 0
    assert second.ms > 0
    assert second.speed_up > 0
