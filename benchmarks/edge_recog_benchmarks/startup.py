"""Whole process, start to first answer: `python -m edge_recog_benchmarks.startup MODEL`.

Each run is a fresh `python -c "from edge_recog import Classifier …"` that opens the model and
classifies one frame. Byte code is compiled beforehand, as pip does when it installs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edge_recog.bundle import Bundle
from edge_recog.files import write_file
from edge_recog_benchmarks.machine import machine_facts

PROGRAM = """
import sys
from edge_recog import Classifier, open_source
with Classifier.open(sys.argv[1], threads=1) as classifier, open_source(sys.argv[2]) as source:
    for frame in source:
        print(classifier.classify(frame).best.label)
"""


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model file")
    parser.add_argument("--source", default="synthetic:640x480?count=1")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    arguments = parser.parse_args()
    document = measure(arguments.model, arguments.source, runs=arguments.runs)
    sys.stdout.write(
        f"{document['model']['name']}: {document['seconds']['median']:.3f} s median "
        f"({document['seconds']['min']:.3f}-{document['seconds']['max']:.3f}), peak RSS "
        f"{document['peak_rss_mb']['max']:.1f} MB\n"
    )
    if arguments.out:
        write_file(arguments.out, json.dumps(document, indent=2).encode() + b"\n", force=True)


def measure(model: str, source: str, *, runs: int) -> dict[str, Any]:
    """Return seconds and peak memory of `runs` fresh processes, after one that is not counted."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", PROGRAM, model, source]
        results = [_run(command, environment) for _ in range(runs + 1)][1:]
    seconds = [result[0] for result in results]
    rss = [result[1] for result in results]
    bundle = Bundle.open(model)
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
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"the measured program failed with {process.returncode}")
    return seconds, round(usage.ru_maxrss * 1024 / 1e6, 1)


if __name__ == "__main__":
    main()
