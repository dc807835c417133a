"""How long a network's INT8 file takes: made quickly, and timed alternately with another one.

A shared machine is now faster, now slower, by more than what one wants to tell apart. So files are
never timed one after the other: in each round every file runs for a moment, forwards in one round
and backwards in the next; a file's figure of a round is the median of its runs; and two files are
compared by the median, over rounds, of their figures' ratio within a round. What is slow for longer
than a round slows both; what is slow for some runs, or some rounds, is outvoted. Where a file lies
in memory matters too, by a percent or two, and stays while it is open: so there are several
sittings, each of which opens all files anew.

Time is that of the thread, which runs the kernels itself: what other processes take in between does
not count. By the wall clock a file of 2 ms is interrupted in most of its runs and one of 0.2 ms in
few, so that a busy machine shows smaller networks as faster than they are.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NewType

import numpy as np

from edge_recog.interpreters.opening import open_interpreter
from edge_recog_converter.ptq.variants import Variant, convert_variant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge_recog.interpreters.protocol import Interpreter

Int8File = NewType("Int8File", bytes)
"""A TFLite file in 8-bit integers with uint8 input and output."""

SITTINGS: Final = 3
ROUNDS: Final = 25
SECONDS: Final = 0.01
WARM_UP_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one of several files takes."""

    ms: float
    """Median over the rounds."""
    speed_up: float
    """Latency of the first file over that of this one; 1 for the first itself."""


def int8_for_timing(model: Any) -> Int8File:
    """Return `model` as an INT8 file that takes as long as a well calibrated one.

    Kernels take as long for all values, so the ranges are those of a few made-up inputs: all -1,
    all 1, and two of noise between.

    Args:
        model: A `keras.Model` of one image input and one output; left as it is.

    Raises:
        ConversionError: It has an operation without an integer form, or more inputs or outputs.
    """
    shape = (1, *model.inputs[0].shape[1:])
    rng = np.random.default_rng(0)
    inputs = [np.full(shape, value, np.float32) for value in (-1.0, 1.0)]
    inputs += [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(2)]
    return Int8File(convert_variant(model, Variant.INT8_UINT8_EDGES, inputs))


def side_by_side(
    files: Sequence[bytes],
    *,
    sittings: int = SITTINGS,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> tuple[Timing, ...]:
    """Return how long each file takes, on one thread, by the runtime's default kernels.

    Args:
        files: TFLite files; the first is what the others are compared with.
        sittings: How often all of them are opened anew, at least 1.
        rounds: Of each sitting, at least 1.
        seconds: That each file runs in each round, roughly.

    Raises:
        InterpreterError: The runtime rejects a file.
        ValueError: There is no file, no sitting or no round.
    """
    if not files or sittings < 1 or rounds < 1:
        raise ValueError(
            f"{len(files)} files in {sittings} sittings of {rounds} rounds tell no time: give at "
            "least 1 of each"
        )
    figures: list[NDArray[np.float64]] = []
    for _ in range(sittings):
        with contextlib.ExitStack() as stack:
            interpreters = [
                stack.enter_context(contextlib.closing(open_interpreter(file))) for file in files
            ]
            for interpreter in interpreters:
                _fill(interpreter)
            figures.append(run_alternately(interpreters, rounds=rounds, seconds=seconds))
    return timings_of(np.concatenate(figures))


def _fill(interpreter: Interpreter) -> None:
    rng = np.random.default_rng(0)
    for index, spec in enumerate(interpreter.inputs):
        values = rng.integers(0, 100, spec.shape)
        interpreter.input_view(index)[...] = values.astype(spec.dtype)


def run_alternately(
    interpreters: Sequence[Interpreter],
    *,
    rounds: int,
    seconds: float,
    clock: Callable[[], int] = time.thread_time_ns,
) -> NDArray[np.float64]:
    """Return (rounds, interpreters): milliseconds, each the median of a round's runs.

    Args:
        interpreters: Run on what their inputs hold.
        rounds: That count; `WARM_UP_ROUNDS` come before them.
        seconds: That each interpreter runs in each round; it runs once in any case.
        clock: Nanoseconds, never falling; of this thread, as a rule.
    """
    figures = np.zeros((WARM_UP_ROUNDS + rounds, len(interpreters)))
    for number, row in enumerate(figures):
        order = range(len(interpreters))
        for at in order if number % 2 == 0 else reversed(order):
            row[at] = _median_ms(interpreters[at], seconds, clock)
    return figures[WARM_UP_ROUNDS:]


def timings_of(figures: NDArray[np.float64]) -> tuple[Timing, ...]:
    """Return what (rounds, files) milliseconds say of each file."""
    milliseconds = np.median(figures, axis=0)
    speed_ups = np.median(figures[:, :1] / figures, axis=0)
    return tuple(
        Timing(ms=float(ms), speed_up=float(times))
        for ms, times in zip(milliseconds, speed_ups, strict=True)
    )


def _median_ms(interpreter: Interpreter, seconds: float, clock: Callable[[], int]) -> float:
    took: list[int] = []
    end = clock() + round(seconds * 1e9)
    while not took or clock() < end:
        start = clock()
        interpreter.invoke()
        took.append(clock() - start)
    return statistics.median(took) / 1e6
