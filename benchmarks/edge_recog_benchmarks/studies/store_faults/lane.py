"""One store that lives through faults, in a process into which the library is preloaded.

    LD_PRELOAD=libstorefaults.so python -m ….store_faults.lane FOLDER NUMBER OF

It reads faults from stdin and answers with verdicts on stdout, a line of JSON each.
"""

from __future__ import annotations

import copy
import errno
import hashlib
import importlib
import random
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_recog.interpreters import INTERPRETERS
from edge_recog.store import BUILT_IN, State, document, transitions
from edge_recog.store.reading import COPY, INCOMING, MODEL, SIGNATURE, STATE, VERSIONS
from edge_recog_benchmarks.studies.store_faults import operations
from edge_recog_benchmarks.studies.store_faults.children import Child
from edge_recog_benchmarks.studies.store_faults.drawing import Fault
from edge_recog_benchmarks.studies.store_faults.models import Models
from edge_recog_benchmarks.studies.store_faults.powercut import (
    after_power_cut,
    read_tree,
    write_tree,
)
from edge_recog_benchmarks.studies.store_faults.shim import Injection, Shim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge_recog_benchmarks.studies.store_faults.children import Heard
    from edge_recog_benchmarks.studies.store_faults.powercut import Tree
    from edge_recog_benchmarks.studies.store_faults.shim import Action

_KEPT: Final = 8
"""Versions, between faults; a fault adds some."""
_ROOT_NAMES: Final = {STATE, COPY, VERSIONS, INCOMING, "store.lock", "trial.lock"}
_REAL_EVERY: Final = 8
"""Of so many models that are tried, one is in a process of its own."""
_YEAR_S: Final = 31_557_600
_ATTEMPTS: Final = 50
"""To arrange something in which there is a step to be hit."""
_CUTS: Final = 4
"""Of the power, in thought, at each step."""
_SPARE_BYTES: Final = 200_000
"""For state files, beside models."""


@dataclass(slots=True)
class Verdict:
    """What became of a fault."""

    number: int
    kind: str
    operation: str
    what: str = ""
    """That was done, for people."""
    step: int = 0
    """At which it happened; 0 if at none."""
    steps: int = 0
    """That the operation has."""
    has_happened: bool = False
    cuts: int = 0
    """Power cuts that were tried in thought besides."""
    told: str = ""
    """What the operation said, if it failed."""
    failures: list[str] = field(default_factory=list)
    """What was not as it should be; none if all was well."""


class Lane:
    """Does one fault after the other."""

    def __init__(self, folder: Path, shim: Shim, share: tuple[int, int]) -> None:
        """Begin with an empty store.

        Args:
            folder: Has `picture.tflite`; takes the store.
            shim: Does the faults.
            share: Which lane it is, from 0, and of how many: they share out the steps to die at.
        """
        self._share = share
        self._killed: dict[str, set[int]] = {}
        self._folder = folder.resolve()
        self._root = self._folder / "models"
        self._copy = self._folder / "copy"
        self._trace = self._folder / "trace"
        self._shim = shim
        self._models = Models(self._folder / "picture.tflite")
        self._made = 0
        self._size = len(self._models.make("model-000000"))
        self._largest = 3 * self._size

    def do(self, fault: Fault) -> Verdict:
        """Do a fault and say what became of it."""
        verdict = Verdict(fault.number, fault.kind, fault.operation)
        chance = random.Random(fault.variant)
        try:
            match fault.kind:
                case "bit flip" | "truncation":
                    self._damage(fault, chance, verdict)
                case "two at once":
                    self._two(chance, verdict)
                case "death on trial":
                    self._death(chance, verdict)
                case _:
                    self._at_step(fault, chance, verdict)
            self._afterwards(verdict)
        except _BrokenError as broken:
            verdict.failures.append(str(broken))
        if verdict.failures:
            # What comes next is not to be judged by what is broken.
            shutil.rmtree(self._root, ignore_errors=True)
        return verdict

    # Faults

    def _at_step(self, fault: Fault, chance: random.Random, verdict: Verdict) -> None:
        steps = 0
        allowed: list[State] = []
        # Who was killed before the first step has left nothing to clean up.
        for _ in range(_ATTEMPTS):
            do, verdict.what = self._arranged(fault.operation, chance)
            before = self._state()
            allowed, dry = self._rehearsed(do)
            steps = dry.seen.steps if dry.seen else 0
            if steps:
                break
        else:
            raise _BrokenError(f"it changes nothing: {dry.error}")
        expected = allowed[-1] if allowed else before
        verdict.steps = steps
        if fault.kind == "kill":
            injection = self._next_kill(fault.operation, chance, steps)
        else:
            injection = _injection(fault, chance, steps, dry.seen.reads if dry.seen else 0)
        verdict.step = injection.step
        snapshot = read_tree(self._root)
        if fault.kind == "power cut":
            lines = self._trace.read_text().splitlines()
            self._expect_safe(snapshot, lines, (before, *allowed), chance, verdict)
        heard = Child(
            lambda: do(self._root),
            shim=self._shim,
            root=self._root,
            injection=injection,
            trace=self._trace,
        ).wait()
        verdict.told = heard.error
        verdict.has_happened = heard.signal != 0 or (
            heard.seen is not None and heard.seen.has_happened
        )
        if fault.kind == "clock jump":
            verdict.has_happened = True
            _expect(verdict, not heard.error, f"the clock stops it: {heard.error}")
        if fault.kind == "power cut":
            tree = after_power_cut(snapshot, self._trace.read_text().splitlines(), chance)
            shutil.rmtree(self._root)
            write_tree(tree, self._root)
        if fault.kind == "read error":
            # A candidate that cannot be read is withdrawn.
            allowed += [transitions.withdrawn(state) for state in (before, *allowed)]
        if fault.operation == "commit" and fault.kind in {"disk full", "disk error", "read error"}:
            # It has proved itself, and that could not be kept; the next start does so.
            allowed += [_unkept(state) for state in allowed if state.candidate is not None]
        self._expect_sound(heard, verdict)
        self._bounded(verdict)
        seen = self._looked(verdict)
        known = [_comparable(state) for state in (before, *allowed)]
        after = self._state()
        self._expect_whole(after, verdict)
        _expect(verdict, _comparable(after) in known, "the state is none that it should ever be")
        actives = {state.active for state in (before, *allowed)}
        _expect(
            verdict,
            seen["model"] in actives and seen["model"] == after.active,
            f"{seen['model'][:12]} is chosen, and not the active model",
        )
        if not verdict.has_happened or fault.kind == "clock jump":
            is_same = _comparable(after) == _comparable(expected)
            _expect(verdict, is_same, "it did not do what it does otherwise")

    def _damage(self, fault: Fault, chance: random.Random, verdict: Verdict) -> None:
        self._some_versions()
        if chance.random() < 0.5:
            self._need_candidate(chance)
        before = self._state()
        files = [path for path in sorted(self._root.rglob("*")) if path.is_file()]
        files = [path for path in files if path.stat().st_size]
        chosen = [chance.choice(files)]
        if chance.random() < 0.15:
            # Twice at once: nothing is left of what was active.
            chosen = [self._root / STATE, self._root / COPY]
        for path in chosen:
            data = bytearray(path.read_bytes())
            at = chance.randrange(len(data))
            if fault.kind == "truncation":
                del data[at:]
            else:
                data[at] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
        names = [str(path.relative_to(self._root)) for path in chosen]
        verdict.what = f"{' and '.join(names)} damaged"
        verdict.has_happened = True
        is_lost = len(chosen) == 2
        expected = State() if is_lost else self._without_damaged(before)
        seen = self._looked(verdict)
        _expect(
            verdict,
            seen["model"] == expected.active,
            f"{seen['model'][:12]} is chosen, and not {expected.active[:12]}",
        )
        is_active_damaged = not is_lost and expected.active != before.active
        _expect(
            verdict,
            bool(seen["notes"]) == (is_lost or is_active_damaged),
            "a model was passed over and nobody was told, or the other way round",
        )

    def _two(self, chance: random.Random, verdict: Verdict) -> None:
        self._some_versions()
        first, first_what = self._arranged("install", chance)
        other = chance.choice(
            ("install", "install", "commit", "activate", "remove", "roll back", "pin")
        )
        second, second_what = self._arranged(other, chance)
        verdict.what = f"{first_what}, and {second_what}"
        before = self._state()
        orders = [self._rehearsed(*order)[0] for order in ((first, second), (second, first))]
        is_killed = chance.random() < 0.5
        injection = Injection()
        if is_killed:
            _, dry = self._rehearsed(first)
            verdict.steps = dry.seen.steps if dry.seen else 0
            verdict.step = chance.randrange(1, verdict.steps + 1)
            injection = Injection("kill-before", verdict.step)
        children = [
            Child(lambda: first(self._root), shim=self._shim, root=self._root, injection=injection),
            Child(lambda: second(self._root), shim=self._shim, root=self._root),
        ]
        heard = [child.wait() for child in children]
        verdict.has_happened = True
        verdict.told = "; ".join(one.error for one in heard if one.error)
        for one in heard:
            self._expect_sound(one, verdict)
        _expect(verdict, heard[1].signal == 0, "the other process died as well")
        self._bounded(verdict)
        seen, after = self._looked(verdict), self._state()
        self._expect_whole(after, verdict)
        _expect(verdict, seen["model"] == after.active, "what is chosen is not the active model")
        actives = {state.active for order in orders for state in (before, *order)}
        _expect(verdict, after.active in actives, "a model is active that nobody activated")
        # What classifies changes the store several times, and others may come in between.
        if not is_killed and other != "commit":
            lasts = [_comparable((order or [before])[-1]) for order in orders]
            _expect(
                verdict,
                _comparable(after) in lasts,
                "both at once come to something else than one after the other",
            )

    def _death(self, chance: random.Random, verdict: Verdict) -> None:
        """Kill the process that runs a candidate, three times in a row."""
        digest = self._need_candidate(chance)
        active = self._state().active
        verdict.what = f"{digest[:12]} dies three times while on trial"
        verdict.has_happened = True
        before = self._state().troubles.get(digest)
        for failures in range(1 + (before.failures if before else 0), 4):
            heard = self._calm(operations.die)
            _expect(verdict, heard.value["on_trial"], "the candidate is not tried")
            again = self._calm(operations.start).value
            state = self._state()
            _expect(verdict, again["model"] == active, "the active model does not come back")
            trouble = state.troubles.get(digest)
            _expect(
                verdict,
                state.candidate is None and trouble is not None and trouble.failures == failures,
                "the failure was not counted",
            )
            nominated = Child(
                lambda: operations.activate(digest)(self._root), shim=self._shim, root=self._root
            ).wait()
            is_refused = "times in a row" in nominated.error
            _expect(verdict, is_refused == (failures >= 3), "it is refused too early or too late")
        _expect(verdict, self._state().is_bad(digest), "the version is not marked as bad")

    def _next_kill(self, operation: str, chance: random.Random, steps: int) -> Injection:
        """Return a death at a step at which no process has died yet, as long as there is one."""
        number, lanes = self._share
        killed = self._killed.setdefault(operation, set())
        mine = [step for step in range(1, steps + 1) if step % lanes == number]
        left = [step for step in mine if step not in killed]
        step = chance.choice(left or mine or [steps])
        killed.add(step)
        how: tuple[Action, ...] = ("kill-before", "kill-within", "kill-after")
        return Injection(chance.choice(how), step)

    # What is arranged

    def _arranged(self, operation: str, chance: random.Random) -> tuple[Callable[[Path], Any], str]:
        """Return an operation that does something, and what it does."""
        self._some_versions()
        is_real = chance.randrange(_REAL_EVERY) == 0
        state = self._state()
        match operation:
            case "install":
                model, signature = self._new_model(chance)
                do = operations.install(model, signature, is_real=is_real)
                return do, "installs a new model"
            case "install with eviction":
                self._spare_version(chance)
                state = self._state()
                model, signature = self._new_model(chance)
                tight = state.used_bytes + len(model) + len(signature or b"") - 1
                do = operations.install(model, signature, quota_bytes=tight, is_real=is_real)
                return do, "installs a model for which another one goes"
            case "install again":
                digest = self._other_version(chance)
                model = (self._root / VERSIONS / digest / MODEL).read_bytes()
                signature = chance.choice((None, chance.randbytes(300)))
                do = operations.install(model, signature, is_real=is_real)
                return do, f"installs {digest[:12]} again"
            case "activate":
                digest = self._other_version(chance)
                return operations.activate(digest, is_real=is_real), f"activates {digest[:12]}"
            case "run" | "commit" | "fail":
                digest = self._need_candidate(chance)
                does = {"run": operations.run, "commit": operations.commit}
                return does.get(operation, operations.fail), f"{operation}: {digest[:12]}"
            case "roll back":
                if chance.random() < 0.5:
                    self._need_candidate(chance)
                elif state.candidate is not None or state.previous is None:
                    self._need_candidate(chance)
                    self._calm(operations.commit)
                return operations.roll_back, "rolls back"
            case "pin":
                digest = chance.choice(state.oldest_first)
                pins = sum(version.pinned for version in state.versions.values())
                on = not state.versions[digest].pinned and pins < 2
                if not on:
                    pinned = [one for one in state.oldest_first if state.versions[one].pinned]
                    digest = chance.choice(pinned) if pinned else digest
                what = f"{'pins' if on else 'unpins'} {digest[:12]}"
                return operations.pin(digest, on=on), what
            case "remove":
                digest = self._spare_version(chance)
                return operations.remove(digest), f"removes {digest[:12]}"
            case _:
                self._leave_something(chance)
                return operations.tidy, "cleans up after one that was killed"

    def _leave_something(self, chance: random.Random) -> None:
        """Kill a process somewhere in the middle."""
        before = chance.choice(("install", "install with eviction", "commit", "remove", "activate"))
        do, _ = self._arranged(before, chance)
        _, dry = self._rehearsed(do)
        step = chance.randrange(1, 1 + (dry.seen.steps if dry.seen else 1))
        Child(
            lambda: do(self._root),
            shim=self._shim,
            root=self._root,
            injection=Injection("kill-before", step),
        ).wait()

    def _new_model(self, chance: random.Random) -> tuple[bytes, bytes | None]:
        self._made += 1
        signature = chance.randbytes(300) if chance.random() < 0.5 else None
        return self._models.make(f"model-{self._made:06}"), signature

    def _some_versions(self) -> None:
        """See to it that there is something to work with, and not more and more."""
        chance = random.Random(self._made)
        while len(self._state().versions) < 3:
            self._calm(operations.install(*self._new_model(chance)))
            self._calm(operations.commit)
        state = self._state()
        spare = [digest for digest in state.oldest_first if digest not in state.protected]
        for digest in spare[: max(0, len(state.versions) - _KEPT)]:
            self._calm(operations.remove(digest))

    def _spare_version(self, chance: random.Random) -> str:
        """Return a version that may go."""
        state = self._state()
        spare = [digest for digest in state.oldest_first if digest not in state.protected]
        return chance.choice(spare) if spare else self._install_spare(chance)

    def _install_spare(self, chance: random.Random) -> str:
        model, signature = self._new_model(chance)
        self._calm(operations.install(model, signature, nominate=False))
        return hashlib.sha256(model).hexdigest()

    def _other_version(self, chance: random.Random) -> str:
        """Return a version that can become the candidate and is not."""
        state = self._state()
        taken = {state.active, state.nominee}
        others = [
            digest
            for digest in state.oldest_first
            if digest not in taken and not state.is_bad(digest)
        ]
        return chance.choice(others) if others else self._install_spare(chance)

    def _need_candidate(self, chance: random.Random) -> str:
        """Return the candidate, which does not run; nominate one if there is none."""
        nominee = self._state().nominee
        if nominee is None:
            if chance.random() < 0.5:
                self._calm(operations.install(*self._new_model(chance)))
            else:
                self._calm(operations.activate(self._other_version(chance)))
            nominee = self._state().nominee
        if nominee is None:
            raise _BrokenError("there is no candidate after one was nominated")
        return nominee

    # What is looked at

    def _calm(self, do: Callable[[Path], Any]) -> Heard:
        """Do something without a fault."""
        heard = Child(lambda: do(self._root), shim=self._shim, root=self._root).wait()
        if heard.error or heard.signal:
            raise _BrokenError(f"it fails without a fault: signal {heard.signal}: {heard.error}")
        return heard

    def _rehearsed(self, *dos: Callable[[Path], Any]) -> tuple[list[State], Heard]:
        """Do it to a copy; return the states that come about, and what was heard last."""
        states: list[State] = []
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._root, self._copy)
        for do in dos:
            heard = Child(
                lambda do=do: do(self._copy),  # type: ignore[misc]
                shim=self._shim,
                root=self._copy,
                trace=self._trace,
            ).wait()
            if heard.is_crash or heard.signal:
                raise _BrokenError(f"it fails without a fault: {heard.error}")
            states += _states_in(self._trace.read_text().splitlines())
        shutil.rmtree(self._copy)
        return states, heard

    def _expect_sound(self, heard: Heard, verdict: Verdict) -> None:
        _expect(verdict, not heard.is_crash, f"a crash: {heard.error.strip()[-400:]}")

    def _expect_safe(
        self,
        snapshot: Tree,
        trace: list[str],
        known: Sequence[State],
        chance: random.Random,
        verdict: Verdict,
    ) -> None:
        """Cut the power at every step of a trace, several times, and look at what is left."""
        comparable = [_comparable(state) for state in known]
        for end in range(len(trace) + 1):
            for _ in range(_CUTS):
                tree = after_power_cut(copy.deepcopy(snapshot), trace[:end], chance)
                verdict.cuts += 1
                files = {name: bytes(file.data) for name, file in tree.items() if file}
                found = [document.decode(files.get(f"/{name}", b"")) for name in (STATE, COPY)]
                states = [state for state in found if state is not None]
                state = max(states, key=lambda one: one.generation, default=State())
                models = {
                    digest: files.get(f"/{VERSIONS}/{digest}/{MODEL}", b"")
                    for digest in state.versions
                }
                is_whole = all(
                    hashlib.sha256(data).hexdigest() == digest for digest, data in models.items()
                )
                if not is_whole or _comparable(state) not in comparable:
                    what = "names what is not there" if not is_whole else "is none that it had"
                    verdict.failures.append(f"power fails after step {end}: the state {what}")
                    return

    def _expect_whole(self, state: State, verdict: Verdict) -> None:
        """Look whether all that the state names is there, in use or not."""
        broken = [digest[:12] for digest in self._damaged(state.versions)]
        _expect(verdict, not broken, f"the state names what is not there: {broken}")

    def _bounded(self, verdict: Verdict) -> None:
        state = self._state()
        most_bytes = state.used_bytes + 2 * self._largest + _SPARE_BYTES
        used_bytes = sum(path.stat().st_size for path in self._root.rglob("*") if path.is_file())
        _expect(verdict, used_bytes <= most_bytes, f"{used_bytes} bytes lie there")

    def _looked(self, verdict: Verdict) -> dict[str, Any]:
        """Open the store as whoever only reads it; return what was seen."""
        seen: dict[str, Any] = self._calm(operations.look).value
        is_known = seen["model"] == BUILT_IN or seen["id"] == f"sha256:{seen['model']}"
        _expect(verdict, is_known, "what is chosen has another id")
        return seen

    def _afterwards(self, verdict: Verdict) -> None:
        """Start the live classifier, and look at what it leaves."""
        found = _states_of(self._root)
        if found:
            state = max(found, key=lambda one: one.generation)
            state = self._without_damaged(state)
            expected, on_trial = state.active, False
            after = state
            if state.candidate is not None:
                digest = state.candidate.version
                if state.candidate.is_running:
                    after = transitions.failed(state, digest, "died")
                else:
                    expected, on_trial = digest, True
                    if state.candidate.frames >= operations.FRAMES:
                        after = transitions.committed(state, digest)
        else:
            expected, on_trial, after = BUILT_IN, False, State()
        started = self._calm(operations.start).value
        _expect(
            verdict,
            (started["model"], started["on_trial"]) == (expected, on_trial),
            f"the next start runs {started['model'][:12]}, and not {expected[:12]}",
        )
        state = self._state()
        _expect(
            verdict,
            (state.active, state.nominee) == (after.active, after.nominee),
            "the next start leaves another active model or candidate than it should",
        )
        self._calm(operations.tidy)
        self._tidy(verdict)

    def _tidy(self, verdict: Verdict) -> None:
        """Look for what does not belong there."""
        names = {path.name for path in self._root.iterdir()}
        _expect(verdict, names <= _ROOT_NAMES, f"left behind: {sorted(names - _ROOT_NAMES)}")
        left = [path.name for path in (self._root / INCOMING).iterdir()]
        _expect(verdict, not left, f"left behind in {INCOMING}: {left}")
        states = _states_of(self._root)
        _expect(verdict, len(states) == 2 and states[0] == states[1], "the state was not mended")
        state = self._state()
        kept = {path.name for path in (self._root / VERSIONS).iterdir()}
        _expect(verdict, kept == state.versions.keys(), "the versions are not those of the state")
        for digest in kept & state.versions.keys():
            files = {path.name for path in (self._root / VERSIONS / digest).iterdir()}
            _expect(verdict, MODEL in files and files <= {MODEL, SIGNATURE}, f"files: {files}")
        quota_bytes = (_KEPT + 6) * self._largest
        _expect(verdict, state.used_bytes <= quota_bytes, f"{state.used_bytes} bytes are kept")
        for digest in self._damaged(state.versions):
            _expect(verdict, digest not in state.protected, f"{digest[:12]} is in use and damaged")
            problems = self._calm(operations.verify_files).value
            _expect(verdict, digest in problems, f"{digest[:12]} is damaged, and that is not seen")
            self._calm(operations.remove(digest))

    def _without_damaged(self, state: State) -> State:
        gone = [one for one in state.versions if not (self._root / VERSIONS / one).is_dir()]
        return transitions.lost(state, [*gone, *self._damaged(state.protected)])

    def _damaged(self, digests: Iterable[str]) -> list[str]:
        found = []
        for digest in sorted(digests):
            path = self._root / VERSIONS / digest / MODEL
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
                continue
            found.append(digest)
        return found

    def _state(self) -> State:
        states = _states_of(self._root)
        return max(states, key=lambda state: state.generation, default=State())


class _BrokenError(Exception):
    """A lane cannot go on with this fault."""


def _injection(fault: Fault, chance: random.Random, steps: int, reads: int) -> Injection:
    if fault.kind == "power cut":
        step = chance.randrange(1, steps + 1)
        return Injection("kill-before" if chance.random() < 0.5 else "kill-after", step)
    if fault.kind == "clock jump":
        return Injection(clock_offset_s=chance.uniform(-50, 150) * _YEAR_S)
    if fault.kind == "read error":
        is_sticky = chance.random() < 0.5
        return Injection("fail-read", chance.randrange(1, reads + 1), errno.EIO, is_sticky)
    step = chance.randrange(1, steps + 1)
    if fault.kind == "disk full":
        return Injection("fail", step, errno.ENOSPC, chance.random() < 0.7)
    is_done = chance.random() < 0.5
    return Injection("fail-after" if is_done else "fail", step, errno.EIO, chance.random() < 0.3)


def _expect(verdict: Verdict, condition: bool, failure: str) -> None:
    if not condition:
        verdict.failures.append(failure)


def _unkept(state: State) -> State:
    """Return what a candidate leaves that has proved itself and then ends in order."""
    frames = operations.FRAMES
    healthy_s = (frames - 1) / 10
    digest = str(state.nominee)
    return transitions.paused(state, digest, frames=frames, healthy_s=healthy_s, ran_s=0.0)


def _comparable(state: State) -> Any:
    """Return what two runs of the same have in common."""
    values = msgspec.to_builtins(state)
    del values["generation"]
    for version in values["versions"].values():
        for name in ("installed_at", "runtime", "p50_ms", "memory_mb"):
            del version[name]
    return values


def _states_of(root: Path) -> list[State]:
    """Return what the state files say that are whole."""
    found = []
    for name in (STATE, COPY):
        path = root / name
        state = document.decode(path.read_bytes()) if path.is_file() else None
        if state is not None:
            found.append(state)
    return found


def _states_in(trace: Iterable[str]) -> list[State]:
    """Return the states that were written, in their order."""
    written: dict[str, bytearray] = {}
    found = []
    for line in trace:
        what, path, *rest = line.split("\t")
        if what == "create":
            written[path] = bytearray()
        elif what == "write":
            written[path] += bytes.fromhex(rest[1])
        elif what == "rename" and rest[0] == f"/{STATE}":
            state = document.decode(bytes(written.get(path, b"")))
            if state is not None:
                found.append(state)
    return found


def main() -> None:
    """Be the lane."""
    lane = Lane(Path(sys.argv[1]), Shim(), (int(sys.argv[2]), int(sys.argv[3])))
    for module in INTERPRETERS.values():
        # Loaded once for all children, and not used here: they are forked.
        try:
            importlib.import_module(module)
            break
        except ImportError:
            continue
    for line in sys.stdin.buffer:
        verdict = lane.do(msgspec.json.decode(line, type=Fault))
        sys.stdout.buffer.write(msgspec.json.encode(asdict(verdict)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
