"""What taking out half of the channels is worth in time: INT8 files side by side.

    python converter/studies/halves.py

MobileNetV2 and ResNet-18 at 224x224 as they are, with half of the channels of every group
(`uniform`), and with half of all channels ranked together (`global`), in multiples of 8. All files
of a network are in one process, each on one thread, and run alternately, forwards in one round and
backwards in the next; a figure is the median of a file's runs in a round, and files are compared by
ratios within a round. A sitting opens all files anew. Sittings whose ratios differ by more than
5 % do not count as steady, and more are held.

Weights are random: kernels take as long for all values, and `uniform` leaves the same shapes of
every network. Which shapes `global` leaves depends on the weights, so its figures are an example.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_converter.architectures import build_architecture
from edge_recog_converter.pruning.latency import int8_for_timing, run_alternately
from edge_recog_converter.pruning.shrinking import pruned

from edge_recog.errors import EdgeRecogError
from edge_recog.interpreters.opening import open_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_recog_converter.pruning.costs import Cost
    from numpy.typing import NDArray

_SCHEMA_VERSION: Final = 1
NETWORKS: Final = ("mobilenet-v2", "resnet-18")
_RANKINGS: Final = ("uniform", "global")
_SIDE: Final = 224
_CLASSES: Final = 1000
_KEEP: Final = 0.5
_MULTIPLE_OF: Final = 8
WANTED: Final = 1.6
"""Times as fast."""
STEADY: Final = 0.05
"""Most that the ratios of sittings may differ from their median, as a share of it."""
_SITTINGS: Final = 3
"""That must be steady, one after the other."""
_MOST_SITTINGS: Final = 12
_CLOCKS: Final[Mapping[str, Callable[[], int]]] = {
    "thread": time.thread_time_ns,
    "wall": time.perf_counter_ns,
}
"""`thread`: of the thread that computes, without what other processes take in between."""


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """Some rounds with files that were opened once."""

    milliseconds: Mapping[str, NDArray[np.float64]]
    """By clock: (rounds, files), each the median of a round's runs."""
    load: tuple[float, float]
    """Average of the last minute, before and after."""

    def ratios(self, clock: str) -> NDArray[np.float64]:
        """Return (files,): latency of the first over that of each, the median over rounds."""
        figures = self.milliseconds[clock]
        ratios: NDArray[np.float64] = np.median(figures[:, :1] / figures, axis=0)
        return ratios


def main() -> None:
    """Measure, print and keep if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=count, default=9, help="of a sitting")
    parser.add_argument("--seconds", type=float, default=0.15, help="of a file in a round")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        networks = {
            name: study(name, rounds=arguments.rounds, seconds=arguments.seconds)
            for name in NETWORKS
        }
        document = {
            "schema_version": _SCHEMA_VERSION,
            "benchmark": "halves",
            "input": [_SIDE, _SIDE, 3],
            "keep": _KEEP,
            "multiple_of": _MULTIPLE_OF,
            "threads": 1,
            "weights": "random",
            "rounds": arguments.rounds,
            "seconds": arguments.seconds,
            "networks": networks,
            "machine": machine_facts(),
        }
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def study(name: str, *, rounds: int, seconds: float, side: int = _SIDE) -> dict[str, Any]:
    """Return what is told of one network.

    Args:
        name: Of an architecture.
        rounds: Of a sitting.
        seconds: That a file runs in a round, roughly.
        side: Of the input.

    Raises:
        EdgeRecogError: Channels cannot be removed, or a file cannot be made or run.
    """
    model = build_architecture(name, input_shape=(side, side, 3), classes=_CLASSES, seed=0)
    files = {"whole": int8_for_timing(model)}
    costs: dict[str, Cost] = {}
    for ranking in _RANKINGS:
        smaller, summary = pruned(model, keep=_KEEP, ranking=ranking, multiple_of=_MULTIPLE_OF)
        files[ranking] = int8_for_timing(smaller)
        costs |= {"whole": summary.before, ranking: summary.after}
    sittings: list[Sitting] = []
    while len(sittings) < _MOST_SITTINGS:
        sittings.append(sitting(list(files.values()), rounds=rounds, seconds=seconds))
        said = "  ".join(
            f"{kind} {times:.2f}x"
            for kind, times in zip(files, sittings[-1].ratios("thread"), strict=True)
        )
        sys.stdout.write(f"{name}: sitting {len(sittings)}: {said}\n")
        sys.stdout.flush()
        if steady(sittings[-_SITTINGS:]):
            break
    kept = sittings[-_SITTINGS:]
    return {
        "steady": steady(kept),
        "sittings_held": len(sittings),
        "files": {
            kind: {
                "bytes": len(content),
                "macs": costs[kind].macs,
                "parameters": costs[kind].parameters,
                **figures_of(kept, at),
                **({} if at == 0 else {"line_met": _met(kept, at)}),
            }
            for at, (kind, content) in enumerate(files.items())
        },
        "sittings": [
            {
                "load_1min": one.load,
                "ratios": {
                    clock: [round(float(times), 3) for times in one.ratios(clock)]
                    for clock in _CLOCKS
                },
            }
            for one in sittings
        ],
    }


def sitting(files: Sequence[bytes], *, rounds: int, seconds: float) -> Sitting:
    """Open files and run them alternately, by one clock and then by the other."""
    before = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        interpreters = [
            stack.enter_context(contextlib.closing(open_interpreter(file, threads=1)))
            for file in files
        ]
        rng = np.random.default_rng(0)
        for interpreter in interpreters:
            view = interpreter.input_view()
            view[...] = rng.integers(0, 256, view.shape).astype(view.dtype)
            del view
        figures = {
            clock: run_alternately(interpreters, rounds=rounds, seconds=seconds, clock=read)
            for clock, read in _CLOCKS.items()
        }
    return Sitting(figures, (round(before, 2), round(os.getloadavg()[0], 2)))


def steady(sittings: Sequence[Sitting]) -> bool:
    """Return whether there are enough sittings and their ratios are about the same."""
    if len(sittings) < _SITTINGS:
        return False
    ratios = np.array([one.ratios("thread") for one in sittings])
    middle = np.median(ratios, axis=0)
    return bool((np.abs(ratios / middle - 1) <= STEADY).all())


def figures_of(sittings: Sequence[Sitting], at: int) -> dict[str, float]:
    """Return medians over all rounds of a file's milliseconds and times as fast, by clock."""
    told = {}
    for clock in _CLOCKS:
        figures = np.concatenate([one.milliseconds[clock] for one in sittings])
        told[f"{clock}_p50_ms"] = round(float(np.median(figures[:, at])), 3)
        told[f"{clock}_times_as_fast"] = round(float(np.median(figures[:, 0] / figures[:, at])), 3)
    return told


def _met(sittings: Sequence[Sitting], at: int) -> bool:
    return figures_of(sittings, at)["thread_times_as_fast"] >= WANTED


if __name__ == "__main__":
    main()
