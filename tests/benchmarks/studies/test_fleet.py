from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_benchmarks.studies.fleet import __main__ as command
from edge_recog_benchmarks.studies.fleet import simulation as module
from edge_recog_benchmarks.studies.fleet.assumptions import SCENARIOS, Assumptions
from edge_recog_benchmarks.studies.fleet.drawing import draw
from edge_recog_benchmarks.studies.fleet.simulation import Run, Simulation
from edge_recog_benchmarks.studies.fleet.sizes import Cost, Costs, measure
from edge_recog_devices.publishing import canary

from edge_recog.errors import UsageError
from edge_recog.updates import deciding, polling
from edge_recog.updates.cohort import has_turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COSTS = Costs(
    idle=Cost(2, 1000),
    news=Cost(5, 4000),
    stop=Cost(4, 3000),
    model=Cost(1, 700_000),
    files={},
)
BY_NAME = {one.name: one for one in SCENARIOS}
DEVICES = 3000


def run(name: str, *, seed: int = 1, devices: int = DEVICES, **changes: Any) -> Run:
    return Simulation(
        replace(BY_NAME[name], **changes), Assumptions(), COSTS, devices=devices, seed=seed
    ).simulate()


def test_the_decisions_are_those_of_the_shipped_code() -> None:
    shipped = (deciding.decide, polling.next_delay_s, polling.first_delay_s, canary.verdict)

    assert shipped == (module.decide, module.next_delay_s, module.first_delay_s, module.verdict)


def test_a_sound_release_reaches_all_devices_that_have_a_network() -> None:
    done = run("sound")

    assert done.begun >= DEVICES * 0.999
    assert done.committed >= DEVICES * 0.999
    assert done.stopped_at_s is None


def test_no_more_devices_than_the_share_have_it() -> None:
    simulation = Simulation(
        replace(BY_NAME["sound"], stages=((0.0, 0.1),), hours=6.0),
        Assumptions(),
        COSTS,
        devices=DEVICES,
        seed=1,
    )
    done = simulation.simulate()

    expected = [has_turn(device, "stable/2", 100_000) for device in simulation._ids]
    assert done.begun == sum(expected)
    assert [bool(begun) for begun in simulation._has_begun] == expected


@pytest.mark.parametrize("name", ["bad-1", "bad-10", "slowly-bad-1", "a-fifth-bad-1"])
def test_a_bad_release_is_stopped(name: str) -> None:
    done = run(name)

    assert done.stopped_at_s is not None
    assert done.begun < DEVICES * 0.02
    assert done.holding <= done.committed


def test_after_a_stop_nobody_begins_once_the_caches_are_over() -> None:
    done = run("bad-10")
    assumed = Assumptions()

    assert done.stopped_at_s is not None
    quiet_s = done.stopped_at_s + assumed.stop_s + assumed.cache_s + assumed.tryout_s[1] + 60
    holders = {holding for seconds, holding, _ in done.curve if seconds > quiet_s + 60}
    assert holders <= {0}


def test_every_look_is_billed() -> None:
    done = run("sound", stages=(), hours=3.0)

    reached = sum(done.requests) / COSTS.idle.requests
    assert reached == sum(done.sent_bytes) / COSTS.idle.sent_bytes
    assert 0.96 * done.looks < reached < 0.995 * done.looks  # 2 % have no network


def test_looks_come_as_often_as_configured() -> None:
    done = run("sound", stages=(), hours=5.0)

    assert done.looks == pytest.approx(DEVICES * 5, rel=0.02)


def test_the_same_seed_gives_the_same_fleet() -> None:
    assert run("bad-1", devices=500) == run("bad-1", devices=500)
    assert run("sound", devices=500) != run("sound", devices=500, seed=2)


def test_costs_are_measured_through_nginx(missing: Callable[[str], Any]) -> None:
    try:
        costs = measure(b"model" * 1000)
    except UsageError as error:
        missing(str(error))

    assert costs.idle.requests == 2  # The next root, which there is not, and the timestamp.
    assert costs.news.requests == 4  # And snapshot and targets; the stops are known.
    assert costs.stop.requests == 4
    assert costs.model.requests == 1
    assert 5000 < costs.model.sent_bytes < 5500
    assert set(costs.files) > {"/metadata/timestamp.json", "/metadata/N.targets.json"}


def test_the_command_writes_a_result_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "measure", lambda: COSTS)
    document, runs = command.simulate(1000, 1, command.chosen("bad-1,sound"))
    draw(runs, tmp_path / "curves.png")

    read = json.loads(json.dumps(document))
    assert read["devices"] == 1000
    assert [one["name"] for one in read["scenarios"]] == ["bad-1", "sound"]
    assert read["assumptions"]["cache_s"] == 60
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_scenario_that_there_is_not_is_named() -> None:
    with pytest.raises(UsageError, match="no scenario"):
        command.chosen("sound,loud")
