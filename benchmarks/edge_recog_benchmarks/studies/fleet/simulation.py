"""One scenario, event by event. Times are seconds from the beginning."""

from __future__ import annotations

import heapq
import math
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from edge_recog_devices.publishing.canary import Canaries, CanaryRules, verdict

from edge_recog.updates.deciding import Install, Standing, Withdraw, decide
from edge_recog.updates.polling import PollRules, first_delay_s, next_delay_s
from edge_recog.updates.release import Offer, Offers, Release, Stopped, Stops
from edge_recog.updates.reports import Report

if TYPE_CHECKING:
    from edge_recog_benchmarks.studies.fleet.assumptions import Assumptions, Scenario
    from edge_recog_benchmarks.studies.fleet.sizes import Cost, Costs

_OLD: Final = "a" * 64
_NEW: Final = "b" * 64
_NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
_BUCKET_S: Final = 60.0

_Kind = Literal["look", "start", "fail", "prove", "report", "publish", "stop"]


@dataclass
class Run:
    """What happened."""

    devices: int
    looks: int = 0
    begun: int = 0
    """Devices that have had the release on trial at some time."""
    holding: int = 0
    """Devices that have it on trial or in use now."""
    most_holding: int = 0
    committed: int = 0
    failed: int = 0
    """Trials that failed."""
    withdrawn: int = 0
    stopped_at_s: float | None = None
    """When who watches decided to stop it."""
    begun_when_stopped: int = 0
    reason: str = ""
    requests: list[int] = field(default_factory=list)
    """In each minute."""
    sent_bytes: list[int] = field(default_factory=list)
    """In each minute."""
    curve: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds, devices that hold the release, devices that have committed it; each minute."""


class Simulation:
    """A fleet, a publisher and somebody who watches."""

    def __init__(
        self,
        scenario: Scenario,
        assumptions: Assumptions,
        costs: Costs,
        *,
        devices: int,
        seed: int,
        rules: PollRules | None = None,
        canaries: CanaryRules | None = None,
    ) -> None:
        """Begin.

        Args:
            scenario: What is published, and when.
            assumptions: What no code decides.
            costs: As measured.
            devices: How many.
            seed: Of all random numbers.
            rules: The shipped defaults if None.
            canaries: The shipped defaults if None.
        """
        self._scenario = scenario
        self._assume = assumptions
        self._costs = costs
        self._rules = rules or PollRules()
        self._canary_rules = canaries or CanaryRules()
        self._random = Random(seed)
        self._canaries = Canaries("stable", 2)
        self._queue: list[tuple[float, int, _Kind, int]] = []
        self._order = 0
        self._ids = [f"{self._random.getrandbits(128):032x}" for _ in range(devices)]
        self._number = array("b", [1]) * devices
        self._on_trial = array("b", [0]) * devices
        self._trial_of = array("i", [0]) * devices
        """Counts the trials of a device, so that the verdict of one that was given up is void."""
        self._rejected = array("b", [0]) * devices
        self._has_begun = bytearray(devices)
        self._failures = array("i", [0]) * devices
        self._seen = array("i", [0]) * devices
        """Which state of the repository a device has seen."""
        self._fails = bytearray(self._random.random() < scenario.release.fails for _ in self._ids)
        self._states: list[tuple[float, Offers, Cost]] = [
            (-math.inf, self._offers(None), costs.idle)
        ]
        """Seconds from which on devices see it, and what it costs to see it first."""
        self.run = Run(devices)

    def simulate(self) -> Run:
        """Return what happened."""
        for device in range(len(self._ids)):
            self._after(first_delay_s(self._rules, self._random.random()), 0.0, "look", device)
        for stage, (hours, _) in enumerate(self._scenario.stages):
            self._after(hours * 3600, 0.0, "publish", stage)
        end_s, minute = self._scenario.hours * 3600, 0
        while self._queue and self._queue[0][0] < end_s:
            now, _, kind, which = heapq.heappop(self._queue)
            while now >= minute * _BUCKET_S:
                self.run.curve.append((minute * _BUCKET_S, self.run.holding, self.run.committed))
                self.run.requests.append(0)
                self.run.sent_bytes.append(0)
                minute += 1
            self._happen(now, kind, which)
        return self.run

    def _happen(self, now: float, kind: _Kind, which: int) -> None:
        if kind == "look":
            self._look(now, which)
        elif kind == "start":
            self._start(now, which)
        elif kind in {"fail", "prove"}:
            # Which trial it was is kept in the upper part.
            device, trial = which % len(self._ids), which // len(self._ids)
            if self._on_trial[device] and self._trial_of[device] == trial:
                self._end_trial(now, device, proved=kind == "prove")
        elif kind == "report":
            device, state = which // 3, ("trial", "failed", "committed")[which % 3]
            self._hear(now, device, state)
        elif kind == "publish":
            share_ppm = round(self._scenario.stages[which][1] * 1e6)
            seen_s = now + self._assume.cache_s
            self._states.append((seen_s, self._offers(share_ppm), self._costs.news))
        else:
            stopped = self._offers_now(math.inf)
            self._states.append(
                (
                    now + self._assume.cache_s,
                    Offers(
                        latest=stopped.latest,
                        settled=stopped.settled,
                        stops=Stops(
                            schema_version=1,
                            channel="stable",
                            stopped=(Stopped(number=2, reason=self.run.reason, at=_NOW),),
                        ),
                    ),
                    self._costs.stop,
                )
            )

    def _look(self, now: float, device: int) -> None:
        run, random = self.run, self._random
        run.looks += 1
        if random.random() < self._assume.away:
            self._failures[device] += 1
            delay_s = next_delay_s(self._rules, random.random(), failures=self._failures[device])
            self._after(now, delay_s, "look", device)
            return
        self._failures[device] = 0
        self._after(now, next_delay_s(self._rules, random.random()), "look", device)
        newest = self._newest(now)
        cost = self._costs.idle if self._seen[device] == newest else self._states[newest][2]
        self._seen[device] = newest
        self._bill(now, cost)
        number = self._number[device]
        standing = Standing(
            device=self._ids[device],
            version="0.1.0",
            number=number,
            model=_NEW if number == 2 else _OLD,
            on_trial=2 if self._on_trial[device] else None,
            rejected={_NEW: self._rejected[device]},
        )
        decision = decide(standing, self._states[newest][1])
        if isinstance(decision, Install):
            has_it_already = self._rejected[device] > 0
            wait_s = random.uniform(*self._assume.tryout_s)
            if not has_it_already:
                self._bill(now, self._costs.model)
                low, high = map(math.log, self._assume.download_kb_s)
                speed = math.exp(random.uniform(low, high)) * 1000
                wait_s += self._costs.model.sent_bytes / speed
            self._after(now, wait_s, "start", device)
        elif isinstance(decision, Withdraw):
            self._on_trial[device] = 0
            run.withdrawn += 1
            run.holding -= 1

    def _start(self, now: float, device: int) -> None:
        """Begin a trial."""
        run, random = self.run, self._random
        if self._on_trial[device] or self._number[device] == 2:
            return
        self._on_trial[device] = 1
        self._trial_of[device] += 1
        run.begun += not self._has_begun[device]
        self._has_begun[device] = 1
        run.holding += 1
        run.most_holding = max(run.most_holding, run.holding)
        self._report(now, device, "trial")
        which = device + self._trial_of[device] * len(self._ids)
        prove_s = random.uniform(*self._assume.prove_s)
        if self._fails[device]:
            self._after(now, random.uniform(*self._scenario.release.fails_after_s), "fail", which)
        elif random.random() < self._assume.unlucky:
            self._after(now, random.uniform(0, prove_s), "fail", which)
        else:
            self._after(now, prove_s, "prove", which)

    def _end_trial(self, now: float, device: int, *, proved: bool) -> None:
        self._on_trial[device] = 0
        if proved:
            self._number[device] = 2
            self.run.committed += 1
            self._report(now, device, "committed")
            return
        self._rejected[device] += 1
        self.run.failed += 1
        self.run.holding -= 1
        self._report(now, device, "failed")

    def _report(
        self, now: float, device: int, state: Literal["trial", "failed", "committed"]
    ) -> None:
        which = device * 3 + ("trial", "failed", "committed").index(state)
        self._after(now, self._assume.report_s, "report", which)

    def _hear(self, now: float, device: int, state: str) -> None:
        report = Report(channel="stable", state=state, number=2, at="")  # type: ignore[arg-type]
        if not self._canaries.hear(self._ids[device], report):
            return
        if self.run.stopped_at_s is not None:
            return
        reason = verdict(self._canaries.tally, self._canary_rules)
        if reason is not None:
            self.run.stopped_at_s, self.run.reason = now, reason
            self.run.begun_when_stopped = self.run.begun
            self._after(now, self._assume.stop_s, "stop", 0)

    def _bill(self, now: float, cost: Cost) -> None:
        self.run.requests[int(now / _BUCKET_S)] += cost.requests
        self.run.sent_bytes[int(now / _BUCKET_S)] += cost.sent_bytes

    def _newest(self, now: float) -> int:
        """Return the number of the state that devices see."""
        newest = len(self._states) - 1
        while self._states[newest][0] > now:
            newest -= 1
        return newest

    def _offers_now(self, now: float) -> Offers:
        return self._states[self._newest(now)][1]

    def _offers(self, share_ppm: int | None) -> Offers:
        """Return what is signed: the release before, and from a share on the new one."""

        def offer(number: int, model: str, share: int) -> Offer:
            release = Release(
                schema_version=1,
                channel="stable",
                number=number,
                model=model,
                name="clothing-fast",
                share_ppm=share,
                created_at=_NOW,
                minimum_version="0",
            )
            return Offer(release, "stable/latest.tflite", self._costs.model.sent_bytes)

        before = offer(1, _OLD, 1_000_000)
        stops = Stops(schema_version=1, channel="stable")
        if share_ppm is None:
            return Offers(latest=before, stops=stops)
        return Offers(latest=offer(2, _NEW, share_ppm), settled=before, stops=stops)

    def _after(self, now: float, delay_s: float, kind: _Kind, which: int) -> None:
        self._order += 1
        heapq.heappush(self._queue, (now + delay_s, self._order, kind, which))
