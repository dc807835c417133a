"""A candidate at work: for the process that runs it.

    trial = store.trial()
    classifier = trial.load(open_it)      # at the start, and whenever the model is loaded anew
    trial.answered(time.monotonic_ns())   # for each frame
    trial.unhealthy("the model hangs")    # when the model fails
    ended = trial.tick(time.monotonic_ns())   # now and then; if it was given up, load again
    trial.stopped(time.monotonic_ns())    # at an orderly end

That a start happened is written down before the candidate is loaded. Who finds it still written
there at the next start knows that process or machine died with it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from edge_recog.errors import BundleError, DelegateError, EdgeRecogError
from edge_recog.store import reading, transitions
from edge_recog.store.errors import DamagedVersionError, StoreError
from edge_recog.store.folder import Folder
from edge_recog.store.health import Commit, Health
from edge_recog.store.reading import Chosen
from edge_recog.store.rules import TrialRules
from edge_recog.store.state import BUILT_IN
from edge_recog.store.writing import writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.bundle import Bundle
    from edge_recog.interpreters.twins import Twins
    from edge_recog.store.health import RollBack
    from edge_recog.store.state import State
    from edge_recog.store.store import Store

_LOG = logging.getLogger(__name__)
_Loaded = TypeVar("_Loaded")

LOCK: Final = "trial.lock"
_RETRY_S: Final = 60.0
"""After which is tried again to write down that a candidate has proved itself."""
_TICK_WAIT_S: Final = 5.0
"""For others that change the store, when a candidate's end is written down."""
_DIED: Final = "the process or the machine died while it was on trial"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended."""

    how: Literal["committed", "rolled-back", "withdrawn"]
    """`withdrawn`: somebody has activated another one meanwhile."""
    digest: str
    reason: str
    """A sentence without a full stop; empty if it was committed."""


class Trial:
    """Says what to run, and decides about the candidate. For one process; from any thread.

    `answered` and `unhealthy` only count. The others write to the disk, which may take seconds.
    """

    def __init__(self, store: Store, rules: TrialRules | None = None) -> None:
        """Touch nothing yet.

        Args:
            store: Where the models are.
            rules: What is to be proved; the defaults if None.
        """
        self._store = store
        self._rules = rules or TrialRules()
        self._writing = threading.RLock()
        """Held by whoever writes to the disk."""
        self._counting = threading.Lock()
        """Held for microseconds."""
        self._running: _Running | None = None
        self._lock: int | None = None
        """Of the file by which other processes see that this one lives."""
        self._forsaken: dict[str, str] = {}
        """Digests → why this process does not run them, whatever the disk says."""
        self._retry_ns = 0

    @property
    def candidate(self) -> str | None:
        """Digest of what this process has on trial."""
        running = self._running
        return None if running is None else running.digest

    def started(self, now_ns: int) -> Chosen:
        """Return the model to run now; that it is begun with, if it is on trial, is written down.

        Where that cannot be written down, the active model is to run.

        Args:
            now_ns: Monotonic.

        Raises:
            BundleError: Not even the built-in model can be used.
        """
        with self._writing:
            # If it has failed already, it is not begun with again.
            self.tick(now_ns)
            try:
                chosen = self._begin(now_ns)
            except StoreError as error:
                chosen = self._go_on(f"the models cannot be changed now: {error}")
            for note in chosen.notes:
                _LOG.warning("%s", note)
            if not chosen.on_trial:
                self._tell_in_use(chosen.model)
            return chosen

    def load(self, open_it: Callable[[Bundle], _Loaded]) -> tuple[Chosen, _Loaded]:
        """Return the model that runs, and what it was made into; see `load_twins`.

        Args:
            open_it: Is given the model itself, never its compiled twin.
        """
        return self.load_twins(lambda twins: open_it(twins.bundle))

    def load_twins(self, open_it: Callable[[Twins], _Loaded]) -> tuple[Chosen, _Loaded]:
        """Return the model that runs, and what it and its compiled twin were made into.

        A candidate that cannot be opened has failed, and the active model is opened in its place;
        where that cannot be opened either, the previous one, then the built-in one. If the
        accelerator is at fault, or may be, that is not held against the candidate.

        Args:
            open_it: Raises EdgeRecogError if a model cannot be used, DelegateError if that is for
                its accelerator.

        Raises:
            EdgeRecogError: No model can be.
        """
        chosen = self.started(time.monotonic_ns())
        while chosen.on_trial:
            try:
                return chosen, open_it(chosen.twins)
            except EdgeRecogError as error:
                is_to_blame = not isinstance(error, DelegateError)
                self.unhealthy(f"it cannot be loaded: {error}", counts=is_to_blame)
                chosen = self.started(time.monotonic_ns())
        notes = list(chosen.notes)
        for other in self._store.alternatives(chosen):
            try:
                return _noted(other, *notes), open_it(other.twins)
            except EdgeRecogError as error:
                if other.model == BUILT_IN:
                    raise
                notes.append(f"the model {other.model[:12]} cannot be loaded: {error}")
                _LOG.error("%s", notes[-1])
        raise AssertionError("the built-in model is always among them")

    def answered(self, now_ns: int, frames: int = 1) -> None:
        """Take that the model has answered frames."""
        running = self._running
        if running is not None:
            with self._counting:
                running.health.answered(now_ns, frames)

    def unhealthy(self, reason: str, *, counts: bool = True) -> None:
        """Take that the model failed, hung or gave no answer; not that there is no camera.

        Args:
            reason: A sentence without a full stop.
            counts: Whether the model is to blame; its accelerator else.
        """
        running = self._running
        if running is not None:
            with self._counting:
                running.health.unhealthy(reason, counts=counts)

    def tick(self, now_ns: int) -> Ended | None:
        """Return how the trial ended; None while it goes on, or there is none.

        If it is not `committed`, another model is to be loaded now. What is decided counts for this
        process even if it cannot be written down.
        """
        with self._writing:
            running = self._running
            if running is None:
                return None
            with self._counting:
                decision = running.health.decide(now_ns)
            if decision is None:
                return None
            if isinstance(decision, Commit):
                return self._commit(running, now_ns)
            return self._roll_back(running, decision)

    def stopped(self, now_ns: int) -> None:
        """Take that the process ends in order: the candidate goes on at the next start."""
        with self._writing:
            running = self._running
            if running is not None:
                with self._counting:
                    health = running.health
                    frames, healthy_s, ran_s = health.frames, health.healthy_s, health.ran_s(now_ns)
                try:
                    self._change(
                        lambda state: transitions.paused(
                            state, running.digest, frames=frames, healthy_s=healthy_s, ran_s=ran_s
                        )
                    )
                except StoreError as error:
                    _LOG.error("the next start takes this end for a crash: %s", error)
            self._end()

    def _begin(self, now_ns: int) -> Chosen:
        """Return what to run; with the store locked, so that nobody changes it meanwhile.

        Raises:
            StoreError: It cannot be changed.
        """
        store = self._store
        with writing(store.root, wait_s=store.wait_s) as writer:
            writer.check()
            candidate = writer.state.candidate
            if candidate is None:
                self._end()
                return reading.choose(writer.folder, writer.state, notes=writer.notes)
            digest = candidate.version
            if not self._hold(writer.folder):
                note = f"the candidate {digest[:12]} is on trial in another process"
                notes = (*writer.notes, note)
                return reading.choose(writer.folder, writer.state, notes=notes)
            problem = self._forsaken.get(digest)
            if problem is None and candidate.is_running and self.candidate != digest:
                problem = _DIED
            twins, counts = None, True
            if problem is None:
                try:
                    twins = reading.open_version(writer.folder, digest)
                except (BundleError, DamagedVersionError) as error:
                    problem = f"it cannot be opened: {error}"
                    counts = isinstance(error, BundleError)
            if twins is None:
                reason = problem or ""
                writer.save(transitions.failed(writer.state, digest, reason, counts=counts))
                self._forsaken.pop(digest, None)
                self._end()
                note = f"the candidate {digest[:12]} was rolled back: {reason}"
                notes = (*writer.notes, note)
                return reading.choose(writer.folder, writer.state, notes=notes)
            if self.candidate != digest:
                writer.save(transitions.begun(writer.state))
                health = Health(self._rules, candidate, now_ns=now_ns)
                self._running = _Running(digest, health)
                self._retry_ns = 0
            return Chosen(digest, twins.bundle, twins.compiled, on_trial=True, notes=writer.notes)

    def _go_on(self, note: str) -> Chosen:
        """Return what to run while nothing can be written down: a candidate that runs goes on."""
        running = self._running
        if running is not None:
            with (
                contextlib.suppress(OSError, BundleError, StoreError),
                Folder(self._store.root) as folder,
            ):
                twins = reading.open_version(folder, running.digest)
                return Chosen(
                    running.digest, twins.bundle, twins.compiled, on_trial=True, notes=(note,)
                )
        self._end()
        return _noted(self._store.chosen(), note)

    def _commit(self, running: _Running, now_ns: int) -> Ended | None:
        if now_ns < self._retry_ns:
            return None
        try:
            before, after = self._change(
                lambda state: transitions.committed(state, running.digest), wait_s=_TICK_WAIT_S
            )
        except StoreError as error:
            # It goes on as a candidate: if it dies before that is written, it is rolled back.
            _LOG.error("the candidate has proved itself, and that cannot be kept: %s", error)
            self._retry_ns = now_ns + round(_RETRY_S * 1e9)
            return None
        self._end()
        if after.active != running.digest:
            return Ended("withdrawn", running.digest, "another model was activated meanwhile")
        _LOG.info("%s is the active model now", before.versions[running.digest].name)
        self._tell_in_use(running.digest)
        return Ended("committed", running.digest, "")

    def _roll_back(self, running: _Running, decision: RollBack) -> Ended:
        self._forsaken[running.digest] = decision.reason
        try:
            before, _ = self._change(
                lambda state: transitions.failed(
                    state, running.digest, decision.reason, counts=decision.counts
                ),
                wait_s=_TICK_WAIT_S,
            )
        except StoreError as error:
            # The disk still says that it runs here: the next start rolls it back.
            _LOG.error("the candidate is given up, and that cannot be kept: %s", error)
            self._running = None
            return Ended("rolled-back", running.digest, decision.reason)
        del self._forsaken[running.digest]
        self._end()
        if before.nominee != running.digest:
            return Ended("withdrawn", running.digest, "another model was activated meanwhile")
        _LOG.warning("the candidate was rolled back: %s", decision.reason)
        return Ended("rolled-back", running.digest, decision.reason)

    def _change(
        self, transition: Callable[[State], State], *, wait_s: float | None = None
    ) -> tuple[State, State]:
        """Return the state before and after a transition.

        Raises:
            StoreError: It cannot be written.
        """
        wait_s = self._store.wait_s if wait_s is None else wait_s
        with writing(self._store.root, wait_s=wait_s) as writer:
            before = writer.state
            writer.save(transition(before))
            return before, writer.state

    def _hold(self, folder: Folder) -> bool:
        """Tell whether this process is the one that has a candidate on trial."""
        if self._lock is None:
            self._lock = folder.lock(LOCK, wait_s=0.0)
        return self._lock is not None

    def _end(self) -> None:
        """Have nothing on trial any more."""
        self._running = None
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _tell_in_use(self, model: str) -> None:
        try:
            version = self._store.state().versions.get(model)
            if version is not None and version.release is not None:
                self._store.admission.in_use(version.release)
        except EdgeRecogError as error:
            _LOG.warning("older releases than this one may come after it: %s", error)


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    digest: str
    health: Health


def _noted(chosen: Chosen, *notes: str) -> Chosen:
    kept = tuple(dict.fromkeys((*chosen.notes, *notes)))
    return replace(chosen, notes=kept)
