"""The store to which faults are done: its folder, its models, and the processes that change it."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_recog.store import transitions
from edge_recog.store.reading import COPY, MODEL, STATE, VERSIONS
from edge_recog_benchmarks.studies.store_faults import states
from edge_recog_benchmarks.studies.store_faults.children import Child
from edge_recog_benchmarks.studies.store_faults.models import Models
from edge_recog_benchmarks.studies.store_faults.powercut import write_tree
from edge_recog_benchmarks.studies.store_faults.verdict import BrokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edge_recog.store import State
    from edge_recog_benchmarks.studies.store_faults.operations import Doing
    from edge_recog_benchmarks.studies.store_faults.powercut import Tree
    from edge_recog_benchmarks.studies.store_faults.shim import Injection, Seen, Shim


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of something that was done to a copy of the store."""

    states: Sequence[State]
    """One after the other; first the one before."""
    seen: Seen
    """By the process that did the last of it."""
    error: str
    """Why that was refused; empty if it was not."""

    @property
    def after(self) -> State:
        """The last state."""
        return self.states[-1]


class Stand:
    """One store; it begins empty."""

    def __init__(self, folder: Path, shim: Shim) -> None:
        """Prepare.

        Args:
            folder: Has `picture.tflite`; takes the store.
            shim: Does the faults.
        """
        folder = folder.resolve()
        self.root = folder / "models"
        """The store's folder."""
        self.models = Models(folder / "picture.tflite")
        """That can be installed."""
        self._copy = folder / "copy"
        self._trace = folder / "trace"
        self._shim = shim

    # What is done

    def begin(
        self, do: Doing, injection: Injection | None = None, *, is_traced: bool = False
    ) -> Child:
        """Do something in a process of its own.

        Args:
            do: What is done.
            injection: What is to happen to it; nothing if None.
            is_traced: Whether `trace` is to tell what it did.
        """
        return Child(
            lambda: do(self.root),
            shim=self._shim,
            root=self.root,
            injection=injection,
            trace=self._trace if is_traced else None,
        )

    def calm(self, do: Doing) -> Any:
        """Do something without a fault; return what it returns.

        Raises:
            BrokenError: It fails.
        """
        heard = self.begin(do).wait()
        if heard.error or heard.signal:
            raise BrokenError(f"it fails without a fault: signal {heard.signal}: {heard.error}")
        return heard.value

    def rehearsed(self, *dos: Doing) -> Rehearsal:
        """Do something to a copy, one after the other; it may be refused. It is traced.

        Raises:
            BrokenError: It crashes.
        """
        found = [self.state()]
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.root, self._copy)
        for do in dos:
            seen, error = self._rehearse(do)
            found += states.written(self.trace())
        shutil.rmtree(self._copy)
        return Rehearsal(found, seen, error)

    def trace(self) -> list[str]:
        """Return what was done by the last process that was traced, as lines of the library."""
        return self._trace.read_text().splitlines()

    def replace(self, tree: Tree) -> None:
        """Have other files in the store's folder, and no others."""
        shutil.rmtree(self.root)
        write_tree(tree, self.root)

    def clear(self) -> None:
        """Begin with an empty store again."""
        shutil.rmtree(self.root, ignore_errors=True)

    # What is there

    def whole_states(self) -> list[State]:
        """Return what the state files say that are whole."""
        paths = [self.root / name for name in (STATE, COPY)]
        return states.decoded(path.read_bytes() for path in paths if path.is_file())

    def state(self) -> State:
        """Return the state that counts."""
        return states.newest(self.whole_states())

    def damaged(self, digests: Iterable[str]) -> list[str]:
        """Return those of some versions whose model is not what it was, or gone."""
        found = []
        for digest in sorted(digests):
            path = self.root / VERSIONS / digest / MODEL
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
                continue
            found.append(digest)
        return found

    def without_damaged(self, state: State) -> State:
        """Return what becomes of a state once its damaged versions are noticed."""
        gone = [one for one in state.versions if not (self.root / VERSIONS / one).is_dir()]
        return transitions.lost(state, [*gone, *self.damaged(state.protected)])

    def _rehearse(self, do: Doing) -> tuple[Seen, str]:
        heard = Child(
            lambda: do(self._copy), shim=self._shim, root=self._copy, trace=self._trace
        ).wait()
        if heard.is_crash or heard.signal or heard.seen is None:
            raise BrokenError(f"it fails without a fault: {heard.error}")
        return heard.seen, heard.error
