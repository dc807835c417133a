"""Looking for releases and bringing them into the store: a thin shell around `deciding`.

    updater = Updater(store, repository, folder, channel="stable", tell=publish, reload=reload)
    updater.run(stop)          # in a thread of its own, until `stop` is set

Whether a release proves itself is the store's affair (`edge_recog.store.Trial`); here it is seen
from the store's state, so it does not matter which process or life of it had the trial.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog import __version__
from edge_recog.errors import BundleError, EdgeRecogError
from edge_recog.signing import SignatureError
from edge_recog.signing.statements import EARLIEST_CLOCK
from edge_recog.store import BadVersionError, FailedTryoutError, transitions
from edge_recog.store.writing import writing
from edge_recog.updates.deciding import (
    MOST_REJECTIONS,
    Install,
    Refuse,
    Standing,
    Stay,
    Withdraw,
    decide,
    seems_early,
)
from edge_recog.updates.errors import (
    RefusedError,
    UnreachableError,
    UnusableUpdatesError,
    UpdateError,
)
from edge_recog.updates.journal import Attempt, Journal, Known, read_journal, write_journal
from edge_recog.updates.places import device_id
from edge_recog.updates.polling import PollRules, first_delay_s, next_delay_s
from edge_recog.updates.reports import Report
from edge_recog.updates.reports import State as ReportState

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.store import Store
    from edge_recog.store.state import State
    from edge_recog.updates.release import Offer
    from edge_recog.updates.repository.protocol import Repository

_LOG = logging.getLogger(__name__)
_GLANCE_S: Final = 15.0
"""Between two glances at the store's state, which touch no network."""


class Updater:
    """Of one device and channel; for one thread, apart from `close`."""

    def __init__(
        self,
        store: Store,
        repository: Repository,
        folder: Path,
        *,
        channel: str,
        tell: Callable[[Report], None],
        reload: Callable[[], None] = lambda: None,
        rules: PollRules | None = None,
        profile: str | None = None,
        version: str = __version__,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Touch nothing yet.

        Args:
            store: Gets the models.
            repository: Has them.
            folder: For what is to be remembered.
            channel: To follow.
            tell: Gets each report; must not raise.
            reload: Makes the process that classifies load its model anew; must not raise.
            rules: How often to look; the defaults if None.
            profile: What kind of device this is.
            version: Of edge-recog here.
            now: The time, in UTC.
            draw: Random numbers from 0 to 1.
        """
        self._store = store
        self._repository = repository
        self._folder = folder
        self._channel = channel
        self._tell = tell
        self._reload = reload
        self._rules = rules or PollRules()
        self._profile = profile
        self._version = version
        self._now = now
        self._draw = draw
        self._failures = 0
        self._retry_after_s: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set; `close` then ends what goes on.

        Args:
            stop: Set by another thread.
        """
        due_s = time.monotonic() + first_delay_s(self._rules, self._draw())
        while not stop.is_set():
            self.glance()
            if time.monotonic() >= due_s:
                self.look()
                due_s = time.monotonic() + self.next_delay_s()
            stop.wait(max(0.0, min(_GLANCE_S, due_s - time.monotonic())))

    def close(self) -> None:
        """End what goes on in another thread. Safe to call twice."""
        self._repository.close()

    def next_delay_s(self) -> float:
        """Return seconds from the last look to the next."""
        return next_delay_s(
            self._rules,
            self._draw(),
            failures=self._failures,
            retry_after_s=self._retry_after_s,
        )

    def look(self) -> None:
        """Look at the channel once, and do what is to be done about it."""
        try:
            self._look()
            self._failures, self._retry_after_s = 0, None
        except UpdateError as error:
            self._failures += 1
            self._retry_after_s = getattr(error, "retry_after_s", None)
            kind = error.reason if isinstance(error, RefusedError) else ""
            _LOG.warning("no update: %s", error)
            self._say(_failed_look(error), reason=str(error), kind=kind)
        except EdgeRecogError as error:
            self._failures += 1
            _LOG.warning("no update: %s", error)
            self._say("unusable", reason=str(error))

    def glance(self) -> None:
        """See how the release on its way stands; touches the disk of this device only."""
        try:
            self._settle(self._store.state())
        except EdgeRecogError as error:
            _LOG.warning("how the update stands is not known: %s", error)

    def _look(self) -> None:
        now = self._now()
        if now < EARLIEST_CLOCK:
            raise UnusableUpdatesError(
                f"the clock says {now:%Y-%m-%d}, so nobody knows whether what is signed still "
                "holds: sudo timedatectl set-ntp true"
            )
        state = self._store.state()
        journal = self._settle(state)
        offers = self._repository.look(self._channel)
        if seems_early(now, offers):
            raise UnusableUpdatesError(
                f"the clock says {now:%Y-%m-%d %H:%M} UTC, before the newest release was signed: "
                "sudo timedatectl set-ntp true"
            )
        decision = decide(self._standing(journal, state), offers)
        if isinstance(decision, Install):
            self._install(decision.offer)
        elif isinstance(decision, Withdraw):
            self._withdraw(journal, decision.reason)
        elif isinstance(decision, Refuse):
            raise RefusedError(
                decision.reason, "mixed" if decision.kind == "mixed" else "downgrade"
            )
        elif isinstance(decision, Stay) and journal.attempt is None:
            if decision.waits_for is not None:
                self._say("waiting", decision.waits_for, reason=decision.reason)
                return
            known = journal.channels.get(self._channel)
            self._say("current", reason=decision.reason if known is None else "", known=known)

    def _standing(self, journal: Journal, state: State) -> Standing:
        known = journal.channels.get(self._channel)
        attempt = journal.attempt
        is_on_trial = attempt is not None and state.nominee == attempt.model
        return Standing(
            device=device_id(self._folder),
            version=self._version,
            profile=self._profile,
            number=0 if known is None else known.number,
            model="" if known is None else known.model,
            on_trial=attempt.number if attempt is not None and is_on_trial else None,
            rejected=journal.rejected,
        )

    def _install(self, offer: Offer) -> None:
        release = offer.release
        state, journal = self._store.state(), read_journal(self._folder)
        if release.model == state.active:
            # It came by other ways, or is an older release under a new number.
            self._commit(journal, Known(release.number, release.model), offer)
            return
        trouble = state.troubles.get(release.model)
        attempt = Attempt(
            channel=self._channel,
            number=release.number,
            model=release.model,
            name=release.name,
            turn=1 + journal.rejected.get(release.model, 0),
            failures_before=0 if trouble is None else trouble.failures,
        )
        if journal.attempt != attempt:
            journal = msgspec.structs.replace(journal, attempt=attempt)
            write_journal(self._folder, journal)
        try:
            if release.model in state.versions:
                self._store.activate(release.model)
            else:
                self._bring(offer, attempt)
        except (BadVersionError, BundleError, SignatureError, FailedTryoutError) as error:
            # What this file is will not change; what this device can do in a moment, may.
            is_final = not isinstance(error, FailedTryoutError)
            turn = MOST_REJECTIONS if is_final else attempt.turn
            self._reject(journal, attempt, turn, str(error))
            return
        written = msgspec.structs.replace(
            journal, attempt=msgspec.structs.replace(attempt, installed=True)
        )
        write_journal(self._folder, written)
        self._repository.forget(release.model)
        self._say("trial", offer, attempt=attempt.turn)
        self._reload()

    def _bring(self, offer: Offer, attempt: Attempt) -> None:
        """Fetch a model and have the store try it.

        Raises:
            EdgeRecogError: It could not be had, or the store does not take it.
        """
        most_bytes = round(self._store.rules.quota_mb * 1e6)
        if offer.size_bytes > most_bytes:
            raise UnusableUpdatesError(
                f"release {offer.release.number} has {offer.size_bytes / 1e6:.1f} MB, more than "
                f"the {most_bytes / 1e6:g} MB that the store may keep"
            )
        self._say("downloading", offer, attempt=attempt.turn)
        data = self._repository.fetch(offer)
        if hashlib.sha256(data).hexdigest() != offer.release.model:
            raise RefusedError(f"{offer.target}: another file than was signed", "altered")
        where = f"release {offer.release.number} of {self._channel} ({offer.release.name})"
        self._store.install(data, offer.release.signature_file, where=where)

    def _settle(self, state: State) -> Journal:
        """Return the journal after noting how the release on its way has ended, if it has."""
        journal = read_journal(self._folder)
        attempt = journal.attempt
        if attempt is None or state.nominee == attempt.model:
            return journal
        trouble = state.troubles.get(attempt.model)
        failures = 0 if trouble is None else trouble.failures
        if state.active == attempt.model:
            return self._commit(journal, Known(attempt.number, attempt.model))
        if trouble is not None and failures > attempt.failures_before:
            turn = MOST_REJECTIONS if trouble.is_bad else attempt.turn
            return self._reject(journal, attempt, turn, trouble.reason)
        if attempt.installed:
            # Somebody here knows better: it is not forced upon him.
            reason = "another model was activated on this device, or its trial proved nothing"
            journal = journal.with_rejection(attempt.model, MOST_REJECTIONS)
            journal = msgspec.structs.replace(journal, attempt=None)
            write_journal(self._folder, journal)
            self._say("withdrawn", attempt=attempt.turn, tried=attempt, reason=reason)
        return journal

    def _commit(self, journal: Journal, known: Known, offer: Offer | None = None) -> Journal:
        attempt = journal.attempt
        journal = msgspec.structs.replace(journal.with_known(self._channel, known), attempt=None)
        write_journal(self._folder, journal)
        turn = 1 if attempt is None else attempt.turn
        self._say("committed", offer, attempt=turn, tried=attempt)
        return journal

    def _reject(self, journal: Journal, attempt: Attempt, turn: int, reason: str) -> Journal:
        journal = journal.with_rejection(attempt.model, turn)
        journal = msgspec.structs.replace(journal, attempt=None)
        write_journal(self._folder, journal)
        if turn >= MOST_REJECTIONS:
            self._repository.forget(attempt.model)
        self._say("failed", attempt=attempt.turn, tried=attempt, reason=reason)
        return journal

    def _withdraw(self, journal: Journal, reason: str) -> None:
        attempt = journal.attempt
        if attempt is None:
            return
        # Only if it is the candidate still: it may have been committed a moment ago.
        with writing(self._store.root, wait_s=self._store.wait_s) as writer:
            writer.check()
            writer.save(transitions.failed(writer.state, attempt.model, reason, counts=False))
        write_journal(self._folder, msgspec.structs.replace(journal, attempt=None))
        self._say("withdrawn", attempt=attempt.turn, tried=attempt, reason=f"stopped: {reason}")
        self._reload()

    def _say(
        self,
        state: ReportState,
        offer: Offer | None = None,
        *,
        tried: Attempt | None = None,
        known: Known | None = None,
        attempt: int = 0,
        reason: str = "",
        kind: str = "",
    ) -> None:
        about: dict[str, Any] = {}
        if offer is not None:
            release = offer.release
            about = {"number": release.number, "model": release.model, "name": release.name}
        elif tried is not None:
            about = {"number": tried.number, "model": tried.model, "name": tried.name}
        elif known is not None:
            about = {"number": known.number, "model": known.model}
        if "model" in about:
            about["model"] = f"sha256:{about['model']}"
        at = self._now().isoformat(timespec="seconds").replace("+00:00", "Z")
        self._tell(
            Report(
                channel=self._channel,
                state=state,
                reason=reason,
                kind=kind,
                attempt=attempt,
                at=at,
                **about,
            )
        )


def _failed_look(error: UpdateError) -> ReportState:
    if isinstance(error, RefusedError):
        return "refused"
    return "unreachable" if isinstance(error, UnreachableError) else "unusable"
