"""Where the time of one inference goes: the time of every operator, by the runtime's own profiler.

The Interpreter of ai-edge-litert gives no such times; the profiler belongs to its newer
CompiledModel, and only the C API reaches it. Calls and the form of the profiler's summary are those
of ai-edge-litert 2.2 and 2.3 (LiteRT's `litert/c/*.h` and `litert/runtime/profiler_summarizer.cc`,
https://github.com/google-ai-edge/LiteRT). A C call that does not match crashes, and so may a
damaged model: both happen in a process of its own, `python -m
edge_recog_benchmarks.device.profile`, which gets the model on stdin and answers on stdout.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from edge_recog.errors import (
    EdgeRecogError,
    InterpreterError,
    InterpreterMissingError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_OLDEST = (2, 2)
"""Of ai-edge-litert: earlier ones lack some of the calls."""
_BEYOND = (3, 0)
"""The first whose calls may be others altogether."""
_SESSION_RUNS = 5
"""At least, where as many are asked for."""
_WARM_UP = 3
"""Inferences at the start of a session that do not count."""
_CPU = ctypes.c_int(1)
"""`kLiteRtHwAcceleratorCpu`."""
_FIRST = ctypes.c_size_t(0)
"""Of a model's signatures; one without any has a default one."""


class ProfileUnavailableError(InterpreterError):
    """The installed runtime tells no per-operator times."""


class OperatorTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One step of an inference, as the runtime executes it: fused operators are one step."""

    name: str
    """`delegate:8`: step 8 of a part that XNNPACK executes, counted from 0; `builtin:27`: operator
    27 of the model. Two parts of one model may both have a `delegate:0`."""
    kind: str
    """In the runtime's words: `Convolution (NHWC, QS8) IGEMM`, `SOFTMAX`."""
    calls: int = 1
    """In one inference; several if the runtime takes steps of the same name and kind together."""
    mean_ns: int
    """Of one inference, all calls together; see `Profile`."""
    share: float
    """0-1, of all steps together."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The times of a model's operators, in the order executed.

    The model is loaded anew for every few runs, a *session*. All times are interquartile means over
    sessions: of the sessions ranked by their total, the quarter that was quickest and the quarter
    that was slowest do not count, so that a moment in which the kernel took the core away is not
    blamed on the operator it hit. The runtime counts whole microseconds, rounded down: a step of
    less than one may say 0.
    """

    method: str
    """What gave the times."""
    runtime: str
    """What ran the model: product, version, threads."""
    threads: int
    runs: int
    """Profiled, in all sessions."""
    inference_ns: int
    """One whole inference in the same sessions, without the profiler."""
    operators: tuple[OperatorTime, ...]

    @property
    def operators_ns(self) -> int:
        """All operators together."""
        return sum(operator.mean_ns for operator in self.operators)

    @property
    def coverage(self) -> float:
        """What part of a whole inference the operators explain; far from 1: do not believe them."""
        return self.operators_ns / self.inference_ns


def profile_model(
    model: bytes, *, threads: int = 1, runs: int = 50, timeout_s: float = 120.0
) -> Profile:
    """Measure the time of each operator of `model`, fed with zeros, in a child process.

    Args:
        model: A .tflite file's bytes.
        threads: CPU threads of one inference.
        runs: Profiled inferences; as many again are timed without the profiler.
        timeout_s: For everything, the child's start included.

    Raises:
        InterpreterError: The runtime rejects the model, crashed on it, or took too long.
        InterpreterMissingError: No TFLite interpreter is installed.
        ProfileUnavailableError: The installed one gives no per-operator times.
        UsageError: `threads`, `runs` or `timeout_s` is not positive.
    """
    for name, value in (("threads", threads), ("runs", runs), ("timeout_s", timeout_s)):
        if not value > 0:
            raise UsageError(f"a profile cannot be taken with {name} {value:g}: give more than 0")
    command = [sys.executable, "-P", "-m", __spec__.name, str(threads), str(runs)]
    # The child sees the same packages, however this process came to see them.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        child = subprocess.run(
            command,
            input=model,
            capture_output=True,
            timeout=timeout_s,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InterpreterError(
            f"{runs} profiled runs were not finished within {timeout_s:g} s, and were stopped: "
            f"ask for fewer runs, or allow more time"
        ) from error
    if child.returncode < 0:
        raise InterpreterError(
            f"profiling crashed the runtime ({signal.strsignal(-child.returncode)}): the model is "
            f"damaged, or this version of ai-edge-litert is profiled in another way"
        )
    try:
        answer = msgspec.json.decode(child.stdout, type=_Answer)
    except msgspec.DecodeError as error:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise InterpreterError(
            f"the process taking the profile ended with status {child.returncode}: {said[-1]}"
        ) from error
    if answer.profile is None:
        raise _ERRORS.get(answer.error, InterpreterError)(answer.message)
    return answer.profile


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the child says, in JSON."""

    profile: Profile | None = None
    error: str = ""
    """A key of `_ERRORS` if there is no profile."""
    message: str = ""


_ERRORS: dict[str, type[EdgeRecogError]] = {
    error.__name__: error
    for error in (InterpreterError, InterpreterMissingError, ProfileUnavailableError)
}


def main() -> None:
    """Be the child."""
    threads, runs = map(int, sys.argv[1:3])
    with contextlib.suppress(ImportError):  # Windows has no such limits.
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Only the answer goes to stdout: native code that prints is sent to stderr.
    channel = os.dup(1)
    os.dup2(2, 1)
    try:
        answer = _Answer(profile=_measure(sys.stdin.buffer.read(), threads=threads, runs=runs))
    except EdgeRecogError as error:
        answer = _Answer(error=type(error).__name__, message=str(error))
    with os.fdopen(channel, "wb") as stream:
        stream.write(msgspec.json.encode(answer))
    # Native destructors have no say in how this ends.
    os._exit(0)


def _measure(model: bytes, *, threads: int, runs: int) -> Profile:
    """Profile `model` in this process."""
    library, product = find_library()
    litert = _LiteRt(model, library=library, product=product, threads=threads)
    count = max(1, runs // _SESSION_RUNS)
    shares = [runs // count + (place < runs % count) for place in range(count)]
    sessions = [litert.session(share) for share in shares]
    runtime = f"{product} (CompiledModel, XNNPACK, {threads} thread{'s' * (threads > 1)})"
    return summarise(sessions, runtime=runtime, threads=threads)


def summarise(sessions: Sequence[Session], *, runtime: str, threads: int) -> Profile:
    """Return the profile that these sessions make; at least one, with at least one run each.

    Raises:
        ProfileUnavailableError: They did not all execute the same steps, or lost some.
    """
    plans = {
        tuple((step.name, step.kind, step.calls / session.runs) for step in session.steps)
        for session in sessions
    }
    plan = plans.pop()
    if plans or any(calls % 1 for _, _, calls in plan):
        raise ProfileUnavailableError(
            "the profiled runs did not all execute the same operators, or lost some: "
            "they have no profile in common"
        )
    kept = _middle(sorted(sessions, key=lambda session: session.run_us))
    columns = zip(*([step.total_us / one.runs for step in one.steps] for one in kept), strict=True)
    times_ns = [round(1000 * sum(column) / len(kept)) for column in columns]
    inferences_ns = _middle(sorted(session.inference_ns for session in sessions))
    return Profile(
        method="LiteRT profiler",
        runtime=runtime,
        threads=threads,
        runs=sum(session.runs for session in sessions),
        inference_ns=round(sum(inferences_ns) / len(inferences_ns)),
        operators=tuple(
            OperatorTime(
                name=name,
                kind=kind,
                calls=int(calls),
                mean_ns=mean_ns,
                share=mean_ns / (sum(times_ns) or 1),
            )
            for (name, kind, calls), mean_ns in zip(plan, times_ns, strict=True)
        ),
    )


_Value = TypeVar("_Value")


def _middle(ranked: Sequence[_Value]) -> Sequence[_Value]:
    """Return what lies between the quartiles; all of fewer than four."""
    quarter = len(ranked) // 4
    return ranked[quarter : len(ranked) - quarter]


class Step(NamedTuple):
    """A row of the runtime's summary of a session."""

    name: str
    kind: str
    calls: int
    """In all runs."""
    total_us: float
    """Of all calls."""


class Session(NamedTuple):
    """What was measured with one loaded model."""

    runs: int
    """Profiled."""
    inference_ns: float
    """Mean without the profiler."""
    steps: tuple[Step, ...]

    @property
    def run_us(self) -> float:
        """All steps of one run together."""
        return sum(step.total_us for step in self.steps) / self.runs


_ROW = re.compile(
    r"\s*(?P<kind>\S.*?)"
    r"\s+[\d.]+\s+[\d.]+\s+(?P<mean_ms>[\d.]+)"  # start, first, mean
    r"\s+[\d.]+%\s+[\d.]+%\s+[\d.]+"  # share, sum of shares, memory
    r"\s+(?P<calls>\d+)\s+\[(?P<part>\w+)\](?P<index>:\d+)\s*"
)


def parse_summary(summary: str) -> tuple[Step, ...]:
    """Return the steps that a summary of `LiteRtGetProfileSummary` lists, in the order executed.

    Raises:
        ProfileUnavailableError: It reads otherwise than we know, or does not add up.
    """
    order = re.search(r"= Run Order =+\n[^\n]*\[avg ms\][^\n]*\n(.*?)\n\n", summary, re.DOTALL)
    total = re.search(r"^Timings \(microseconds\): count=(\d+) curr=(\d+)$", summary, re.MULTILINE)
    lines = order[1].splitlines() if order else []
    steps = tuple(
        Step(
            name=row["part"].lower() + row["index"],
            kind=row["kind"].removeprefix("Delegate/"),
            calls=int(row["calls"]),
            total_us=float(row["mean_ms"]) * 1000 * int(row["calls"]),
        )
        for row in map(_ROW.fullmatch, lines)
        if row
    )
    rounding_us = 0.51 * sum(step.calls for step in steps)  # Means are rounded to microseconds.
    if (
        not steps
        or not total
        or not len(lines) == len(steps) == int(total[1])
        or abs(sum(step.total_us for step in steps) - int(total[2])) > rounding_us
    ):
        raise ProfileUnavailableError(
            "the runtime's profile reads otherwise than that of ai-edge-litert 2.2 and 2.3: "
            "no per-operator times can be told from it"
        )
    return steps


def find_library() -> tuple[Path, str]:
    """Return the shared library with the profiler, and its product and version.

    Raises:
        InterpreterMissingError: No TFLite interpreter is installed.
        ProfileUnavailableError: The installed one has no profiler that we know.
    """
    version = _version("ai-edge-litert")
    package = importlib.util.find_spec("ai_edge_litert")
    if package is None or not package.submodule_search_locations:
        if other := _version("tflite-runtime"):
            raise _unavailable(f"tflite-runtime {other}")
        raise InterpreterMissingError(
            f"no TFLite interpreter is installed for {sys.executable}: pip install ai-edge-litert"
        )
    product = f"ai-edge-litert {version or 'of unknown version'}"
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    library = Path(package.submodule_search_locations[0]) / "libLiteRt.so"
    if not _OLDEST <= numbers < _BEYOND or not library.is_file():
        raise _unavailable(product)
    return library, product


def _version(distribution: str) -> str:
    """Return the installed version; empty if there is none."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(distribution)
    return ""


def _unavailable(product: str) -> ProfileUnavailableError:
    return ProfileUnavailableError(
        f"the installed {product} gives no per-operator times that can be read here; "
        f"ai-edge-litert 2.2 and 2.3 do"
    )


class _LiteRt:
    """A model in LiteRT's C API, of which only pointers, sizes and integers are passed.

    Handles are given back after each session; what stays for all goes with the process.
    """

    def __init__(self, model: bytes, *, library: Path, product: str, threads: int) -> None:
        """Read `model` and say how it is to be run: by the CPU, with the profiler."""
        self._product = product
        try:
            self._library = ctypes.CDLL(str(library))
        except OSError as error:
            raise ProfileUnavailableError(f"the profiler cannot be loaded: {error}") from error
        self._held: list[object] = []
        """What native code refers to."""
        self._environment = self._new("LiteRtCreateEnvironment", ctypes.c_int(0), None)
        content = self._hold(model)
        size = ctypes.c_size_t(len(model))
        self._model = self._new("LiteRtCreateModelFromBuffer", self._environment, content, size)
        self._signature = self._new("LiteRtGetModelSignature", self._model, _FIRST)
        self._options = self._new("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", self._options, _CPU)
        release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
        self._held.append(release)
        for name, text in (
            (b"runtime_options_string", "enable_profiling = true\n"),
            (b"xnnpack", f"num_threads = {threads}\n"),
        ):
            payload = self._hold(text.encode() + b"\0")
            part = self._new("LiteRtCreateOpaqueOptions", name, payload, release)
            self._call("LiteRtAddOpaqueOptions", self._options, part)

    def session(self, runs: int) -> Session:
        """Load the model, time `runs` inferences without the profiler and profile as many."""
        compiled = self._new(
            "LiteRtCreateCompiledModel", self._environment, self._model, self._options
        )
        inputs = self._zeros("Input", compiled)
        outputs = self._zeros("Output", compiled)
        arguments = [compiled, _FIRST]
        arguments += [ctypes.c_size_t(len(inputs)), inputs, ctypes.c_size_t(len(outputs)), outputs]

        def execute(times: int) -> int:
            started_ns = time.perf_counter_ns()
            for _ in range(times):
                self._call("LiteRtRunCompiledModel", *arguments)
            return time.perf_counter_ns() - started_ns

        execute(_WARM_UP)
        elapsed_ns = execute(runs)
        # Only once: started again, ai-edge-litert 2.3 goes on telling what it recorded first.
        profiler = self._new("LiteRtCompiledModelGetProfiler", compiled)
        self._call("LiteRtStartProfiler", profiler)
        execute(runs)
        self._call("LiteRtStopProfiler", profiler)
        summary = self._new("LiteRtGetProfileSummary", profiler, compiled)
        steps = parse_summary(ctypes.string_at(summary).decode(errors="replace"))
        ctypes.CDLL(None).free(summary)  # As litert_profiler.h asks.
        for buffer in (*inputs, *outputs):
            self._library.LiteRtDestroyTensorBuffer(ctypes.c_void_p(buffer))
        self._library.LiteRtDestroyCompiledModel(compiled)
        return Session(runs, elapsed_ns / runs, steps)

    def _zeros(self, side: str, compiled: ctypes.c_void_p) -> ctypes.Array[ctypes.c_void_p]:
        """Return buffers of zeros for each `Input` or `Output`."""
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", self._signature, ctypes.byref(count))
        buffers = (ctypes.c_void_p * count.value)()
        for place in range(count.value):
            index = ctypes.c_size_t(place)
            tensor = self._new(f"LiteRtGetSignature{side}TensorByIndex", self._signature, index)
            # A LiteRtRankedTensorType, 72 bytes of 32-bit fields. An open dimension is -1 there,
            # and run as 1.
            tensor_type = (ctypes.c_int32 * 256)()
            self._call("LiteRtGetRankedTensorType", tensor, tensor_type)
            tensor_type[:] = [1 if field == -1 else field for field in tensor_type]
            required = self._new(
                f"LiteRtGetCompiledModel{side}BufferRequirements", compiled, _FIRST, index
            )
            buffer = self._new(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                self._environment,
                tensor_type,
                required,
            )
            self._call("LiteRtClearTensorBuffer", buffer)
            buffers[place] = buffer.value
        return buffers

    def _new(self, function: str, *arguments: object) -> ctypes.c_void_p:
        """Call what hands out a pointer through its last argument, and return that."""
        handle = ctypes.c_void_p()
        self._call(function, *arguments, ctypes.byref(handle))
        return handle

    def _call(self, function: str, *arguments: object) -> None:
        try:
            status = getattr(self._library, function)(*arguments)
        except AttributeError as error:
            raise ProfileUnavailableError(
                f"the installed {self._product} gives no per-operator times: it has no {function}"
            ) from error
        if status != 0:
            raise InterpreterError(
                f"{self._product} cannot profile this model ({function}: status {status}): it is "
                f"damaged, or needs what this runtime does not have"
            )

    def _hold(self, data: bytes) -> ctypes.Array[ctypes.c_char]:
        memory = ctypes.create_string_buffer(data, len(data))
        self._held.append(memory)
        return memory


if __name__ == "__main__":
    main()
