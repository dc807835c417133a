"""How long a model takes here, measured shortly: enough to compare, not to publish."""

from __future__ import annotations

import os
import statistics
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_recog.classifier import Classifier
from edge_recog.errors import EdgeRecogError
from edge_recog.frames import Frame
from edge_recog.processes import module_command, same_packages

if TYPE_CHECKING:
    from pathlib import Path

    from edge_recog.bundle import Bundle
    from edge_recog.doctor.probes import Machine

_SECONDS = 0.25
"""For each measurement, the warm-up apart."""
_LEAST_RUNS = 5
_WARM_UP_RUNS = 2
_MOST_THREADS = 8
_FIRST_TIMEOUT_S = 120.0


def median_ms(bundle: Bundle, *, threads: int) -> float:
    """Return the median time of one inference, without preprocessing, in milliseconds.

    Raises:
        EdgeRecogError: The model cannot be run.
    """
    preprocessing = bundle.contract.preprocessing
    frame = Frame.from_rgb(np.zeros((preprocessing.height, preprocessing.width, 3), np.uint8))
    times_ns: list[int] = []
    with Classifier.open(bundle, threads=threads) as classifier:
        for _ in range(_WARM_UP_RUNS):
            classifier.classify(frame)
        end = time.perf_counter() + _SECONDS
        while len(times_ns) < _LEAST_RUNS or time.perf_counter() < end:
            times_ns.append(classifier.classify(frame).timings.invoke_ns)
    return statistics.median(times_ns) / 1e6


def time_threads(bundle: Bundle, *, cores: int, wanted: int) -> dict[int, float]:
    """Return the median time in milliseconds by number of threads: 1, 2, 4, all cores, `wanted`.

    Raises:
        EdgeRecogError: The model cannot be run.
    """
    most = min(cores, _MOST_THREADS)
    counts = {1, 2, 4, most} & set(range(1, most + 1)) | {wanted}
    return {count: median_ms(bundle, threads=count) for count in sorted(counts)}


class FirstAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the first answer took, in seconds."""

    problem: str = ""
    """Why there was none; empty if there was."""
    start_s: float = 0.0
    """From the start of the process until our code ran."""
    open_s: float = 0.0
    """For opening and loading the model."""
    first_s: float = 0.0
    """For the first inference."""

    @property
    def total_s(self) -> float:
        """Return all of it."""
        return self.start_s + self.open_s + self.first_s


def read_first_answer(machine: Machine, model: Path, *, delegate: str | None = None) -> FirstAnswer:
    """Return how long a new process takes until its first answer."""
    # The monotonic clock of Linux is the same in all processes.
    task = _Task(str(model), delegate, time.monotonic_ns())
    given = msgspec.json.encode(task).decode()
    said = machine.run(
        module_command(__spec__.name),
        given=given,
        environment=same_packages(),
        timeout_s=_FIRST_TIMEOUT_S,
    )
    if said is None or said.code is None:
        return FirstAnswer(f"no answer within {_FIRST_TIMEOUT_S:.0f} s")
    try:
        return msgspec.json.decode(said.out, type=FirstAnswer)
    except msgspec.DecodeError:
        last = (said.err.strip().splitlines() or ["it said nothing"])[-1]
        return FirstAnswer(f"the process ended with status {said.code}: {last}")


class _Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child gets."""

    model: str
    delegate: str | None
    begun_ns: int
    """`time.monotonic_ns()` before it was started."""


def _answer(task: _Task) -> FirstAnswer:
    ran_ns = time.monotonic_ns()
    try:
        with Classifier.open(task.model, delegate=task.delegate) as classifier:
            opened_ns = time.monotonic_ns()
            classifier.classify(Frame.from_rgb(np.zeros((64, 64, 3), np.uint8)))
            ended_ns = time.monotonic_ns()
    except EdgeRecogError as error:
        return FirstAnswer(str(error))
    steps = (ran_ns - task.begun_ns, opened_ns - ran_ns, ended_ns - opened_ns)
    return FirstAnswer("", *(step / 1e9 for step in steps))


def main() -> None:
    """Be the child."""
    answer = os.dup(1)
    os.dup2(2, 1)
    task = msgspec.json.decode(sys.stdin.read(), type=_Task)
    os.write(answer, msgspec.json.encode(_answer(task)))


if __name__ == "__main__":
    main()
