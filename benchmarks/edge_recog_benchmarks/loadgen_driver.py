"""A process in which MLPerf's LoadGen asks our runner: `python -m …loadgen_driver`.

It takes one order, a JSON line on stdin, and LoadGen writes its logs into the folder that it names.
Latency is what LoadGen sees: from issuing a query to `QuerySamplesComplete`. In performance mode a
query is one `step` of the runner; `own_ns.json` in the same folder has what our clock, around each
`step` as in a measured process, says of the same queries. In accuracy mode a query is `label`, and
the answer's four bytes are the number of the best label (int32, native byte order).
"""

from __future__ import annotations

import array
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from edge_recog_benchmarks.device.frames import load_frames
from edge_recog_benchmarks.device.runners import find_runner
from edge_recog_benchmarks.device.stopwatch import single_stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog_benchmarks.device.runners import LabellingRunner

OWN_CLOCK = "own_ns.json"


def main() -> None:
    """Run one test."""
    run(json.loads(sys.stdin.readline()))
    sys.stdout.flush()
    os._exit(0)  # Nothing is torn down, as in a measured process.


def run(order: dict[str, Any]) -> None:
    """Run one test.

    Args:
        order: `model`, `threads`, `options`, `frames` (JSON form of a plan's), `mode` (performance
            or accuracy), `seconds` and `queries` (least of each, for performance), `warm_up_s` and
            `folder` (for LoadGen's logs).
    """
    import mlperf_loadgen as loadgen

    pictures = load_frames(order["frames"])
    runner = cast(
        "LabellingRunner",
        find_runner("classifier")(
            order["model"], pictures, threads=order["threads"], options=order["options"]
        ),
    )
    accuracy = order["mode"] == "accuracy"
    own_ns: list[int] = []
    clock = time.perf_counter_ns

    def answer(samples: Sequence[Any]) -> None:
        for sample in samples:
            if accuracy:
                best = array.array("i", runner.label(pictures[sample.index])[0][:1])
                where, items = best.buffer_info()
                size = items * best.itemsize
            else:
                start = clock()
                runner.step(sample.index)
                own_ns.append(clock() - start)
                where = size = 0
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, where, size)])

    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.SingleStream
    settings.mode = loadgen.TestMode.AccuracyOnly if accuracy else loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = round(order["seconds"] * 1000)
    settings.min_query_count = order["queries"]
    settings.single_stream_target_latency_percentile = 0.9
    # LoadGen draws its queries beforehand and calls a run invalid that could have had more; half
    # of what an answer takes leaves room for a machine that becomes faster.
    settings.single_stream_expected_latency_ns = _warm_up(runner, order["warm_up_s"]) // 2
    logs = loadgen.LogSettings()
    logs.log_output.outdir = order["folder"]
    logs.enable_trace = False
    # By default a thread writes logs once a second: of 10,000 queries meanwhile so long that the
    # 90th percentile of a model of 0.09 ms rose by a tenth on two cores.
    logs.log_mode = loadgen.LoggingMode.EndOfTestOnly
    count = len(pictures)
    system = loadgen.ConstructSUT(answer, lambda: None)
    library = loadgen.ConstructQSL(count, count, lambda indices: None, lambda indices: None)
    loadgen.StartTestWithLogSettings(system, library, settings, logs)
    Path(order["folder"], OWN_CLOCK).write_text(json.dumps(own_ns), encoding="utf-8")


def _warm_up(runner: LabellingRunner, seconds: float) -> int:
    """Do what a measured process does before its first sample; return the fastest answer, in ns."""
    runner.step(0)
    gc.collect()
    gc.freeze()
    taken = single_stream(runner, first=0, duration_ns=int(seconds * 1e9), least=1)
    gc.disable()
    return min(taken.totals)


if __name__ == "__main__":
    main()
