"""Running a foreign model once where it can do no harm: in a process of its own.

A malformed model can crash native code, and no `except` catches that. `try_model` starts
`python -m edge_recog.interpreters.trial`, hands it the model on stdin and reads one JSON document
from its stdout.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import msgspec

from edge_recog.errors import (
    DelegateError,
    EdgeRecogError,
    InterpreterError,
    InterpreterMissingError,
    UnsupportedModelError,
    UsageError,
)
from edge_recog.interpreters.delegates import DelegateSpec
from edge_recog.interpreters.opening import open_interpreter
from edge_recog.processes import module_command, same_packages

_ERRORS: dict[str, type[EdgeRecogError]] = {
    error.__name__: error
    for error in (
        DelegateError,
        InterpreterError,
        InterpreterMissingError,
        UnsupportedModelError,
        UsageError,
    )
}


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child gets as its one argument, in JSON."""

    threads: int | None
    backend: str
    delegate: tuple[str, dict[str, str]] | None
    """Library and options."""
    memory_mb: int


class _Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child answers, in JSON."""

    error: str = ""
    """A key of `_ERRORS`; empty if the model ran."""
    message: str = ""


def try_model(
    model: bytes,
    *,
    timeout_s: float = 60.0,
    threads: int | None = 1,
    backend: str = "auto",
    delegate: DelegateSpec | None = None,
    memory_mb: int = 1024,
) -> None:
    """Load `model`, run it once on zeros and close it in a child process; return if all went well.

    Args:
        model: A .tflite file's bytes.
        timeout_s: For everything, the child's start (0.3 s here) included.
        threads: As in `open_interpreter`.
        backend: As in `open_interpreter`.
        delegate: As in `open_interpreter`. One built for another TensorFlow version may crash.
        memory_mb: The most the child may allocate, its runtime included. Linux only.

    Raises:
        InterpreterError: The model crashed the interpreter, took too long or too much memory.
        EdgeRecogError: Whatever `open_interpreter` and `invoke` raise.
    """
    accelerator = (delegate.library, dict(delegate.options)) if delegate else None
    options = _Options(threads, backend, accelerator, memory_mb)
    command = module_command(__spec__.name, msgspec.json.encode(options).decode())
    environment = os.environ | same_packages()
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
            f"the model did not load and run once within {timeout_s:g} s, and was stopped"
        ) from error
    if child.returncode < 0:
        raise InterpreterError(
            f"the interpreter crashed ({_signal_name(-child.returncode)}) on this model: the file "
            f"is damaged, not meant for this runtime, or needs more than {memory_mb} MB"
        )
    try:
        outcome = msgspec.json.decode(child.stdout, type=_Outcome)
    except msgspec.DecodeError as error:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise InterpreterError(
            f"the process trying the model ended with status {child.returncode}: {said[-1]}"
        ) from error
    if outcome.error:
        raise _ERRORS.get(outcome.error, InterpreterError)(outcome.message)


def _signal_name(number: int) -> str:
    """Return e.g. `signal 11, SIGSEGV`."""
    with contextlib.suppress(ValueError):
        return f"signal {number}, {signal.Signals(number).name}"
    return f"signal {number}"


def _run_once(model: bytes, options: _Options) -> _Outcome:
    """Load and run `model`, and return how it went."""
    delegate = DelegateSpec(*options.delegate) if options.delegate else None
    try:
        with contextlib.closing(
            open_interpreter(
                model, threads=options.threads, backend=options.backend, delegate=delegate
            )
        ) as interpreter:
            for index in range(len(interpreter.inputs)):
                interpreter.input_view(index)[...] = 0
            interpreter.invoke()
            for index in range(len(interpreter.outputs)):
                interpreter.read_output(index)
    except EdgeRecogError as error:
        return _Outcome(type(error).__name__, str(error))
    except MemoryError:
        message = f"the model needs more than {options.memory_mb} MB of memory"
        return _Outcome(InterpreterError.__name__, message)
    return _Outcome()


def _limit_memory(memory_mb: int) -> None:
    """Make allocations beyond `memory_mb` fail, and crashes leave no core file."""
    with contextlib.suppress(ImportError):  # Windows has no such limits.
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # What is written, not what is mapped: libraries alone map hundreds of megabytes.
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * 2**20, memory_mb * 2**20))


def main() -> None:
    """Be the child."""
    options = msgspec.json.decode(sys.argv[1], type=_Options)
    _limit_memory(options.memory_mb)
    # Only the outcome goes to stdout: native code that prints is sent to stderr.
    answer = os.dup(1)
    os.dup2(2, 1)
    outcome = _run_once(sys.stdin.buffer.read(), options)
    os.write(answer, msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
