"""One store that lives through faults, in a process into which the library is preloaded.

    LD_PRELOAD=libstorefaults.so python -m ….store_faults.lane FOLDER NUMBER OF

It reads faults from stdin and answers with verdicts on stdout, a line of JSON each.
"""

from __future__ import annotations

import importlib
import random
import sys
from dataclasses import asdict
from pathlib import Path

import msgspec

from edge_recog.interpreters import INTERPRETERS
from edge_recog_benchmarks.studies.store_faults.at_step import hit_step
from edge_recog_benchmarks.studies.store_faults.damage import damage
from edge_recog_benchmarks.studies.store_faults.death_on_trial import die_three_times
from edge_recog_benchmarks.studies.store_faults.drawing import Fault
from edge_recog_benchmarks.studies.store_faults.injections import Injections
from edge_recog_benchmarks.studies.store_faults.looking import expect_good_start
from edge_recog_benchmarks.studies.store_faults.shim import Shim
from edge_recog_benchmarks.studies.store_faults.stand import Stand
from edge_recog_benchmarks.studies.store_faults.two_at_once import do_two
from edge_recog_benchmarks.studies.store_faults.verdict import BrokenError, Verdict


class Lane:
    """Does one fault after the other."""

    def __init__(self, stand: Stand, injections: Injections) -> None:
        """Begin.

        Args:
            stand: The store to which they are done.
            injections: Draws what happens at steps.
        """
        self._stand = stand
        self._injections = injections

    def do(self, fault: Fault) -> Verdict:
        """Do a fault and say what became of it."""
        verdict = Verdict(fault.number, fault.kind, fault.operation)
        try:
            self._do(fault, random.Random(fault.variant), verdict)
            expect_good_start(self._stand, verdict)
        except BrokenError as broken:
            verdict.failures.append(str(broken))
        if verdict.failures:
            # What comes next is not to be judged by what is broken.
            self._stand.clear()
        return verdict

    def _do(self, fault: Fault, chance: random.Random, verdict: Verdict) -> None:
        match fault.kind:
            case "bit flip" | "truncation":
                damage(self._stand, fault, chance, verdict)
            case "two at once":
                do_two(self._stand, chance, verdict)
            case "death on trial":
                die_three_times(self._stand, chance, verdict)
            case _:
                hit_step(self._stand, fault, self._injections, chance, verdict)


def main() -> None:
    """Be the lane."""
    folder, number, lanes = sys.argv[1:]
    lane = Lane(Stand(Path(folder), Shim()), Injections(int(number), int(lanes)))
    for module in INTERPRETERS.values():
        # Loaded once for all children, and not used here: they are forked.
        try:
            importlib.import_module(module)
            break
        except ImportError:
            continue
    for line in sys.stdin.buffer:
        verdict = lane.do(msgspec.json.decode(line, type=Fault))
        sys.stdout.buffer.write(msgspec.json.encode(asdict(verdict)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
