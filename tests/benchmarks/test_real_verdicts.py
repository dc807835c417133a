"""The study of verdicts on a real machine: a run is cut into runs of ten generations."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from edge_recog_benchmarks.device.runners.slowed import SlowedRunner
from edge_recog_benchmarks.studies.real_verdicts import GENERATIONS, plan_of, verdicts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_benchmarks.results import Result


def test_every_ten_generations_give_a_verdict(make_result: Callable[..., Result]) -> None:
    noise = random.Random(1)

    def run(factor: float) -> list[list[list[float]]]:
        return [
            [[factor * noise.gauss(10, 0.05) for _ in range(5)] for _ in range(4)]
            for _ in range(3 * GENERATIONS)
        ]

    result = make_result({"model": run(1.0), "again": run(1.0), "slowed": run(1.05)})
    assert verdicts_of(result, "again") == {"no difference": 3}
    assert verdicts_of(result, "slowed") == {"slower": 3}


def test_the_plan_holds_all_runs() -> None:
    plan = plan_of("model.tflite", runs=4, burst_s=0.01)
    assert plan.generations == 4 * GENERATIONS
    assert [one.runner for one in plan.contestants] == ["bare", "bare", "slowed"]


def test_a_slowed_model_keeps_the_core_for_its_share(uint8_model: Path) -> None:
    runner = SlowedRunner(str(uint8_model), [], threads=1, options={"share": "1.0"})
    try:
        (taken,) = runner.step(0)
        # Twice the model's own time: more than the quickest of several runs without the share.
        runner._share = 0.0
        assert taken > min(runner.step(0)[0] for _ in range(20))
    finally:
        runner.close()
