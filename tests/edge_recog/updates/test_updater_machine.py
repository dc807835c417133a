"""Any sequence of releases, stops, deaths, verdicts and hands: what always holds."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from edge_recog.store import BUILT_IN, Store, TrialRules
from edge_recog.store.tryout import Outcome
from edge_recog.updates import UnreachableError
from edge_recog.updates.journal import read_journal
from edge_recog.updates.updater import Updater

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND_NS = 10**9


class Killed(BaseException):
    """The process is dead."""


@pytest.fixture
def machine(
    model_of: Callable[[str], bytes],
    make_release: Callable[..., Any],
    make_offers: Callable[..., Any],
    repository: Any,
) -> type[RuleBasedStateMachine]:
    models = [model_of(f"model-{number}") for number in range(3)]
    digests = [hashlib.sha256(data).hexdigest() for data in models]
    created_at = make_release().created_at

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = Path(tempfile.mkdtemp(prefix="edge-recog-updates."))
            self.repository = type(repository)(make_offers(None))
            self.repository.files = dict(zip(digests, models, strict=True))
            self.offered: Any = None
            self.stopped: tuple[tuple[int, str], ...] = ()
            self.reports: list[Any] = []
            self.best = 0
            self.dies_at: int | None = None
            self.restart()

        def teardown(self) -> None:
            shutil.rmtree(self.folder)

        def step(self, *_: Any, **__: Any) -> None:
            if self.dies_at is not None:
                self.dies_at -= 1
                if self.dies_at < 0:
                    self.dies_at = None
                    raise Killed

        @rule()
        def restart(self) -> None:
            def tryout(model: bytes, *, where: str) -> Outcome:
                del model, where
                self.step()
                return Outcome(runtime="a test", vectors=2, p50_ms=1.0, memory_mb=1.0)

            self.store = Store(self.folder / "models", tryout=tryout)
            self.updater = Updater(
                self.store,
                self.repository,
                self.folder / "updates",
                channel="stable",
                tell=self.tell,
                now=lambda: created_at + timedelta(hours=1),
                draw=lambda: 0.5,
            )

        def tell(self, report: Any) -> None:
            self.reports.append(report)
            self.step()

        @rule(model=st.integers(0, 2), share_ppm=st.sampled_from([0, 1_000_000]))
        def publish(self, model: int, share_ppm: int) -> None:
            number = 1 if self.offered is None else self.offered.number + 1
            self.offered = make_release(digests[model], number=number, share_ppm=share_ppm)
            self.repository.offers = make_offers(self.offered, stopped=self.stopped)

        @rule()
        def stop(self) -> None:
            if self.offered is not None:
                self.stopped = (*self.stopped, (self.offered.number, "bad"))
                self.repository.offers = make_offers(self.offered, stopped=self.stopped)

        @rule(dies_at=st.none() | st.integers(0, 4))
        def look(self, dies_at: int | None) -> None:
            before, self.dies_at = len(self.reports), dies_at
            try:
                self.updater.look()
            except Killed:
                self.restart()
            self.dies_at = None
            begun = [one for one in self.reports[before:] if one.state == "downloading"]
            assert not begun or self.offered.share_ppm > 0
            assert not {one.number for one in begun} & {number for number, _ in self.stopped}

        @rule()
        def lose_the_network(self) -> None:
            offers, self.repository.offers = self.repository.offers, UnreachableError("away")
            self.updater.look()
            self.repository.offers = offers

        @rule(fails=st.booleans())
        def run_trial(self, fails: bool) -> None:
            if self.store.state().candidate is None:
                return
            trial = self.store.trial(TrialRules(frames=10))
            trial.started(0)
            if fails:
                trial.unhealthy("it hangs")
            trial.answered(SECOND_NS, 10)
            trial.tick(2 * SECOND_NS)

        @rule()
        def glance(self) -> None:
            self.updater.glance()

        @rule()
        def take_back_by_hand(self) -> None:
            state = self.store.state()
            if state.candidate is not None or state.previous is not None:
                self.store.roll_back()

        @invariant()
        def the_newest_release_in_use_never_goes_back(self) -> None:
            known = read_journal(self.folder / "updates").channels.get("stable")
            number = 0 if known is None else known.number
            assert number >= self.best
            self.best = number

        @invariant()
        def only_what_was_offered_is_in_use(self) -> None:
            state = self.store.state()
            assert state.active in {BUILT_IN, *digests}
            assert self.offered is not None or state.active == BUILT_IN

    return Machine


def test_whatever_happens(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=15, deadline=None)
    )
