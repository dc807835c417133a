"""LoadGen in processes of its own, and what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.loadgen_driver import OWN_CLOCK
from edge_recog_benchmarks.statistics import early_stopping, least_samples, percentile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from edge_recog_benchmarks.planning import Prepared

TARGET = 0.9
"""The percentile that MLPerf reports for single-stream."""
_DRIVER = "edge_recog_benchmarks.loadgen_driver"


class LoadGenError(EdgeRecogError, RuntimeError):
    """LoadGen did not do its work, or wrote something else than expected."""


@dataclass(frozen=True)
class Latencies:
    """The 90th percentile of one block, in milliseconds."""

    queries: int
    early_stopping: float
    plain: float


def latencies_of(samples_ns: ArrayLike) -> Latencies:
    """Return our figures of a block's end-to-end samples.

    Raises:
        LoadGenError: There are fewer than an early-stopping estimate needs.
    """
    samples = np.asarray(samples_ns)
    estimate = early_stopping(samples, TARGET)
    if estimate is None:
        raise LoadGenError(
            f"{samples.size} samples are too few for an early-stopping estimate, which needs "
            f"{least_samples(TARGET)}: add --seconds"
        )
    return Latencies(samples.size, estimate / 1e6, percentile(samples, 100 * TARGET) / 1e6)


class Referee:
    """LoadGen, in processes of its own."""

    def __init__(self, packages: Path) -> None:
        """Remember the folder that holds LoadGen's module."""
        path = os.pathsep.join([*filter(None, sys.path), str(packages)])
        package = str(Path(__file__).parents[1])
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, path])}

    def performance(self, prepared: Prepared) -> tuple[Latencies, Latencies]:
        """Return what LoadGen and our clock say of the same queries.

        Raises:
            LoadGenError: There is no valid figure.
        """
        with tempfile.TemporaryDirectory(prefix="edge-recog-loadgen.") as folder:
            self._run(prepared, folder, mode="performance")
            detail = Path(folder, "mlperf_log_detail.txt").read_text("utf-8")
            own_ns = json.loads(Path(folder, OWN_CLOCK).read_text("utf-8"))
        return read_detail(detail), latencies_of(own_ns)

    def accuracy(self, prepared: Prepared) -> dict[int, int]:
        """Return the best label of each picture, by the picture's number, as LoadGen logged it.

        Raises:
            LoadGenError: There is none.
        """
        with tempfile.TemporaryDirectory(prefix="edge-recog-loadgen.") as folder:
            self._run(prepared, folder, mode="accuracy")
            return read_answers(Path(folder, "mlperf_log_accuracy.json").read_text("utf-8"))

    def _run(self, prepared: Prepared, folder: str, *, mode: str) -> None:
        plan = prepared.plan
        contestant = plan.contestants[0]
        order = {
            "model": contestant.model,
            "threads": contestant.threads,
            "options": contestant.options,
            "frames": msgspec.to_builtins(plan.frames),
            "mode": mode,
            "seconds": plan.burst_s,
            "queries": least_samples(TARGET),
            "warm_up_s": plan.warm_up_s,
            "folder": folder,
        }
        done = subprocess.run(
            [sys.executable, "-P", "-m", _DRIVER],
            input=json.dumps(order) + "\n",
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            why = said[-1] if said else f"status {done.returncode}"
            raise LoadGenError(f"{contestant.model}: LoadGen's process failed: {why}")


def read_detail(log: str) -> Latencies:
    """Return the figures of LoadGen's `mlperf_log_detail.txt`.

    Raises:
        LoadGenError: A line cannot be read, a figure is missing, or LoadGen calls its own result
            invalid.
    """
    values: dict[str, Any] = {}
    for line in log.splitlines():
        mark, _, text = line.partition(" ")
        if mark != ":::MLLOG":
            continue
        try:
            entry = json.loads(text)
            values[entry["key"]] = entry["value"]
        except (ValueError, KeyError, TypeError) as error:
            raise LoadGenError(f"LoadGen's log has a line that cannot be read: {error}") from error
    if values.get("result_validity") != "VALID":
        why = values.get("result_invalid_reason") or values.get("early_stopping_result") or ""
        raise LoadGenError(f"LoadGen calls its result invalid: {' '.join(str(why).split())}")
    try:
        return Latencies(
            queries=int(values["result_query_count"]),
            early_stopping=int(values["early_stopping_latency_ss"]) / 1e6,
            plain=int(values["result_90.00_percentile_latency_ns"]) / 1e6,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LoadGenError(f"LoadGen's log lacks a figure: {error}") from error


def read_answers(log: str) -> dict[int, int]:
    """Return the best label of each picture in LoadGen's `mlperf_log_accuracy.json`.

    Raises:
        LoadGenError: It cannot be read.
    """
    try:
        return {
            int(entry["qsl_idx"]): int.from_bytes(bytes.fromhex(entry["data"]), sys.byteorder)
            for entry in json.loads(log)
        }
    except (ValueError, KeyError, TypeError) as error:
        raise LoadGenError(f"LoadGen's accuracy log cannot be read: {error}") from error
