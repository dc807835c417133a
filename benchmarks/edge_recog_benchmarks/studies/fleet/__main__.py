"""Simulate a fleet: `python -m edge_recog_benchmarks.studies.fleet --out FILE`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from edge_recog_devices.publishing.canary import CanaryRules

from edge_recog.errors import EdgeRecogError, UsageError
from edge_recog.updates.polling import PollRules
from edge_recog_benchmarks.arguments import add_out, count, give_up, write_result
from edge_recog_benchmarks.device.machine import machine_facts
from edge_recog_benchmarks.studies.fleet import __doc__ as about
from edge_recog_benchmarks.studies.fleet.assumptions import SCENARIOS, Assumptions
from edge_recog_benchmarks.studies.fleet.drawing import draw
from edge_recog_benchmarks.studies.fleet.simulation import Simulation
from edge_recog_benchmarks.studies.fleet.sizes import measure

if TYPE_CHECKING:
    from edge_recog_benchmarks.studies.fleet.assumptions import Scenario
    from edge_recog_benchmarks.studies.fleet.simulation import Run

_SCHEMA_VERSION: Final = 1
DEVICES: Final = 100_000
MOST_SHARE: Final = 0.01
"""Of the devices that may ever have a bad release."""
_POINT_MIN: Final = 10
"""Minutes between two points of a curve in the result."""


def main() -> None:
    """Run; exit 0 if the staged bad releases were stopped in time, 1 if not."""
    parser = argparse.ArgumentParser(
        prog="fleet", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=count, default=DEVICES, help=f"(default: {DEVICES})")
    parser.add_argument("--seed", type=int, default=1)
    names = ", ".join(one.name for one in SCENARIOS)
    parser.add_argument("--scenarios", default="", help=f"of {names}; all if left out")
    parser.add_argument("--picture", type=Path, help="draw the curves into this PNG file")
    add_out(parser)
    arguments = parser.parse_args()
    try:
        document, runs = simulate(
            arguments.devices, arguments.seed, chosen(arguments.scenarios), tell=_tell
        )
        write_result(document, arguments.out)
        if arguments.picture is not None:
            draw(runs, arguments.picture)
    except EdgeRecogError as error:
        give_up(parser, error)
    sys.exit(0 if document["in_time"] else 1)


def chosen(names: str) -> tuple[Scenario, ...]:
    """Return the scenarios of a list of names with commas; all if it is empty.

    Raises:
        UsageError: One has no scenario.
    """
    if not names:
        return SCENARIOS
    known = {one.name: one for one in SCENARIOS}
    wanted = [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"{unknown[0]}: no scenario; they are {', '.join(known)}")
    return tuple(known[name] for name in wanted)


def simulate(
    devices: int,
    seed: int,
    scenarios: tuple[Scenario, ...],
    *,
    tell: Any = lambda line: None,
) -> tuple[dict[str, Any], list[tuple[Scenario, Run]]]:
    """Return the result as a document, and the runs.

    Raises:
        UsageError: nginx is not installed.
    """
    assumptions, rules, canaries = Assumptions(), PollRules(), CanaryRules()
    costs = measure()
    tell(f"a look costs {costs.idle.requests} requests and {costs.idle.sent_bytes} bytes")
    runs: list[tuple[Scenario, Run]] = []
    begin_s = time.monotonic()
    for scenario in scenarios:
        simulation = Simulation(scenario, assumptions, costs, devices=devices, seed=seed)
        runs.append((scenario, simulation.simulate()))
        tell(sentence(*runs[-1]))
    documents = [_scenario_document(scenario, run) for scenario, run in runs]
    document = {
        "schema_version": _SCHEMA_VERSION,
        "machine": machine_facts(),
        "devices": devices,
        "seed": seed,
        "minutes": round((time.monotonic() - begin_s) / 60, 1),
        "poll_rules": msgspec.to_builtins(rules),
        "canary_rules": msgspec.to_builtins(canaries),
        "assumptions": asdict(assumptions),
        "costs": asdict(costs),
        "most_share": MOST_SHARE,
        "in_time": all(one["in_time"] for one in documents if one["in_time"] is not None),
        "scenarios": documents,
    }
    return document, runs


def sentence(scenario: Scenario, run: Run) -> str:
    """Return what a run came to, in one line."""
    told = (
        f"{scenario.name}: {run.begun / run.devices:.3%} ever had it, {run.committed} committed, "
        f"at most {max(run.requests) / 60:.1f} requests/s and "
        f"{max(run.sent_bytes) / 60e6:.2f} MB/s"
    )
    if run.stopped_at_s is not None:
        after_s = run.stopped_at_s - scenario.stages[0][0] * 3600
        told += f"; stopped {after_s:.0f} s after it was published: {run.reason}"
    return told


def _scenario_document(scenario: Scenario, run: Run) -> dict[str, Any]:
    published_s = scenario.stages[0][0] * 3600
    stopped = run.stopped_at_s
    is_staged_and_bad = scenario.release.fails > 0 and scenario.stages[0][1] <= MOST_SHARE
    return {
        "name": scenario.name,
        "title": scenario.title,
        "release": asdict(scenario.release),
        "stages": [{"hours": hours, "share": share} for hours, share in scenario.stages],
        "hours": scenario.hours,
        "stopped_after_s": None if stopped is None else round(stopped - published_s, 1),
        "reason": run.reason,
        "begun_when_stopped": run.begun_when_stopped,
        "begun": run.begun,
        "begun_share": run.begun / run.devices,
        "most_at_once": run.most_holding,
        "committed": run.committed,
        "failed_trials": run.failed,
        "withdrawn": run.withdrawn,
        "in_time": (
            stopped is not None and run.begun < MOST_SHARE * run.devices
            if is_staged_and_bad
            else None
        ),
        "looks": run.looks,
        "requests": sum(run.requests),
        "sent_gb": round(sum(run.sent_bytes) / 1e9, 3),
        "most_requests_s": round(max(run.requests) / 60, 2),
        "most_mb_s": round(max(run.sent_bytes) / 60e6, 3),
        "curve": [
            {
                "minutes": round(seconds / 60),
                "holding": holding,
                "committed": committed,
                "requests_s": round(run.requests[minute] / 60, 2),
                "mb_s": round(run.sent_bytes[minute] / 60e6, 4),
            }
            for minute, (seconds, holding, committed) in enumerate(run.curve)
            if minute % _POINT_MIN == 0
        ],
    }


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
