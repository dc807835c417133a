"""Trying a model on this device before it is a candidate: answers, time and memory.

That happens in a process of its own, `python -m edge_recog.store.tryout`: a model that crashes the
interpreter, hangs or eats memory is thereby a verdict. It gets the model on stdin and answers with
one JSON document on stdout. A compiled twin is tried where it will run, on the accelerator, by the
golden vectors of its model; its model where it must do without, on the CPU.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pwd
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np

from edge_recog.bundle import Bundle
from edge_recog.classifier import Classifier
from edge_recog.errors import EdgeRecogError
from edge_recog.frames import Frame
from edge_recog.interpreters import DelegateSpec
from edge_recog.interpreters.twins import compiled_twin
from edge_recog.processes import module_command, same_packages
from edge_recog.store.errors import FailedTryoutError
from edge_recog.verification import verify

if TYPE_CHECKING:
    from edge_recog.interpreters.twins import Twins
    from edge_recog.store.rules import StoreRules

_TIMEOUT_S: Final = 120.0
_FRAME: Final = (480, 640)
"""Height and width of the picture that is timed: what a camera gives."""
_WARM_UP_RUNS: Final = 2
_LEAST_RUNS: Final = 5
_SECONDS: Final = 0.5
_SPARE_MB: Final = 1024
"""That the child may allocate beyond the model's own budget: interpreter, libraries, the file."""


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model did on this device."""

    runtime: str
    vectors: int
    """Golden vectors that were right: all that it has."""
    p50_ms: float
    """Median of a picture of 640x480, resizing included."""
    memory_mb: float | None
    """By which the process grew at most; None where the system does not say."""


class Tryout(Protocol):
    """Tries a model; `try_on_device` is one."""

    def __call__(self, model: bytes, *, where: str) -> Outcome:
        """Return what a model did.

        Args:
            model: The file.
            where: Its path, for messages.

        Raises:
            EdgeRecogError: It crashed, hung, or answered wrongly.
        """
        ...


class TwinsTryout(Protocol):
    """Tries a model with a compiled twin; `try_twins_on_device` is one."""

    def __call__(self, twins: Twins) -> tuple[Outcome, Outcome | None]:
        """Return what the model did, and what its twin did; None if nothing here could run it.

        Raises:
            EdgeRecogError: One of them crashed, hung, or answered wrongly.
        """
        ...


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child gets as its one argument, in JSON."""

    where: str
    threads: int
    delegate: str | None
    memory_mb: float
    compiled_at: int | None = None
    """Where on stdin a compiled twin begins, behind its model; None if there is none."""


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child answers, in JSON."""

    outcome: Outcome | None = None
    problem: str = ""
    """Why there is none."""


def try_on_device(
    model: bytes,
    *,
    where: str,
    threads: int = 1,
    delegate: str | None = None,
    memory_mb: float = 128.0,
    timeout_s: float = _TIMEOUT_S,
    compiled: bytes | None = None,
    folder: Path | None = None,
) -> Outcome:
    """Run a model's golden vectors in a child process, and measure time and memory.

    Args:
        model: The file.
        where: Its path, for messages; that of `compiled`, if given.
        threads: For the interpreter.
        delegate: An accelerator, as in `Classifier.open`.
        memory_mb: What it is allowed to take; far beyond that the child is stopped.
        timeout_s: For everything.
        compiled: What is to be run in the model's place, by its contract: its compiled twin.
        folder: Of the store: root has the model tried as the one that it belongs to, so that a
            stranger's file never runs as root where somebody else is to run it.

    Raises:
        FailedTryoutError: It crashed, hung, cannot be loaded or answered wrongly.
    """
    # File names need not be text, and JSON must be.
    shown = where.encode(errors="replace").decode()
    compiled_at = None if compiled is None else len(model)
    options = _Options(shown, threads, delegate, memory_mb, compiled_at)
    try:
        child = subprocess.run(
            module_command(__spec__.name, msgspec.json.encode(options).decode()),
            input=model + (compiled or b""),
            capture_output=True,
            timeout=timeout_s,
            env=os.environ | same_packages(),
            check=False,
            **_rights(folder),
        )
    except subprocess.TimeoutExpired as error:
        raise FailedTryoutError(
            f"{where}: the model did not finish its tryout within {timeout_s:g} s; this device is "
            "too slow for it, or it hangs"
        ) from error
    if child.returncode < 0:
        raise FailedTryoutError(
            f"{where}: the interpreter crashed on this model ({_signal_name(-child.returncode)}); "
            "it stays away from here: convert it anew, or with other operators"
        )
    try:
        said = msgspec.json.decode(child.stdout, type=_Said)
    except msgspec.DecodeError as error:
        lines = child.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise FailedTryoutError(
            f"{where}: the process that tried it ended with status {child.returncode}: {lines[-1]}"
        ) from error
    if said.outcome is None:
        raise FailedTryoutError(said.problem)
    return said.outcome


def try_twins_on_device(
    twins: Twins,
    *,
    threads: int = 1,
    delegate: str | None = None,
    memory_mb: float = 128.0,
    folder: Path | None = None,
) -> tuple[Outcome, Outcome | None]:
    """Try a model on the CPU and its compiled twin on the Edge TPU.

    Args:
        twins: With a compiled one.
        threads: For the interpreter.
        delegate: As in `Classifier.open`. If it names no Edge TPU, the twin is not tried; another
            accelerator is the model's.
        memory_mb: As in `try_on_device`.
        folder: As in `try_on_device`.

    Returns:
        What each of them did; None for the twin if it was not tried.

    Raises:
        FailedTryoutError: As in `try_on_device`; of either of them.
        UsageError: There is no such delegate.
    """
    model, compiled = twins.bundle, twins.compiled
    is_edge_tpu = delegate is not None and DelegateSpec.parse(delegate).is_edge_tpu
    outcome = try_on_device(
        model.data,
        where=model.where,
        threads=threads,
        delegate=None if is_edge_tpu else delegate,
        memory_mb=memory_mb,
        folder=folder,
    )
    if compiled is None or not is_edge_tpu:
        return outcome, None
    return outcome, try_on_device(
        model.data,
        where=compiled.where,
        threads=threads,
        delegate=delegate,
        memory_mb=memory_mb,
        compiled=compiled.data,
        folder=folder,
    )


def require(outcome: Outcome, rules: StoreRules, *, where: str) -> None:
    """Refuse a model that costs more than it may.

    Raises:
        FailedTryoutError: It does.
    """
    if outcome.p50_ms > rules.most_p50_ms:
        raise FailedTryoutError(
            f"{where}: a picture takes {outcome.p50_ms:.1f} ms here (median), and may take "
            f"{rules.most_p50_ms:g} ms: take a smaller model, or allow more with --most-ms"
        )
    if outcome.memory_mb is not None and outcome.memory_mb > rules.most_memory_mb:
        raise FailedTryoutError(
            f"{where}: it takes {outcome.memory_mb:.1f} MB of memory here, and may take "
            f"{rules.most_memory_mb:g} MB: take a smaller model, or allow more with --most-mb"
        )


def _rights(folder: Path | None) -> dict[str, Any]:
    """Return as whom the child is to run, for `subprocess`; as this process if nothing is."""
    if folder is None or os.geteuid() != 0:
        return {}
    try:
        owner = folder.stat()
    except OSError:
        return {}
    if owner.st_uid == 0:
        return {}
    try:
        name = pwd.getpwuid(owner.st_uid).pw_name
        groups = os.getgrouplist(name, owner.st_gid)
    except KeyError:  # Of a service that does not run now.
        groups = []
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": groups}


def _tried(data: bytes, options: _Options) -> Outcome:
    bundle = Bundle.from_bytes(data[: options.compiled_at], where=options.where)
    if options.compiled_at is not None:
        bundle = compiled_twin(bundle, data[options.compiled_at :], where=options.where)
    # What every model needs is no model's own: the libraries are loaded before it is measured.
    with contextlib.suppress(EdgeRecogError), Classifier.open(threads=options.threads) as any_model:
        any_model.classify(_picture())
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Forgets the peak so far: proc(5).
    before_mb = _memory_mb("VmRSS")
    with Classifier.open(bundle, threads=options.threads, delegate=options.delegate) as classifier:
        vectors = 0
        # Models that are compiled for an accelerator have none: nobody could compute them.
        if bundle.golden() or not bundle.needs_edgetpu:
            report = verify(classifier)
            report.require(options.where)
            vectors = len(report.vectors)
        p50_ms = _median_ms(classifier)
        after_mb = _memory_mb("VmHWM")
        grown_mb = None
        if before_mb is not None and after_mb is not None:
            grown_mb = max(0.0, after_mb - before_mb)
        return Outcome(
            runtime=classifier.runtime, vectors=vectors, p50_ms=p50_ms, memory_mb=grown_mb
        )


def _median_ms(classifier: Classifier) -> float:
    frame = _picture()
    times_ns: list[int] = []
    for _ in range(_WARM_UP_RUNS):
        classifier.classify(frame)
    end_s = time.perf_counter() + _SECONDS
    while len(times_ns) < _LEAST_RUNS or time.perf_counter() < end_s:
        times_ns.append(classifier.classify(frame).timings.total_ns)
    return statistics.median(times_ns) / 1e6


def _picture() -> Frame:
    pixels = np.random.default_rng(1).integers(0, 256, (*_FRAME, 3), dtype=np.uint8)
    return Frame.from_rgb(pixels)


def _memory_mb(field: str) -> float | None:
    """Return a figure of /proc/self/status in units of 1000 * 1000 bytes; None without it."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        return None
    return int(found[1]) * 1024 / 1e6 if found else None


def _limit_memory(memory_mb: float) -> None:
    """Make allocations far beyond the budget fail, and crashes leave no core file."""
    with contextlib.suppress(ImportError):  # Windows has no such limits.
        import resource

        limit = round((memory_mb + _SPARE_MB) * 1e6)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # What is written, not what is mapped: libraries alone map hundreds of megabytes.
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _signal_name(number: int) -> str:
    """Return e.g. `signal 11, SIGSEGV`."""
    with contextlib.suppress(ValueError):
        return f"signal {number}, {signal.Signals(number).name}"
    return f"signal {number}"


def main() -> None:
    """Be the child."""
    options = msgspec.json.decode(sys.argv[1], type=_Options)
    _limit_memory(options.memory_mb)
    # Only the outcome goes to stdout: native code that prints is sent to stderr.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        said = _Said(_tried(sys.stdin.buffer.read(), options))
    except EdgeRecogError as error:
        said = _Said(problem=str(error))
    except MemoryError:
        said = _Said(problem=f"{options.where}: it needs far more than {options.memory_mb:g} MB")
    os.write(answer, msgspec.json.encode(said))


if __name__ == "__main__":
    main()
