"""Changing the store: one process at a time, the state last, and nothing left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from edge_recog.errors import EdgeRecogError
from edge_recog.store import document, reading, transitions
from edge_recog.store.describing import described
from edge_recog.store.errors import (
    BusyError,
    DamagedVersionError,
    UnreadableVersionError,
    UnusableStoreError,
)
from edge_recog.store.folder import PART, Folder
from edge_recog.store.reading import (
    COMPILED,
    COMPILED_SIGNATURE,
    COPY,
    INCOMING,
    MODEL,
    SIGNATURE,
    STATE,
    VERSIONS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_recog.store.identity import Files
    from edge_recog.store.state import State

_LOG = logging.getLogger(__name__)
LOCK: Final = "store.lock"
WAIT_S: Final = 30.0
"""For others to finish."""


class Writer:
    """The store while this process alone may change it; made by `writing`.

    Every method leaves the disk so that power may fail during and after it: a version's files are
    whole before the state names them, and go only after it has ceased to.
    """

    def __init__(self, folder: Folder) -> None:
        """Mend what others left behind.

        Raises:
            UnusableStoreError: The state is of a newer version of this program.
            OSError: It cannot be mended.
        """
        self.folder = folder
        self.notes: tuple[str, ...] = ()
        """Sentences: what had to be mended."""
        for name in (VERSIONS, INCOMING):
            folder.make_folder(name)
        found = reading.read_state(folder)
        self.state = found.state
        if found.is_lost:
            self._note("the state was lost, so the built-in model is active")
            self.state = self._salvaged()
        if found.is_lost or not found.is_whole:
            self._write(self.state)
        self.sweep()

    def save(self, state: State) -> None:
        """Go over to another state, which lasts when this returns; files that it drops go.

        Raises:
            OSError: It cannot be written: then either of the two is in force.
        """
        if state is self.state:
            return
        self._write(replace(state, generation=self.state.generation + 1))
        self.sweep()

    def check(self) -> None:
        """Read all that is in use, and go on without what is damaged, or gone.

        Raises:
            OSError: The state cannot be written.
        """
        there = reading.kept_digests(self.folder)
        damaged = sorted(self.state.versions.keys() - set(there))
        for digest in damaged:
            self._note(f"{self.folder.path / VERSIONS / digest}: the files are gone")
        for digest in sorted(self.state.protected - set(damaged)):
            try:
                reading.read_files(self.folder, digest)
            except UnreadableVersionError as error:
                # It is passed over now, and may be there again later.
                self._note(str(error))
            except DamagedVersionError as error:
                damaged.append(digest)
                self._note(str(error))
        self.save(transitions.lost(self.state, damaged))

    def put(
        self,
        digest: str,
        files: Files,
        signature: bytes | None,
        compiled_signature: bytes | None = None,
    ) -> None:
        """Have a version's files in place; what is there of that name goes, if it is damaged.

        Raises:
            OSError: They cannot be written.
        """
        signatures = {SIGNATURE: signature, COMPILED_SIGNATURE: compiled_signature}
        if self._is_whole(digest):
            # It may be in use: it is not to be away for a moment.
            for name, data in signatures.items():
                compiled = name == COMPILED_SIGNATURE
                before = reading.read_signature(self.folder, digest, compiled=compiled)
                if data not in {None, before}:
                    self.folder.replace(f"{VERSIONS}/{digest}/{name}", data or b"")
            return
        arriving = f"{INCOMING}/{secrets.token_hex(8)}"
        self.folder.make_folder(arriving)
        for name, data in {MODEL: files.model, COMPILED: files.compiled, **signatures}.items():
            if data is not None:
                self.folder.write(f"{arriving}/{name}", data)
        self.folder.sync(arriving)
        with contextlib.suppress(FileNotFoundError):
            self._take_out(digest)
        self.folder.move(arriving, f"{VERSIONS}/{digest}")

    def sweep(self) -> None:
        """Remove what belongs to nothing. What cannot be removed is left to the next one."""
        for name in self.folder.names():
            if name.startswith((f"{STATE}.", f"{COPY}.")) and name.endswith(PART):
                self._try_to_discard(name)
        for digest in reading.kept_digests(self.folder):
            if digest not in self.state.versions:
                try:
                    self._take_out(digest)
                except OSError as error:
                    _LOG.warning("%s cannot be removed: %s", digest, error)
                continue
            for name in self.folder.names(f"{VERSIONS}/{digest}"):
                if name not in {MODEL, SIGNATURE, COMPILED, COMPILED_SIGNATURE}:
                    self._try_to_discard(f"{VERSIONS}/{digest}/{name}")
        for name in self.folder.names(INCOMING):
            self._try_to_discard(f"{INCOMING}/{name}")

    def give_up(self) -> None:
        """Clean up after an error, by what the disk says now."""
        with contextlib.suppress(OSError, EdgeRecogError):
            self.state = reading.read_state(self.folder).state
            self.sweep()

    def _write(self, state: State) -> None:
        data = document.encode(state)
        self.folder.replace(STATE, data)
        self.state = state
        try:
            self.folder.replace(COPY, data)
        except OSError as error:
            # The state is in force; the next one mends the copy.
            _LOG.warning("%s cannot be written: %s", self.folder.path / COPY, error)

    def _is_whole(self, digest: str) -> bool:
        try:
            reading.read_files(self.folder, digest)
        except DamagedVersionError:
            return False
        return True

    def _take_out(self, digest: str) -> None:
        """Have a version be gone at once, whatever becomes of its files."""
        leaving = f"{INCOMING}/{secrets.token_hex(8)}"
        self.folder.move(f"{VERSIONS}/{digest}", leaving)

    def _try_to_discard(self, name: str) -> None:
        try:
            self.folder.discard(name)
        except OSError as error:
            _LOG.warning("%s cannot be removed: %s", self.folder.path / name, error)

    def _salvaged(self) -> State:
        """Return a state by what lies on the disk and is whole; nothing of it is active."""
        state = self.state
        for digest in reading.kept_digests(self.folder):
            try:
                twins = reading.open_version(self.folder, digest)
            except EdgeRecogError as error:
                self._note(str(error))
                continue
            signatures: list[bytes | None] = [None, None]
            for index in range(2):
                with contextlib.suppress(DamagedVersionError):
                    signatures[index] = reading.read_signature(
                        self.folder, digest, compiled=index == 1
                    )
            version = described(twins, *signatures)
            state = transitions.installed(state, digest, version)
        return state

    def _note(self, text: str) -> None:
        _LOG.error("%s", text)
        self.notes += (text,)


@contextlib.contextmanager
def writing(root: Path, *, wait_s: float = WAIT_S) -> Iterator[Writer]:
    """Keep other processes from changing the store, and yield what changes it.

    Raises:
        BusyError: Another one does so all the time.
        UnusableStoreError: The disk is full, fails or is read-only, or the state is of a newer
            version of this program.
    """
    try:
        with Folder(root, create=True) as folder, folder.as_owner():
            lock = folder.lock(LOCK, wait_s=wait_s)
            if lock is None:
                raise BusyError(
                    f"{root}: another process has been changing the models for {wait_s:g} s; try "
                    "again when it is done"
                )
            try:
                writer = Writer(folder)
                try:
                    yield writer
                except BaseException:
                    writer.give_up()
                    raise
            finally:
                os.close(lock)
    except OSError as error:
        if isinstance(error, EdgeRecogError):
            raise
        raise UnusableStoreError(
            f"{root}: cannot be written: {error.strerror or error}; edge-recog model list shows "
            "what is in force"
        ) from error
