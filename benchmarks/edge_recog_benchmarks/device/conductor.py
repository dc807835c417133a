"""What leads a run on the device: `python -m edge_recog_benchmarks.device.conductor`.

It reads one plan (JSON) from the first line of stdin and writes events (JSON lines) to stdout. When
stdin ends, or another line comes, it stops after the sample under way: so a lost connection leaves
nothing running.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.device.events import (
    Answer,
    Answers,
    Burst,
    Done,
    Ended,
    Failed,
    Profiled,
    Started,
)
from edge_recog_benchmarks.device.plan import Plan
from edge_recog_benchmarks.device.processes import Worker, WorkerError, share_package
from edge_recog_benchmarks.device.profile import profile_model
from edge_recog_benchmarks.device.runners import LABELLING
from edge_recog_benchmarks.device.system import SystemProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edge_recog_benchmarks.device.events import AnyEvent
    from edge_recog_benchmarks.device.plan import Contestant

LABELLED_AT_A_TIME = 16
"""Pictures in one order: a worker's answer comes often enough to show progress."""
_PROFILED = frozenset({"classifier", "bare"})
_SYSTEM_EVERY_NS = 1_000_000_000


class _StopError(Exception):
    """The run is to end."""


class Conductor:
    """Runs a plan once."""

    def __init__(
        self,
        plan: Plan,
        *,
        emit: Callable[[AnyEvent], None],
        probe: SystemProbe,
        stopped: Callable[[], bool],
        cache: Path,
    ) -> None:
        """Take what is needed.

        Args:
            plan: What to measure.
            emit: Takes every event.
            probe: Tells the machine's state.
            stopped: Whether somebody wants an end.
            cache: An empty folder. Byte code is kept in it, so that no start pays for compiling, as
                after pip.
        """
        self._plan = plan
        self._emit = emit
        self._probe = probe
        self._stopped = stopped
        self._order = random.Random(plan.seed)
        self._left: list[Contestant] = list(plan.contestants)
        self._packages = cache / "packages"
        share_package(self._packages)
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache / "bytecode")}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._seen_ns = 0
        self._tells_energy = False

    def run(self) -> None:
        """Measure, and emit what is found."""
        self._emit(self._probe.facts())
        complete = False
        try:
            self._look(thorough=True)
            self._rehearse()
            self._look(thorough=True)
            if self._plan.scenario == "sustained":
                self._one_after_the_other()
            else:
                for generation in range(self._plan.generations):
                    self._side_by_side(generation)
            self._look(thorough=True)
            self._label_all()
            if self._plan.profile:
                self._profile_all()
            complete = True
        except _StopError:
            pass
        finally:
            self._look(thorough=True)
            self._emit(Done(complete=complete))

    def _rehearse(self) -> None:
        """Start everyone once, so that a model that cannot run is known before the others start."""
        for contestant in tuple(self._left):
            with self._watched(contestant, -1), self._started(contestant, -1) as worker:
                self._burst(worker, contestant, -1, -1)

    def _side_by_side(self, generation: int) -> None:
        """Let all take turns, each in a fresh process."""
        plan = self._plan
        with contextlib.ExitStack() as open_workers:
            workers: dict[str, Worker] = {}
            for contestant in self._shuffled(self._left):
                with self._watched(contestant, generation):
                    worker = open_workers.enter_context(self._started(contestant, generation))
                    workers[contestant.name] = worker
                    if plan.warm_up_s:
                        worker.ask(self._order_of(plan.warm_up_s))
            for turn in range(plan.turns):
                for contestant in self._shuffled(self._left):
                    with self._watched(contestant, generation):
                        self._burst(workers[contestant.name], contestant, generation, turn)
            for contestant in tuple(self._left):
                with self._watched(contestant, generation):
                    self._end(workers[contestant.name], contestant, generation)

    def _one_after_the_other(self) -> None:
        """Let each work without a pause for the whole time."""
        for generation in range(self._plan.generations):
            for contestant in self._shuffled(self._left):
                with (
                    self._watched(contestant, generation),
                    self._started(contestant, generation) as worker,
                ):
                    for turn in range(self._plan.turns):
                        self._burst(worker, contestant, generation, turn)
                    self._end(worker, contestant, generation)

    def _label_all(self) -> None:
        """Let each label the pictures whose labels are known."""
        pictures = list(enumerate(self._plan.accuracy))
        if not pictures:
            return
        for contestant in tuple(self._left):
            if contestant.runner not in LABELLING:
                continue
            with self._watched(contestant, -1), self._started(contestant, -1) as worker:
                for first in range(0, len(pictures), LABELLED_AT_A_TIME):
                    self._check()
                    said = worker.ask(
                        {
                            "do": "label",
                            "pictures": pictures[first : first + LABELLED_AT_A_TIME],
                            "all_scores": self._plan.all_scores,
                        }
                    )
                    self._emit(
                        Answers(
                            contestant=contestant.name,
                            answers=tuple(msgspec.convert(said["answers"], list[Answer])),
                            unreadable={int(key): why for key, why in said["unreadable"].items()},
                        )
                    )

    def _profile_all(self) -> None:
        """Ask the runtime where the time goes."""
        for contestant in self._left:
            self._check()
            reason, profile = "", None
            if contestant.runner not in _PROFILED or contestant.options.get("delegate"):
                reason = "only what the interpreter runs on the CPU can be profiled"
            else:
                try:
                    profile = profile_model(
                        Path(contestant.model).read_bytes(),
                        threads=contestant.threads,
                        timeout_s=self._plan.time_limit_s,
                    )
                except (EdgeRecogError, OSError) as error:
                    reason = str(error)
            self._emit(Profiled(contestant=contestant.name, profile=profile, reason=reason))

    @contextlib.contextmanager
    def _watched(self, contestant: Contestant, generation: int) -> Iterator[None]:
        """Take a contestant out of the run if its worker fails."""
        try:
            yield
        except WorkerError as error:
            self._left.remove(contestant)
            self._emit(Failed(contestant=contestant.name, generation=generation, reason=str(error)))

    @contextlib.contextmanager
    def _started(self, contestant: Contestant, generation: int) -> Iterator[Worker]:
        """Start a worker; generation -1 is not counted."""
        self._check()
        with Worker(contestant, self._plan, self._environment, self._packages) as worker:
            self._probe.watch(worker.pid)
            said = worker.start()
            self._emit(
                Started(
                    contestant=contestant.name,
                    generation=max(generation, 0),
                    rehearsal=generation < 0,
                    runtime=said["runtime"],
                    stages=tuple(said["stages"]),
                    load_ns=said["load_ns"],
                    first_answer_ns=said["first_answer_ns"],
                )
            )
            yield worker

    def _burst(self, worker: Worker, contestant: Contestant, generation: int, turn: int) -> None:
        self._check()
        rehearsal = generation < 0
        if rehearsal:
            worker.ask({**self._order_of(0.0), "least": 1})
            return
        self._glance()
        said = worker.ask(self._order_of(self._plan.burst_s))
        said["started_ns"] -= self._probe.began_ns
        said["samples"] = {stage: tuple(row) for stage, row in said["samples"].items()}
        self._emit(Burst(contestant=contestant.name, generation=generation, turn=turn, **said))
        self._glance()

    def _end(self, worker: Worker, contestant: Contestant, generation: int) -> None:
        said = worker.ask({"do": "end"})
        self._emit(Ended(contestant=contestant.name, generation=generation, **said))

    def _order_of(self, duration_s: float) -> dict[str, Any]:
        plan = self._plan
        return {
            "do": "burst",
            "scenario": plan.scenario,
            "duration_ns": int(duration_s * 1e9),
            "least": plan.least_samples,
            "period_ns": int(plan.period_s * 1e9),
        }

    def _shuffled(self, contestants: Iterable[Contestant]) -> list[Contestant]:
        order = list(contestants)
        self._order.shuffle(order)
        return order

    def _glance(self) -> None:
        """Look before and after a burst: each time where energy is told, else once a second."""
        if self._tells_energy or time.monotonic_ns() - self._seen_ns >= _SYSTEM_EVERY_NS:
            self._look()

    def _look(self, *, thorough: bool = False) -> None:
        """Emit the machine's state."""
        sample = self._probe.sample(thorough=thorough)
        self._seen_ns = time.monotonic_ns()
        self._tells_energy = sample.energy_uj is not None
        self._emit(sample)

    def _check(self) -> None:
        if self._stopped():
            raise _StopError


def main() -> None:
    """Be the process."""
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    stop = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.readline()
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()

    def emit(event: AnyEvent) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
        sys.stdout.buffer.flush()

    with tempfile.TemporaryDirectory(prefix="edge-recog-cache.") as cache:
        Conductor(
            plan,
            emit=emit,
            probe=SystemProbe(Path(plan.system_root)),
            stopped=stop.is_set,
            cache=Path(cache),
        ).run()
    sys.stdout.flush()
    os._exit(0)  # A thread may still be reading stdin.


if __name__ == "__main__":
    main()
