"""A run on the device: contestants take turns, and one that fails does not take others with it."""

from __future__ import annotations

import itertools
import re
import sys
from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks.device.conductor import Conductor
from edge_recog_benchmarks.device.events import (
    Burst,
    Done,
    Ended,
    Failed,
    Started,
    SystemFacts,
    SystemSample,
)
from edge_recog_benchmarks.device.fake_system import FakeSystem
from edge_recog_benchmarks.device.plan import Contestant, Plan
from edge_recog_benchmarks.device.system import SystemProbe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from edge_recog_benchmarks.device.events import AnyEvent

    Run = Callable[..., list[AnyEvent]]

WORKER = f"""#!{sys.executable}
import json, os, signal, sys, time
bursts = 0
for line in sys.stdin:
    order = json.loads(line)
    if "runner" in order:
        answer = dict(event="started", runtime="scripted", stages=["invoke"], load_ns=1,
                      answered_ns=time.monotonic_ns())
    elif order["do"] == "burst":
        bursts += 1
        @@@
        answer = dict(event="burst", started_ns=time.perf_counter_ns(), elapsed_ns=5, pictures=1,
                      samples=dict(invoke=[4], end_to_end=[5]), dropped=0, switches=0)
    else:
        answer = dict(event="ended", peak_rss_bytes=2, steady_rss_bytes=1)
    print(json.dumps(answer), flush=True)
"""
"""A worker that misbehaves at its @@@. Its first burst is the rehearsal's, or the warm-up."""


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[..., Contestant]:
    """Return what makes a contestant whose Python is a script."""
    numbers = itertools.count()

    def make(name: str, misbehaviour: str = "pass") -> Contestant:
        script = tmp_path / f"worker{next(numbers)}"
        script.write_text(WORKER.replace("@@@", misbehaviour))
        script.chmod(0o755)
        return Contestant(name=name, model="any.tflite", python=str(script))

    return make


@pytest.fixture
def conduct(tmp_path: Path) -> Run:
    """Return what runs a plan in this process, and returns its events."""

    def run(
        *contestants: Contestant, stop_after: int | None = None, **changes: Any
    ) -> list[AnyEvent]:
        limits = {"generations": 2, "turns": 3, "burst_s": 0.001, "warm_up_s": 0.001}
        plan = Plan(contestants=contestants, **limits | changes)
        events: list[AnyEvent] = []
        cache = tmp_path / f"cache{len(list(tmp_path.glob('cache*')))}"
        cache.mkdir()

        def stopped() -> bool:
            bursts = [event for event in events if isinstance(event, Burst)]
            return stop_after is not None and len(bursts) >= stop_after

        Conductor(plan, emit=events.append, probe=SystemProbe(), stopped=stopped, cache=cache).run()
        return events

    return run


def only(kind: type[Any], events: list[AnyEvent], name: str | None = None) -> list[Any]:
    found = [event for event in events if isinstance(event, kind)]
    return [one for one in found if name is None or one.contestant == name]


def test_everyone_takes_every_turn_in_fresh_processes(
    conduct: Run, scripted: Callable[..., Contestant]
) -> None:
    events = conduct(scripted("one"), scripted("two"))
    for name in ("one", "two"):
        assert [(b.generation, b.turn) for b in only(Burst, events, name)] == [
            (generation, turn) for generation in range(2) for turn in range(3)
        ]
        assert [s.generation for s in only(Started, events, name) if not s.rehearsal] == [0, 1]
        assert [e.generation for e in only(Ended, events, name)] == [0, 1]
    assert isinstance(events[0], SystemFacts)
    assert len(only(SystemSample, events)) >= 2
    assert events[-1] == Done(complete=True)


def test_within_a_turn_nobody_goes_twice(conduct: Run, scripted: Callable[..., Contestant]) -> None:
    names = ["one", "two", "three"]
    events = conduct(*map(scripted, names), turns=20, generations=1)
    order = [burst.contestant for burst in only(Burst, events)]
    turns = [order[index : index + 3] for index in range(0, len(order), 3)]
    assert all(sorted(turn) == sorted(names) for turn in turns)
    assert len({turn[0] for turn in turns}) == 3


def test_the_order_is_that_of_the_seed(conduct: Run, scripted: Callable[..., Contestant]) -> None:
    three = [scripted(name) for name in ("one", "two", "three")]
    runs = [[b.contestant for b in only(Burst, conduct(*three, seed=s))] for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("misbehaviour", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"crashed \(SIGSEGV\) in native code"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed .* when memory runs out"),
        ("sys.exit('no more')", "ended with status 1: no more"),
        ("print('hello', flush=True); continue", "not JSON"),
        ("time.sleep(60)", "did not answer within 0.5 s and was stopped"),
        ("print(json.dumps(dict(event='failed', reason='lost the device')), flush=True); break",
         "lost the device"),
    ],
    ids=["crash", "out of memory", "exit", "nonsense", "hang", "failure"],
)  # fmt: skip
def test_one_that_fails_half_way_is_out_and_the_others_go_on(
    conduct: Run, scripted: Callable[..., Contestant], misbehaviour: str, reason: str
) -> None:
    bad = scripted("bad", f"if bursts > 2: {misbehaviour}")
    events = conduct(scripted("good"), bad, time_limit_s=0.5)
    (failed,) = only(Failed, events)
    assert failed.contestant == "bad"
    assert failed.generation == 0
    assert re.search(reason, failed.reason)
    assert len(only(Burst, events, "bad")) == 1
    assert len(only(Burst, events, "good")) == 6
    assert events[-1] == Done(complete=True)


def test_one_that_cannot_start_is_known_before_the_others_measure(
    conduct: Run, scripted: Callable[..., Contestant]
) -> None:
    nobody = Contestant(name="nobody", model="any.tflite", python="/nowhere/python")
    events = conduct(scripted("good"), nobody)
    (failed,) = only(Failed, events)
    assert failed.reason == "/nowhere/python cannot be started: No such file or directory"
    assert events.index(failed) < events.index(only(Burst, events)[0])


def test_a_run_that_is_stopped_says_so(conduct: Run, scripted: Callable[..., Contestant]) -> None:
    events = conduct(scripted("one"), scripted("two"), stop_after=3)
    assert len(only(Burst, events)) == 3
    assert events[-1] == Done(complete=False)
    assert isinstance(events[-2], SystemSample)


def test_sustained_lets_nobody_in_between(
    conduct: Run, scripted: Callable[..., Contestant]
) -> None:
    events = conduct(scripted("one"), scripted("two"), scenario="sustained", generations=1)
    order = [burst.contestant for burst in only(Burst, events)]
    assert [name for name, _ in itertools.groupby(order)] in (["one", "two"], ["two", "one"])


def test_the_machine_is_looked_at_around_every_burst_where_it_tells_energy(
    conduct: Run, scripted: Callable[..., Contestant], tmp_path: Path
) -> None:
    system = FakeSystem(tmp_path / "system", rapl=True)
    events: list[AnyEvent] = []
    (tmp_path / "cache").mkdir()
    Conductor(
        Plan(contestants=(scripted("one"),), generations=1, turns=3, burst_s=0.001),
        emit=events.append,
        probe=SystemProbe(system.root),
        stopped=lambda: False,
        cache=tmp_path / "cache",
    ).run()
    for burst in only(Burst, events):
        index = events.index(burst)
        assert isinstance(events[index - 1], SystemSample)
        assert isinstance(events[index + 1], SystemSample)


@pytest.mark.parametrize("scenario", ["single-stream", "paced", "offline", "sustained"])
def test_a_real_model_runs_in_every_scenario(
    conduct: Run, uint8_model: Path, scenario: str
) -> None:
    contestant = Contestant(name="model", model=str(uint8_model), runner="bare")
    events = conduct(contestant, scenario=scenario, generations=1, period_s=0.005)
    bursts = only(Burst, events)
    assert len(bursts) == 3
    stages = {
        "paced": ["wait", "invoke", "end_to_end"],
        "offline": ["end_to_end"],
    }.get(scenario, ["invoke", "end_to_end"])
    assert all(list(burst.samples) == stages for burst in bursts)
    assert all(burst.pictures >= 1 for burst in bursts)
    (started,) = [event for event in only(Started, events) if not event.rehearsal]
    assert "thread" in started.runtime
    assert started.first_answer_ns > started.load_ns > 0
    (ended,) = only(Ended, events)
    assert ended.peak_rss_bytes >= ended.steady_rss_bytes > 10**7
