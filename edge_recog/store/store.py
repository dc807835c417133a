"""The models on a device: what is installed, which one is in use, and which one was before."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge_recog.bundle import Bundle
from edge_recog.errors import BundleError, EdgeRecogError, UsageError
from edge_recog.interpreters.twins import Twins, compiled_twin
from edge_recog.store import reading, transitions
from edge_recog.store.admission import Anybody, admit_both
from edge_recog.store.describing import described, with_outcomes
from edge_recog.store.errors import (
    DamagedVersionError,
    NoRoomError,
    UnusableStoreError,
)
from edge_recog.store.folder import Folder
from edge_recog.store.identity import Files
from edge_recog.store.reading import Chosen
from edge_recog.store.rules import StoreRules
from edge_recog.store.state import BUILT_IN, State
from edge_recog.store.trial import Trial
from edge_recog.store.tryout import require, try_on_device, try_twins_on_device
from edge_recog.store.writing import WAIT_S, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_recog.store.admission import Admission
    from edge_recog.store.identity import TwinFile
    from edge_recog.store.rules import TrialRules
    from edge_recog.store.tryout import Outcome, Tryout, TwinsTryout

_LOG = logging.getLogger(__name__)
_LOOKS = 3
"""At the state, while others change it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a version stands."""

    digest: str
    problem: str
    """A sentence; empty if all is well."""
    outcome: Outcome | None
    """What it did on this device; None if that was not tried, or failed."""
    compiled: Outcome | None = None
    """What its compiled twin did; None as well if there is no twin, or no accelerator was named."""


class Store:
    """A folder of models. Each method reads it anew: other processes change it as well."""

    def __init__(
        self,
        root: Path,
        *,
        rules: StoreRules | None = None,
        admission: Admission | None = None,
        tryout: Tryout | None = None,
        twins_tryout: TwinsTryout | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        """Touch nothing yet.

        Args:
            root: The folder, made when something is first changed.
            rules: The defaults if None.
            admission: Who decides what may be installed; None: everything may.
            tryout: Runs a model on this device; `try_on_device` with one thread if None.
            twins_tryout: The same for a model with a compiled twin; `try_twins_on_device` with one
                thread and no accelerator if None.
            wait_s: For other processes that change it.
        """
        self.root = root
        self.rules = rules or StoreRules()
        self.admission = admission or Anybody()
        self.wait_s = wait_s
        memory_mb = self.rules.most_memory_mb
        self._tryout = tryout or partial(try_on_device, memory_mb=memory_mb, folder=root)
        self._twins_tryout = twins_tryout or partial(
            try_twins_on_device, memory_mb=memory_mb, folder=root
        )

    def state(self) -> State:
        """Return what is in force.

        Raises:
            UnusableStoreError: It cannot be read, or is of a newer version of this program.
        """
        with self._looking() as folder:
            return reading.read_state(folder).state if folder else State()

    def chosen(self) -> Chosen:
        """Return the model to run: the active one, never a candidate (see `Trial.started`).

        Where it is damaged, that is the previous one, else the built-in one, and notes say so.

        Raises:
            BundleError: Not even the built-in model can be used.
        """
        try:
            with self._looking() as folder:
                if folder is None:
                    return reading.choose(None, State())
                found = reading.read_state(folder)
                for _ in range(_LOOKS):
                    notes = ("the state was lost",) if found.is_lost else ()
                    chosen = reading.choose(folder, found.state, notes=notes)
                    # What is in use is never removed, unless it has just ceased to be.
                    before, found = found, reading.read_state(folder)
                    if not chosen.notes or found.state == before.state:
                        break
                return chosen
        except UnusableStoreError as error:
            return reading.choose(None, State(), notes=(str(error),))

    def alternatives(self, chosen: Chosen) -> Iterator[Chosen]:
        """Yield what was chosen, and then what could be run if that cannot be loaded.

        Raises:
            BundleError: Not even the built-in model can be used.
        """
        yield chosen
        if chosen.model == BUILT_IN:
            return
        with contextlib.suppress(UnusableStoreError, BundleError, DamagedVersionError):
            previous = self.state().previous
            with self._looking() as folder:
                if folder is not None and previous not in {None, BUILT_IN, chosen.model}:
                    twins = reading.open_version(folder, str(previous))
                    yield Chosen(str(previous), twins.bundle, twins.compiled)
        yield reading.choose(None, State())

    def install(
        self,
        model: bytes,
        signature: bytes | None = None,
        *,
        where: str,
        nominate: bool = True,
        even_if_bad: bool = False,
        twin: TwinFile | None = None,
    ) -> str:
        """Keep a model that is sound, admitted and does on this device what it must.

        Args:
            model: The file.
            signature: Its signature's file; None if there is none.
            where: Path of the model, for messages.
            nominate: Whether to make it the candidate; that it failed too often only counts then.
            even_if_bad: Nominate it all the same.
            twin: What edgetpu_compiler made of the model: kept with it, or neither is.

        Returns:
            The version's digest, see `identity.Files`.

        Raises:
            EdgeRecogError: It is not kept; the message says why.
        """
        files = Files(model, None if twin is None else twin.data)
        twins = Twins(Bundle.from_bytes(model, where=where))
        if twin is not None:
            twins = Twins(twins.bundle, compiled_twin(twins.bundle, twin.data, where=twin.where))
        digest = files.digest
        compiled_signature = None if twin is None else twin.signature
        version = described(twins, signature, compiled_signature)
        release = admit_both(self.admission, twins, signature, compiled_signature)
        if version.size_bytes > self._quota_bytes:
            raise NoRoomError(
                f"{where}: it takes {version.size_bytes / 1e6:.2f} MB, more than the "
                f"{self.rules.quota_mb:g} MB for all models together: allow more with --quota-mb"
            )
        if nominate and not even_if_bad:
            # Before the work for it, and again when nobody else can change it.
            transitions.require_good(self.state(), digest)
        version = replace(
            with_outcomes(version, *self._tried(twins)),
            release=release,
            installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with writing(self.root, wait_s=self.wait_s) as writer:
            writer.check()
            if nominate and not even_if_bad:
                transitions.require_good(writer.state, digest)
            if digest not in writer.state.versions:
                writer.save(
                    transitions.make_room(
                        writer.state, version.size_bytes, quota_bytes=self._quota_bytes
                    )
                )
            writer.put(digest, files, signature, compiled_signature)
            after = transitions.installed(writer.state, digest, version)
            if nominate:
                after = transitions.nominated(after, digest, even_if_bad=even_if_bad)
            writer.save(after)
        return digest

    def activate(self, name: str, *, even_if_bad: bool = False) -> str:
        """Make a version that is kept the candidate, after trying it again.

        The built-in one, which needs no trial, is active at once.

        Args:
            name: See `transitions.resolved`.
            even_if_bad: Even if it failed too often.

        Returns:
            Its digest, or `built-in`.

        Raises:
            EdgeRecogError: It does not become the candidate; the message says why.
        """
        state = self.state()
        digest = transitions.resolved(state, name)
        if digest not in {BUILT_IN, state.active}:
            if not even_if_bad:
                transitions.require_good(state, digest)
            with self._looking() as folder:
                if folder is None:
                    raise UsageError(f"{self.root}: there are no models")
                twins = self._kept(folder, digest)
            self._tried(twins)
        with writing(self.root, wait_s=self.wait_s) as writer:
            writer.check()
            if digest == BUILT_IN:
                writer.save(transitions.built_in_activated(writer.state))
            else:
                _require_kept(writer.state, digest)
                writer.save(transitions.nominated(writer.state, digest, even_if_bad=even_if_bad))
        return digest

    def roll_back(self) -> State:
        """Withdraw the candidate; without one, go back to the previous model at once.

        Raises:
            UsageError: There is nothing to go back to.
            StoreError: The store cannot be changed.
        """
        with writing(self.root, wait_s=self.wait_s) as writer:
            writer.check()
            writer.save(transitions.rolled_back(writer.state))
            return writer.state

    def pin(self, name: str, *, on: bool = True) -> str:
        """Keep a version from being cleaned up, or no longer; return its digest.

        Raises:
            UsageError: There is no such version.
            StoreError: The store cannot be changed.
        """
        with writing(self.root, wait_s=self.wait_s) as writer:
            digest = self._version(writer.state, name)
            writer.save(transitions.pinned(writer.state, digest, on=on))
            return digest

    def remove(self, name: str) -> str:
        """Keep a version no longer; return its digest.

        Raises:
            UsageError: There is no such version, or it is in use or pinned.
            StoreError: The store cannot be changed.
        """
        with writing(self.root, wait_s=self.wait_s) as writer:
            digest = self._version(writer.state, name)
            writer.save(transitions.removed(writer.state, digest))
            return digest

    def trial(self, rules: TrialRules | None = None) -> Trial:
        """Return what runs candidates; one for each process that classifies."""
        return Trial(self, rules)

    def tidy(self) -> tuple[str, ...]:
        """Clean up after a process that died, and go on without what is damaged and in use.

        Returns:
            Sentences: what had to be mended.

        Raises:
            StoreError: The store cannot be changed.
        """
        with writing(self.root, wait_s=self.wait_s) as writer:
            writer.check()
            return writer.notes

    def verify(self, name: str | None = None, *, run: bool = True) -> Iterator[Verdict]:
        """Look at one version or at all: hash, signature, and what they do on this device.

        Args:
            name: See `transitions.resolved`; all if None.
            run: Whether to run them.

        Raises:
            UsageError: There is no such version.
            UnusableStoreError: The store cannot be read.
        """
        state = self.state()
        digests = state.oldest_first if name is None else [self._version(state, name)]
        for digest in digests:
            try:
                yield Verdict(digest, "", *self._verified(digest, run=run))
            except EdgeRecogError as error:
                yield Verdict(digest, str(error), None)

    def _verified(self, digest: str, *, run: bool) -> tuple[Outcome | None, Outcome | None]:
        with self._looking() as folder:
            if folder is None:
                raise DamagedVersionError(f"{self.root}: the folder is gone")
            twins = self._kept(folder, digest)
        return self._tried(twins) if run else (None, None)

    def _kept(self, folder: Folder, digest: str) -> Twins:
        """Return what is kept of a version, if it is whole and still admitted."""
        twins = reading.open_version(folder, digest)
        signatures = [
            reading.read_signature(folder, digest, compiled=compiled) for compiled in (False, True)
        ]
        admit_both(self.admission, twins, *signatures)
        return twins

    @property
    def _quota_bytes(self) -> int:
        return round(self.rules.quota_mb * 1e6)

    def _tried(self, twins: Twins) -> tuple[Outcome, Outcome | None]:
        """Return what a model and its compiled twin did; see `Verdict`."""
        model, compiled = twins.bundle, twins.compiled
        if compiled is None:
            outcome = self._tryout(model.data, where=model.where)
            require(outcome, self.rules, where=model.where)
            return outcome, None
        outcome, accelerated = self._twins_tryout(twins)
        require(outcome, self.rules, where=model.where)
        if accelerated is not None:
            require(accelerated, self.rules, where=compiled.where)
        return outcome, accelerated

    def _version(self, state: State, name: str) -> str:
        digest = transitions.resolved(state, name)
        if digest == BUILT_IN:
            raise UsageError("the built-in model belongs to the package; it is not kept here")
        return digest

    @contextlib.contextmanager
    def _looking(self) -> Iterator[Folder | None]:
        """Yield the open folder; None if it is not there.

        Raises:
            UnusableStoreError: It cannot be read.
        """
        try:
            try:
                folder = Folder(self.root)
            except FileNotFoundError:
                yield None
                return
            with folder:
                yield folder
        except OSError as error:
            if isinstance(error, EdgeRecogError):
                raise
            raise UnusableStoreError(
                f"{self.root}: cannot be read: {error.strerror or error}"
            ) from error


def _require_kept(state: State, digest: str) -> None:
    """Refuse what another process has removed meanwhile.

    Raises:
        UsageError: It has.
    """
    if digest not in state.versions:
        raise UsageError(f"sha256:{digest[:12]} was removed or damaged meanwhile; install it again")
