"""Whole process, start to first answer: `python -m edge_recog_benchmarks.startup MODEL`.

Each run is a fresh `python -c "from edge_recog import Classifier …"` that opens the model and
classifies one frame. Byte code is compiled beforehand, as pip does when it installs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from edge_recog import Bundle, EdgeRecogError, UsageError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts

PROGRAM = """
import sys
from edge_recog import Classifier, open_source
with Classifier.open(sys.argv[1], threads=1) as classifier, open_source(sys.argv[2]) as source:
    frame = next(iter(source), None) or sys.exit("the source has no frames")
    print(classifier.classify(frame).predictions)
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM")))
"""
"""The process tells its own peak: what `wait4` gives begins with the peak of the parent."""


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model file")
    parser.add_argument("--source", default="synthetic:640x480?count=1")
    parser.add_argument("--runs", type=count, default=15)
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document = measure(arguments.model, arguments.source, runs=arguments.runs)
        sys.stdout.write(
            f"{document['model']['name']}: {document['seconds']['median']:.3f} s median "
            f"({document['seconds']['min']:.3f}-{document['seconds']['max']:.3f}), peak RSS "
            f"{document['peak_rss_mb']['max']:.1f} MB\n"
        )
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def measure(model: str, source: str, *, runs: int) -> dict[str, Any]:
    """Return seconds and peak memory of `runs` fresh processes, after one that is not counted.

    Raises:
        BundleError: The model cannot be used.
        UsageError: The program fails with this model or source.
    """
    bundle = Bundle.open(model)
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", PROGRAM, model, source]
        results = [_run(command, environment) for _ in range(runs + 1)][1:]
    seconds = [result[0] for result in results]
    rss = [result[1] for result in results]
    return {
        "schema_version": 1,
        "benchmark": "startup",
        "model": {"name": bundle.name, "id": bundle.id},
        "runs": runs,
        "seconds": {
            "median": round(statistics.median(seconds), 4),
            "min": round(min(seconds), 4),
            "max": round(max(seconds), 4),
        },
        "peak_rss_mb": {"median": statistics.median(rss), "max": max(rss)},
        "machine": machine_facts(),
    }


def _run(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return seconds and peak resident memory in MB (10^6 bytes) of one process."""
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UsageError(f"the measured program failed: {reason}")
    peak_kib = int(done.stdout.split("VmHWM:")[1].split()[0])
    return seconds, round(peak_kib * 1024 / 1e6, 1)


if __name__ == "__main__":
    main()
