"""All faults, in as many lanes as there are, and what comes of them together."""

from __future__ import annotations

import os
import threading
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.studies.faults.kinds import DETECT_S, KINDS, RECOVER_S
from edge_recog_benchmarks.studies.faults.lane import Lane, LaneError
from edge_recog_benchmarks.studies.faults.pictures import model
from edge_recog_benchmarks.studies.faults.processes import build_native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edge_recog_benchmarks.studies.faults.drawing import Fault
    from edge_recog_benchmarks.studies.faults.judging import Verdict
    from edge_recog_benchmarks.studies.faults.kinds import SourceKind

SCHEMA_VERSION: Final = 1
_MOST_STARTS: Final = 3
"""In vain, one after the other, before a lane is given up."""
ALLOWED: Final = {"threads": 1, "sockets": 1, "descriptors": 4, "children": 1}
"""How much more a process may hold at the end than at the beginning. After a read that hung, the
camera is read in a process of its own for good: one child with its pipes, instead of a socket; and
the broker's connection has one socket more while it comes about."""


class Campaign:
    """Runs faults side by side."""

    def __init__(self, faults: Sequence[Fault], lanes: Mapping[SourceKind, int]) -> None:
        """Prepare.

        Args:
            faults: As drawn.
            lanes: How many there are of each source; at least one of each that a fault is for.
        """
        self.faults = faults
        self.verdicts: list[Verdict] = []
        self.lanes: list[Lane] = []
        """Those that ran, also ones that were replaced."""
        self.crashes = 0
        """Processes that ended without being told."""
        self.problems: list[str] = []
        """Why a lane had to be replaced or given up."""
        self._counts = lanes
        self._loads: dict[int, float] = {}
        """Of the machine in the last minute, by fault: a busy one answers late."""
        self._left = {kind: [f for f in faults if f.source == kind] for kind in lanes}
        self._stop = threading.Event()
        self._at_work = 0
        self._done = threading.Event()
        """Set when no lane is at work any more."""
        self._lock = threading.Lock()
        self._errors: list[EdgeRecogError] = []

    def run(self, folder: Path, *, tell: Callable[[Verdict], object]) -> None:
        """Do all faults; what was measured stays where this is interrupted.

        Args:
            folder: Takes the lanes' files.
            tell: Called with each verdict, from any thread.

        Raises:
            EdgeRecogError: No lane can be started.
        """
        model_path = folder / "picture.tflite"
        model_path.write_bytes(model())
        native = build_native(folder)
        threads = [
            threading.Thread(
                target=self._work,
                args=(kind, f"{kind}-{number}", folder, model_path, native, tell),
                name=f"lane-{kind}-{number}",
            )
            for kind, count in self._counts.items()
            for number in range(min(count, len(self._left[kind])))
        ]
        self._at_work = len(threads)
        for thread in threads:
            thread.start()
        try:
            # No join: one that is interrupted takes its thread for ended (bpo-45274).
            self._done.wait()
        finally:
            self._stop.set()
            self._done.wait()
            for thread in threads:
                thread.join()
        if self._errors and not self.verdicts:
            raise self._errors[0]

    def _work(
        self,
        kind: SourceKind,
        name: str,
        folder: Path,
        model_path: Path,
        native: Path,
        tell: Callable[[Verdict], object],
    ) -> None:
        generation = missed = 0
        try:
            while self._left[kind] and not self._stop.is_set():
                own = folder / f"{name}-{generation}"
                generation += 1
                own.mkdir()
                lane = Lane(name, kind, own, model=model_path, native=native)
                with self._lock:
                    self.lanes.append(lane)
                try:
                    self._use(lane, tell)
                except LaneError as error:
                    self.problems.append(str(error))
                    missed = 0 if lane.before is not None else missed + 1
                    if missed == _MOST_STARTS or not self.verdicts:
                        raise
                finally:
                    if lane.exit_code is not None:
                        self.crashes += 1
                    lane.close()
        except EdgeRecogError as error:
            # The other lanes go on with what is left, if there was anything to measure at all.
            self._errors.append(error)
            if not self.verdicts:
                self._stop.set()
        finally:
            with self._lock:
                self._at_work -= 1
                if self._at_work == 0:
                    self._done.set()

    def _use(self, lane: Lane, tell: Callable[[Verdict], object]) -> None:
        while not self._stop.is_set() and lane.exit_code is None:
            with self._lock:
                fault = self._left[lane.source].pop(0) if self._left[lane.source] else None
            if fault is None:
                lane.rest(self._stop)
                return
            try:
                verdict = lane.do(fault, self._stop)
            except LaneError:
                with self._lock:
                    self._left[lane.source].insert(0, fault)
                raise
            if verdict is None:
                return
            with self._lock:
                self.verdicts.append(verdict)
                self._loads[fault.number] = os.getloadavg()[0]
            tell(verdict)

    def document(self, seed: int) -> dict[str, Any]:
        """Return what was measured, as plain values."""
        verdicts = sorted(self.verdicts, key=lambda one: one.number)
        by_number = {fault.number: fault for fault in self.faults}
        return {
            "schema_version": SCHEMA_VERSION,
            "benchmark": "faults",
            "seed": seed,
            "drawn": len(self.faults),
            "done": len(verdicts),
            "complete": len(verdicts) == len(self.faults),
            "limits": {"detect_s": DETECT_S, "recover_s": RECOVER_S},
            "good": sum(one.is_good for one in verdicts),
            "answers_of_bad_pictures": sum(sum(one.bad_answers.values()) for one in verdicts),
            "crashes": self.crashes,
            "problems": self.problems,
            "detected_s": spread(one.detected_s for one in verdicts if one.detected_s is not None),
            "recovered_s": spread(
                one.recovered_s for one in verdicts if one.recovered_s is not None
            ),
            "kinds": {
                name: kind_document(name, [one for one in verdicts if one.kind == name])
                for name in KINDS
                if any(one.kind == name for one in verdicts)
            },
            "load_1min": spread(self._loads.values()),
            "level": not any(leaks(lane.document()) for lane in self.lanes),
            "lanes": [{**lane.document(), "more": leaks(lane.document())} for lane in self.lanes],
            "failed": [
                {
                    "fault": asdict(by_number[one.number]),
                    **one.document(),
                    "load_1min": self._loads[one.number],
                }
                for one in verdicts
                if not one.is_good
            ],
            "machine": machine_facts(),
        }


def kind_document(name: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the figures of one kind of fault, as plain values."""
    kind = KINDS[name]
    sources = Counter(one.source for one in verdicts)
    document: dict[str, Any] = {
        "does": kind.does,
        "expect": kind.expect,
        "why": kind.why,
        "count": len(verdicts),
        "sources": dict(sources),
        "good": sum(one.is_good for one in verdicts),
        "answers_of_bad_pictures": sum(sum(one.bad_answers.values()) for one in verdicts),
        "recovered_s": spread(one.recovered_s for one in verdicts if one.recovered_s is not None),
    }
    if kind.expect == "told":
        told = [one.detected_s for one in verdicts if one.detected_s is not None]
        document["detected_s"] = spread(told)
        document["reasons"] = dict(Counter(shortened(one.reason) for one in verdicts if one.reason))
    else:
        document["longest_pause_s"] = max((one.pause_s for one in verdicts), default=None)
    if name == "broker":
        back = [one.broker_recovered_s for one in verdicts if one.broker_recovered_s is not None]
        document["broker_told_again_s"] = spread(back)
    return document


def leaks(lane: Mapping[str, Any]) -> dict[str, int]:
    """Return what a lane's process held more of at the end than is allowed; kind → how many more.

    Args:
        lane: As `Lane.document` returns it; nothing is said of one that did not come to its end.
    """
    before, after = lane["before"], lane["after"]
    if before is None or after is None:
        return {}
    return {
        kind: after[kind] - before[kind]
        for kind, allowed in ALLOWED.items()
        if after[kind] - before[kind] > allowed
    }


def spread(values: Any) -> dict[str, float] | None:
    """Return p50, p95 and the largest; None of nothing."""
    found = list(values)
    if not found:
        return None
    p50, p95 = np.percentile(found, (50, 95))
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "max": max(found)}


def shortened(reason: str | None) -> str:
    """Return a reason without its figures and addresses, so that like ones can be counted."""
    words = (reason or "").split()
    return " ".join(
        "…" if any(sign.isdigit() for sign in word) or "://" in word else word for word in words
    )
