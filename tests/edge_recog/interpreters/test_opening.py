"""Which runtime opens a model, and what is said where there is none."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edge_recog.errors import InterpreterMissingError, UsageError
from edge_recog.interpreters import INTERPRETERS, open_interpreter
from edge_recog.interpreters.native_log import logged_native_output
from edge_recog.interpreters.opening import _install_hint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_importing_the_package_loads_no_runtime() -> None:
    code = (
        "import sys, edge_recog.interpreters\n"
        "heavy = {'ai_edge_litert', 'tflite_runtime', 'tensorflow', 'cv2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_than_one_thread_is_a_usage_error(
    build_model: Callable[..., bytes], threads: int
) -> None:
    with pytest.raises(UsageError, match="ask for 1 or more"):
        open_interpreter(build_model(), threads=threads)


def test_an_unknown_backend_is_a_usage_error_naming_the_known_ones(
    build_model: Callable[..., bytes],
) -> None:
    with pytest.raises(UsageError, match="use auto, litert, tflite_runtime, tensorflow"):
        open_interpreter(build_model(), backend="onnx")


def test_no_threads_given_means_every_core_this_process_may_use(
    build_model: Callable[..., bytes],
) -> None:
    cores = len(os.sched_getaffinity(0))
    expected = "1 thread)" if cores == 1 else f"{cores} threads)"
    assert open_interpreter(build_model(), threads=None).runtime.endswith(expected)


def test_all_cores_counts_the_machine_where_there_is_no_affinity(
    build_model: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert open_interpreter(build_model(), threads=None).runtime.endswith("3 threads)")


@pytest.mark.skipif(sys.maxsize < 2**32, reason="ai-edge-litert has no wheels for 32-bit systems")
def test_auto_takes_the_first_runtime_that_is_installed(
    build_model: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(INTERPRETERS, "litert", "no_such_runtime.interpreter")
    monkeypatch.setitem(INTERPRETERS, "tflite_runtime", "ai_edge_litert.interpreter")
    assert open_interpreter(build_model()).runtime.startswith("tflite-runtime ")


def test_without_any_runtime_the_error_names_the_command_that_installs_one(
    build_model: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in INTERPRETERS:
        monkeypatch.setitem(INTERPRETERS, name, "no_such_runtime.interpreter")
    with pytest.raises(InterpreterMissingError, match=r"no TFLite interpreter .* pip install"):
        open_interpreter(build_model())


def test_a_missing_backend_is_named(
    build_model: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(INTERPRETERS, "tensorflow", "no_such_runtime.interpreter")
    with pytest.raises(InterpreterMissingError, match=r"no tensorflow .* pip install tensorflow"):
        open_interpreter(build_model(), backend="tensorflow")


@pytest.mark.parametrize(
    "raised", ["ImportError('made for\\nNumPy 1')", "OSError('made for NumPy 1')"]
)
def test_a_runtime_that_cannot_be_imported_is_told_from_a_missing_one(
    build_model: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: str
) -> None:
    (tmp_path / "broken_runtime.py").write_text(f"raise {raised}")
    monkeypatch.syspath_prepend(tmp_path)
    for name in INTERPRETERS:
        monkeypatch.setitem(INTERPRETERS, name, "no_such_runtime.interpreter")
    monkeypatch.setitem(INTERPRETERS, "litert", "broken_runtime")
    with pytest.raises(InterpreterMissingError, match="cannot be imported: made for NumPy 1"):
        open_interpreter(build_model())


@pytest.mark.parametrize(
    ("backend", "machine", "bits", "python", "expected"),
    [
        ("auto", "x86_64", 64, (3, 13), "pip install ai-edge-litert"),
        ("auto", "aarch64", 64, (3, 11), "pip install ai-edge-litert"),
        ("auto", "armv7l", 32, (3, 11), "pip install 'tflite-runtime>=2.14' 'numpy<2'"),
        ("auto", "aarch64", 32, (3, 11), "pip install 'tflite-runtime>=2.14' 'numpy<2'"),
        ("auto", "armv7l", 32, (3, 13), "install a 64-bit operating system"),
        ("auto", "armv6l", 32, (3, 11), "install a 64-bit operating system"),
        ("litert", "armv7l", 32, (3, 11), "use tflite_runtime"),
        ("litert", "aarch64", 64, (3, 13), "pip install ai-edge-litert"),
        ("tflite_runtime", "x86_64", 64, (3, 11), "pip install 'tflite-runtime>=2.14' 'numpy<2'"),
        ("tflite_runtime", "x86_64", 64, (3, 12), "pip install ai-edge-litert"),
        ("tensorflow", "x86_64", 64, (3, 12), "pip install tensorflow"),
    ],
)
def test_the_install_hint_fits_the_machine(
    backend: str, machine: str, bits: int, python: tuple[int, int], expected: str
) -> None:
    hint = _install_hint(backend, machine=machine, bits=bits, python=python)
    assert expected in hint


def test_loading_keeps_stderr_clean_and_logs_what_the_runtime_says(shared_data: Path) -> None:
    model = shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite"
    code = (
        "import logging, pathlib, sys\n"
        "logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)\n"
        "from edge_recog.interpreters import open_interpreter\n"
        f"open_interpreter(pathlib.Path({str(model)!r}).read_bytes()).invoke()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    if sys.maxsize > 2**32:  # tflite-runtime has nothing to say of an 8-bit model.
        said = "DEBUG:edge_recog.interpreters.native_log:Created TensorFlow Lite XNNPACK"
        assert said in run.stdout


def test_only_the_runtimes_own_lines_are_taken_from_stderr(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), logged_native_output():
        os.write(2, b"INFO: made a delegate\nsomebody else's line\nWARNING: odd\nno line end")
    assert capfd.readouterr().err == "somebody else's line\nno line end"
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", "made a delegate"),
        ("WARNING", "odd"),
    ]


def test_what_was_written_is_not_lost_when_loading_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"a clue\n")
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"), logged_native_output():
        fail()
    assert capfd.readouterr().err == "a clue\n"


def test_stderr_is_left_alone_where_there_is_no_memfd(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with logged_native_output():
        os.write(2, b"INFO: as it was\n")
    assert capfd.readouterr().err == "INFO: as it was\n"
