"""How often verdicts are right on this machine.

`python -m edge_recog_benchmarks.studies.real_verdicts MODEL` measures a model, the same model
again, and the same model made 5 % slower on purpose, as `edge-recog bench` does but with shorter
bursts. It is one run of many generations; each ten of them are taken for a run of their own.
Beside it stands `edge_recog_benchmarks.studies.verdicts`, which simulates.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.comparison import compare
from edge_recog_benchmarks.connections import LocalDevice
from edge_recog_benchmarks.device.plan import Contestant, Plan
from edge_recog_benchmarks.measuring import measure
from edge_recog_benchmarks.planning import Wish, prepare
from edge_recog_benchmarks.statistics import wilson

if TYPE_CHECKING:
    from edge_recog_benchmarks.results import ContestantResult, Result

GENERATIONS = 10
"""Of a run, as `edge-recog bench` takes them."""
SLOWER = 0.05


def main() -> None:
    """Measure and print; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a model file")
    parser.add_argument("--runs", type=count, default=100)
    parser.add_argument("--burst-ms", type=count, default=20)
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document = study(arguments.model, runs=arguments.runs, burst_s=arguments.burst_ms / 1e3)
        for name, row in document["verdicts"].items():
            said = ", ".join(f"{verdict}: {times}" for verdict, times in row["counts"].items())
            sys.stdout.write(f"{name:<10}  {said}\n")
        write_result(document, arguments.out)
    except EdgeRecogError as error:
        give_up(parser, error)


def study(model: Path, *, runs: int, burst_s: float) -> dict[str, Any]:
    """Return how often each verdict was given.

    Raises:
        EdgeRecogError: The model cannot be measured.
    """
    prepared = prepare(Wish(models=[model]))
    plan = plan_of(str(model), runs=runs, burst_s=burst_s)
    result = measure(plan, LocalDevice(), models=prepared.models)
    expected = {"again": "no difference", "slowed": "slower"}
    verdicts = {}
    for name, wanted in expected.items():
        given = verdicts_of(result, name)
        right = wilson(given[wanted], sum(given.values()))
        verdicts[name] = {
            "expected": wanted,
            "counts": dict(given.most_common()),
            "share_expected": dataclasses.asdict(right),
        }
    return {
        "schema_version": 1,
        "benchmark": "real-verdicts",
        "model": {"name": model.stem, "id": prepared.models[str(model)].id},
        "runs": runs,
        "generations": GENERATIONS,
        "turns": plan.turns,
        "burst_ms": burst_s * 1e3,
        "slower_by": SLOWER,
        "complete": result.complete,
        "findings": [finding.reason for finding in result.findings],
        "verdicts": verdicts,
        "machine": result.system.machine,
    }


def plan_of(model: str, *, runs: int, burst_s: float) -> Plan:
    """Return one plan for all runs."""
    share = {"share": str(SLOWER)}
    return Plan(
        contestants=(
            Contestant(name="model", model=model, runner="bare"),
            Contestant(name="again", model=model, runner="bare"),
            Contestant(name="slowed", model=model, runner="slowed", options=share),
        ),
        generations=runs * GENERATIONS,
        turns=10,
        burst_s=burst_s,
        warm_up_s=burst_s * 3,
    )


def verdicts_of(result: Result, name: str) -> Counter[str]:
    """Return how often each verdict was given on `name`, beside `model`."""
    generations = 1 + max(burst.generation for burst in result.by_name["model"].bursts)
    return Counter(
        compare(
            _part(result.by_name["model"], first),
            _part(result.by_name[name], first),
            paired=True,
        ).verdict
        for first in range(0, generations - GENERATIONS + 1, GENERATIONS)
    )


def _part(contestant: ContestantResult, first: int) -> ContestantResult:
    """Return the generations of one run."""
    wanted = range(first, first + GENERATIONS)
    bursts = tuple(burst for burst in contestant.bursts if burst.generation in wanted)
    return msgspec.structs.replace(contestant, bursts=bursts)


if __name__ == "__main__":
    main()
