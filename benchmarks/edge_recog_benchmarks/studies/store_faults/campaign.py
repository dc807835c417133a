"""All faults, in as many lanes as there are, and what comes of them together."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog.errors import EdgeRecogError
from edge_recog.processes import module_command, same_packages
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.studies.faults.pictures import model
from edge_recog_benchmarks.studies.store_faults.drawing import KINDS
from edge_recog_benchmarks.studies.store_faults.shim import build_native

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge_recog_benchmarks.studies.store_faults.drawing import Fault

SCHEMA_VERSION: Final = 1
_LANE: Final = "edge_recog_benchmarks.studies.store_faults.lane"


class LaneError(EdgeRecogError, RuntimeError):
    """A lane ended before its faults did."""


class Campaign:
    """Deals faults to lanes: lane n of m does every mth, beginning with n, in their order."""

    def __init__(self, faults: Sequence[Fault], lanes: int) -> None:
        """Prepare.

        Args:
            faults: As drawn.
            lanes: Processes with a store each.
        """
        self.faults = faults
        self.verdicts: list[dict[str, Any]] = []
        self.problems: list[str] = []
        """Why a lane ended early."""
        self._lanes = min(lanes, len(faults))
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        self._is_over = False

    def run(self, folder: Path, *, tell: Callable[[dict[str, Any]], object]) -> None:
        """Do all faults; what was seen stays where this is interrupted.

        Args:
            folder: Takes the lanes' files.
            tell: Called with each verdict, from any thread.

        Raises:
            EdgeRecogError: What does the faults cannot be built.
        """
        native = build_native(folder)
        made = model()
        threads = []
        for number in range(self._lanes):
            lane = folder / f"lane-{number}"
            lane.mkdir()
            (lane / "picture.tflite").write_bytes(made)
            faults = self.faults[number :: self._lanes]
            arguments = (lane, number, native, faults, tell)
            threads.append(threading.Thread(target=self._work, args=arguments))
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            with self._lock:
                self._is_over = True
                for child in self._children:
                    child.kill()
            for thread in threads:
                thread.join()
            raise

    def document(self, seed: int) -> dict[str, Any]:
        """Return the result."""
        verdicts = sorted(self.verdicts, key=lambda verdict: verdict["number"])
        failed = [verdict for verdict in verdicts if verdict["failures"]]
        happened = [verdict for verdict in verdicts if verdict["has_happened"]]
        kills = {
            (verdict["operation"], verdict["step"], verdict["steps"])
            for verdict in happened
            if verdict["kind"] == "kill"
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "machine": machine_facts(),
            "seed": seed,
            "drawn": len(self.faults),
            "done": len(verdicts),
            "happened": len(happened),
            "good": len(verdicts) - len(failed),
            "complete": len(verdicts) == len(self.faults),
            "lanes": self._lanes,
            "problems": self.problems,
            "kinds": {
                kind: {
                    "done": sum(verdict["kind"] == kind for verdict in verdicts),
                    "happened": sum(verdict["kind"] == kind for verdict in happened),
                    "failed": sum(verdict["kind"] == kind for verdict in failed),
                }
                for kind in KINDS
                if any(verdict["kind"] == kind for verdict in verdicts)
            },
            "killed_at": _killed_at(kills),
            "power_cuts_in_thought": sum(verdict["cuts"] for verdict in verdicts),
            "refusals": sum(bool(verdict["told"]) for verdict in verdicts),
            "failed": failed,
        }

    def _work(
        self,
        folder: Path,
        number: int,
        native: Path,
        faults: Sequence[Fault],
        tell: Callable[[dict[str, Any]], object],
    ) -> None:
        command = module_command(_LANE, str(folder), str(number), str(self._lanes))
        environment = {**os.environ, **same_packages(), "LD_PRELOAD": str(native)}
        with (folder / "log.txt").open("wb") as log:
            child = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # A Ctrl-C is meant for the campaign.
            )
        with self._lock:
            self._children.append(child)
            if self._is_over:
                child.kill()
        assert child.stdin is not None
        assert child.stdout is not None
        with child, child.stdin as orders, child.stdout as answers:
            try:
                for fault in faults:
                    orders.write(msgspec.json.encode(asdict(fault)) + b"\n")
                    orders.flush()
                    line = answers.readline()
                    if not line:
                        raise LaneError(f"it ended while it did fault {fault.number}")
                    verdict = msgspec.json.decode(line)
                    with self._lock:
                        self.verdicts.append(verdict)
                    tell(verdict)
            except (LaneError, OSError) as error:
                if not self._is_over:
                    last = (folder / "log.txt").read_text(errors="replace").strip()[-2000:]
                    with self._lock:
                        self.problems.append(f"{folder.name}: {error}: {last}")


def _killed_at(kills: set[tuple[str, int, int]]) -> dict[str, dict[str, int]]:
    """Return by operation how many of its steps there are, and at how many a process was killed.

    An operation that has more to do in one state than in another counts by its longest.
    """
    steps: Counter[str] = Counter()
    hit: dict[str, set[int]] = {}
    for operation, step, count in kills:
        steps[operation] = max(steps[operation], count)
        hit.setdefault(operation, set()).add(step)
    return {
        operation: {"steps": steps[operation], "killed_at": len(hit[operation])}
        for operation in sorted(steps)
    }
