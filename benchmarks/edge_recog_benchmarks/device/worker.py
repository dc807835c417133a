"""One measured process: `python -m edge_recog_benchmarks.device.worker`.

It takes orders as JSON lines on stdin and answers each with one line on stdout. Some of these
processes run in environments of other programs, so that it needs the standard library and numpy
only. Whatever else is printed goes to stderr.

The first order says what to load (`runner`, `model`, `threads`, `options`, `frames`, `offline`) and
is answered by `started`. Then: `burst` (`scenario`, `duration_ns`, `least`, `period_ns`) →
`burst`; `label` (`pictures`, `all_scores`) → `answers`; `end` → `ended`. An order that fails is
answered by `failed`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from edge_recog_benchmarks.device.frames import load_frames
from edge_recog_benchmarks.device.runners import RUNNERS, find_runner
from edge_recog_benchmarks.device.stopwatch import offline, paced, single_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog_benchmarks.device.runners import LabellingRunner, Runner
    from edge_recog_benchmarks.device.stopwatch import Taken

BEST = 5


class Worker:
    """Carries out orders; the first one must have been given."""

    def __init__(self, job: dict[str, Any]) -> None:
        """Load the model and give a first answer."""
        name = job["runner"]
        if name not in RUNNERS:
            raise LookupError(f"no runner {name!r}: use {', '.join(RUNNERS)}")
        pictures = load_frames(job["frames"])
        kind = find_runner(name)
        # Offline, each thread has an interpreter of its own.
        parallel, threads = (job["threads"], 1) if job["offline"] else (1, job["threads"])
        before = time.monotonic_ns()
        self._runners: list[Runner] = [
            kind(job["model"], pictures, threads=threads, options=job["options"])
            for _ in range(parallel)
        ]
        self._load_ns = time.monotonic_ns() - before
        for runner in self._runners:
            runner.step(0)
        self._answered_ns = time.monotonic_ns()
        self._number = 0
        gc.collect()
        gc.freeze()

    def started(self) -> dict[str, Any]:
        """Say how the start went."""
        runner = self._runners[0]
        return {
            "event": "started",
            "runtime": runner.runtime,
            "stages": runner.stages,
            "load_ns": self._load_ns,
            "answered_ns": self._answered_ns,
        }

    def burst(self, order: dict[str, Any]) -> dict[str, Any]:
        """Take samples."""
        before = _switches()
        gc.disable()  # What would be collected is the harness's own.
        try:
            taken = self._take(order)
        finally:
            gc.enable()
        self._number += taken.pictures
        return {
            "event": "burst",
            "started_ns": taken.started_ns,
            "elapsed_ns": taken.elapsed_ns,
            "samples": taken.samples(),
            "pictures": taken.pictures,
            "dropped": taken.dropped,
            "switches": _switches() - before,
        }

    def _take(self, order: dict[str, Any]) -> Taken:
        limits = {key: order[key] for key in ("duration_ns", "least")}
        if order["scenario"] == "offline":
            return offline(self._runners, first=self._number, **limits)
        runner = self._runners[0]
        if order["scenario"] == "paced":
            return paced(runner, first=self._number, period_ns=order["period_ns"], **limits)
        return single_stream(runner, first=self._number, **limits)

    def label(self, order: dict[str, Any]) -> dict[str, Any]:
        """Answer pictures, once each."""
        runner = cast("LabellingRunner", self._runners[0])
        answers: list[dict[str, Any]] = []
        unreadable: dict[int, str] = {}
        for number, path in order["pictures"]:
            try:
                labels, scores = runner.label(Path(path).read_bytes())
            except OSError as error:  # What the runtime raises for a damaged picture, too.
                unreadable[number] = str(error)
                continue
            kept = len(labels) if order["all_scores"] else BEST
            answers.append({"picture": number, "top": labels[:kept], "scores": scores[:kept]})
        return {"event": "answers", "answers": answers, "unreadable": unreadable}

    def end(self, order: dict[str, Any]) -> dict[str, Any]:
        """Say how much memory it took, and release it."""
        del order
        peak, steady = _memory_bytes()
        for runner in self._runners:
            runner.close()
        return {"event": "ended", "peak_rss_bytes": peak, "steady_rss_bytes": steady}


def serve(orders: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yield the answer to each order; the last one is `failed`, or that of `end`."""
    try:
        worker = Worker(json.loads(next(orders)))
        yield worker.started()
        for line in orders:
            order = json.loads(line)
            carry_out = {"burst": worker.burst, "label": worker.label, "end": worker.end}
            yield carry_out[order["do"]](order)
    except StopIteration:
        return
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is this contestant's failure
        yield {"event": "failed", "reason": _in_one_line(error)}


def _in_one_line(error: Exception) -> str:
    """Return an error's text; its kind as well where the text was not written for people."""
    text = " ".join(str(error).split())
    ours = any(kind.__name__ == "EdgeRecogError" for kind in type(error).__mro__)
    return text if ours and text else f"{type(error).__name__}: {text}".rstrip(": ")


def _switches() -> int:
    """Return how often the kernel took the core away from this process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _memory_bytes() -> tuple[int, int]:
    """Return the peak and the present resident memory of this process.

    `getrusage` would begin with the peak of the process that forked this one.
    """
    fields = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text("utf-8").splitlines()
    )
    peak, steady = (int(fields[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))
    return peak, steady


def main() -> None:
    """Be the process."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for answer in serve(iter(sys.stdin.readline, "")):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    # Nothing is torn down: some peers hang or crash when they are.
    os._exit(0)


if __name__ == "__main__":
    main()
