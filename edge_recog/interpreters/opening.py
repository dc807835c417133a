"""Which runtimes there are, and opening a model with one of them."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from typing import TYPE_CHECKING

from edge_recog.errors import InterpreterMissingError, UsageError
from edge_recog.interpreters.native import NativeInterpreter

if TYPE_CHECKING:
    from types import ModuleType

    from edge_recog.interpreters.delegates import DelegateSpec
    from edge_recog.interpreters.protocol import Interpreter

INTERPRETERS = {
    "litert": "ai_edge_litert.interpreter",
    "tflite_runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}
"""Backends and the modules with their Python API, in the order in which "auto" tries them."""

_DISTRIBUTIONS = {
    "litert": "ai-edge-litert",
    "tflite_runtime": "tflite-runtime",
    "tensorflow": "tensorflow",
}


def open_interpreter(
    model: bytes,
    *,
    threads: int | None = 1,
    backend: str = "auto",
    xnnpack: bool = True,
    delegate: DelegateSpec | None = None,
    warm_up: bool | None = None,
) -> Interpreter:
    """Load `model` with an installed runtime.

    Args:
        model: A .tflite file's bytes, so that what was verified is what runs. Neither copied nor
            released before the interpreter is closed. Check its structure first: tflite-runtime
            crashes on truncated files (see `edge_recog.interpreters.trial`).
        threads: CPU threads of one inference; None takes every core this process may use.
        backend: A key of `INTERPRETERS`, or "auto" for the first one installed.
        xnnpack: False keeps to TFLite's built-in kernels.
        delegate: An accelerator.
        warm_up: Whether to run the model once before it is handed over; None: with an accelerator.
            Its first inference carries the weights to it, which may take longer than hundreds of
            later ones, and shows whether it works at all.

    Raises:
        DelegateError: The accelerator cannot be used, or the model is compiled for one.
        InterpreterError: The runtime rejects the model.
        InterpreterMissingError: No runtime is installed, or not the one asked for.
        UnsupportedModelError: The model needs an operation that the runtime does not have.
        UsageError: There is no such backend, or fewer than one thread was asked for.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads cannot run a model: ask for 1 or more")
    if backend != "auto" and backend not in INTERPRETERS:
        raise UsageError(f"no backend {backend!r}: use auto, {', '.join(INTERPRETERS)}")
    name, api = _import_runtime(list(INTERPRETERS) if backend == "auto" else [backend])
    return NativeInterpreter(
        api,
        model,
        product=f"{_DISTRIBUTIONS[name]} {_version(api)}",
        threads=_usable_cores() if threads is None else threads,
        xnnpack=xnnpack,
        delegate=delegate,
        warm_up=delegate is not None if warm_up is None else warm_up,
    )


def _import_runtime(names: list[str]) -> tuple[str, ModuleType]:
    """Return the first of `names` that can be imported, and its module."""
    broken: ImportError | OSError | None = None
    for name in names:
        try:
            return name, importlib.import_module(INTERPRETERS[name])
        except ModuleNotFoundError:
            continue
        except (ImportError, OSError) as error:
            # E.g. tflite-runtime beside NumPy 2, or a shared library that the system lacks.
            broken = broken or error
    if broken is not None:
        line = " ".join(str(broken).split())
        raise InterpreterMissingError(
            f"the installed TFLite interpreter cannot be imported: {line}"
        ) from broken
    hint = _install_hint(
        "auto" if len(names) > 1 else names[0],
        machine=platform.machine(),
        bits=64 if sys.maxsize > 2**32 else 32,
        python=sys.version_info[:2],
    )
    which = "no TFLite interpreter" if len(names) > 1 else f"no {_DISTRIBUTIONS[names[0]]}"
    raise InterpreterMissingError(f"{which} is installed for {sys.executable}: {hint}")


def _install_hint(backend: str, *, machine: str, bits: int, python: tuple[int, int]) -> str:
    """Return what to do to get `backend` ("auto": any) on such a machine.

    A 32-bit Raspberry Pi OS has a 64-bit kernel, and `machine` is the kernel's: hence `bits`. The
    wheels are those of ai-edge-litert 2.3 (CPython 3.10 up, 64-bit) and tflite-runtime 2.14
    (CPython up to 3.11).
    """
    old_python = python <= (3, 11)
    if backend == "tensorflow":
        return "pip install tensorflow"
    if backend == "tflite_runtime" or (backend == "auto" and bits == 32):
        if old_python and machine != "armv6l":
            return "pip install 'tflite-runtime>=2.14' 'numpy<2'"
        if bits == 32:
            return (
                "there are no wheels for it: install a 64-bit operating system, or "
                "Python 3.11 on ARMv7"
            )
        return "it has no wheels for Python 3.12 and later: pip install ai-edge-litert"
    if bits == 32:
        return "it has no wheels for 32-bit systems: install a 64-bit one, or use tflite_runtime"
    return "pip install ai-edge-litert"


def _version(api: ModuleType) -> str:
    package = sys.modules[api.__name__.partition(".")[0]]
    return str(getattr(package, "__version__", "of unknown version"))


def _usable_cores() -> int:
    """Return how many cores the scheduler lets this process use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
