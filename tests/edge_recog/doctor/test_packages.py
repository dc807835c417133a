"""Python, interpreter, NumPy and OpenCV."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import TYPE_CHECKING

import pytest

from edge_recog.doctor.board import System
from edge_recog.doctor.packages import (
    Import,
    Python,
    judge_interpreter,
    judge_numpy,
    judge_opencv,
    judge_python,
    read_import,
    read_interpreters,
    read_numpy_users,
    read_python,
    read_versions,
    signal_name,
)
from edge_recog.doctor.probes import Machine, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_64, _32 = System("", "aarch64", 64), System("", "armv7l", 32)
_ARMV6 = System("Raspberry Pi Zero W", "armv6l", 32)
_LITERT, _TFLITE = "ai_edge_litert.interpreter", "tflite_runtime.interpreter"
_WORKS = Import(_LITERT, 0)
_MISSING = Import(_TFLITE, 1, "Traceback\nModuleNotFoundError: No module named 'tflite_runtime'")
_NO_LIBRARY = Import(_LITERT, 1, "ImportError: libfoo.so: cannot open shared object file\n")
_ABI = Import("cv2", 1, "ValueError: numpy.dtype size changed, may indicate binary incompatibility")


def _python(major: int = 3, minor: int = 11, **others: object) -> Python:
    values: dict[str, object] = {
        "implementation": "CPython",
        "libc": "glibc",
        "free_threaded": False,
    }
    return Python(version=(major, minor), **(values | others))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("python", "system", "outcome"),
    [
        (_python(3, 11), _64, "good"),
        (_python(3, 14), _64, "good"),
        (_python(3, 15), _64, "bad"),
        (_python(3, 11), _32, "good"),
        (_python(3, 13), _32, "bad"),
        (_python(3, 11), _ARMV6, "bad"),
        (_python(libc=""), _64, "bad"),
        (_python(implementation="PyPy"), _64, "bad"),
        (_python(3, 13, free_threaded=True), _64, "bad"),
    ],
    ids=["3.11", "3.14", "3.15", "32-bit", "32-bit 3.13", "ARMv6", "musl", "PyPy", "no GIL"],
)
def test_there_must_be_wheels_for_this_python(python: Python, system: System, outcome: str) -> None:
    finding = judge_python(python, system)

    assert finding.outcome == outcome
    assert bool(finding.fix) == (outcome == "bad")


def test_this_python_is_looked_at() -> None:
    assert read_python().version == sys.version_info[:2]


@pytest.mark.parametrize(
    ("tried", "outcome", "evidence", "fix"),
    [
        ((_WORKS,), "good", "ai-edge-litert 2.3.0 can be imported", ""),
        ((_MISSING,), "bad", "no TFLite interpreter is installed", "pip install"),
        ((_NO_LIBRARY,), "bad", "cannot open shared object", "--force-reinstall ai-edge-litert"),
        ((_NO_LIBRARY, Import(_TFLITE, 0)), "warning", "tflite-runtime is used", "ai-edge-litert"),
        ((Import(_LITERT, -4),), "bad", "SIGILL", "'ai-edge-litert!=2.3.0'"),
        ((Import(_LITERT, None),), "bad", "does not end", "--force-reinstall"),
        ((Import(_LITERT, 7),), "bad", "status 7", "--force-reinstall"),
        ((Import(_TFLITE, 1, "AttributeError: _ARRAY_API not found"),), "bad", "_ARRAY", "NumPy"),
    ],
    ids=["works", "missing", "broken", "second", "SIGILL", "hangs", "silent", "NumPy"],
)
def test_an_interpreter_must_be_importable(
    tried: Sequence[Import], outcome: str, evidence: str, fix: str
) -> None:
    finding = judge_interpreter(tried, {"ai-edge-litert": "2.3.0"})

    assert finding.outcome == outcome
    assert evidence in finding.evidence
    assert fix in finding.fix


def test_an_import_runs_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashes.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    (tmp_path / "clashes.py").write_text("raise ValueError('numpy.dtype size changed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    crashed, clashed = (read_import(Machine(), name) for name in ("crashes", "clashes"))

    assert crashed.problem == "its import crashes Python (SIGKILL)"
    assert clashed.problem == "ValueError: numpy.dtype size changed"
    assert "crashes" not in sys.modules
    assert clashed.installed
    assert not read_import(Machine(), "no_such_module").installed


def test_a_python_that_cannot_be_run_is_a_problem(build: Callable[..., Machine]) -> None:
    assert "cannot be run" in read_import(build({}), "json").problem


def test_interpreters_are_tried_up_to_the_first_that_works(build: Callable[..., Machine]) -> None:
    asked = []

    def run(command: Sequence[str], **_: object) -> Said:
        asked.append(command[-1])
        works = command[-1] == _TFLITE
        return Said(0 if works else 1, "", "" if works else "ImportError: broken")

    tried = read_interpreters(build({}, run=run))

    assert asked == [_LITERT, _TFLITE]
    assert [one.works for one in tried] == [False, True]


def test_only_what_is_installed_is_tried_on_numpy(build: Callable[..., Machine]) -> None:
    def run(*_: object, **__: object) -> Said:
        return Said(0, "", "")

    assert [one.module for one in read_numpy_users(build({}, run=run))] == ["cv2"]


@pytest.mark.parametrize(
    ("tried", "numpy", "outcome", "fix"),
    [
        ((_WORKS, Import("cv2", 0)), "2.4.6", "good", ""),
        ((_WORKS, _ABI), "2.4.6", "bad", "pip install 'numpy<2'"),
        ((_WORKS, _ABI), "1.24.0", "bad", "pip install --upgrade numpy"),
        ((Import("picamera2", 1, _ABI.said),), "2.4.6", "bad", "apt's picamera2"),
        ((Import(_TFLITE, 1, "AttributeError: _ARRAY_API not found"),), "2.0.0", "bad", "numpy<2"),
        ((Import("cv2", 1, "A module that was compiled using NumPy 1.x"),), "2.0.0", "bad", "<2"),
        ((_NO_LIBRARY,), "2.4.6", "skipped", ""),
        ((_WORKS,), None, "bad", "pip install numpy"),
    ],
    ids=["fits", "too new", "too old", "picamera2", "tflite", "1.x", "nothing loads", "missing"],
)
def test_libraries_must_be_built_for_the_numpy_that_is_here(
    tried: Sequence[Import], numpy: str | None, outcome: str, fix: str
) -> None:
    finding = judge_numpy(tried, {"numpy": numpy} if numpy else {})

    assert finding.outcome == outcome
    assert fix in finding.fix


_HEADLESS = {"opencv-python-headless": "5.0.0"}
_BOTH = {"opencv-python": "4.12.0", **_HEADLESS}


@pytest.mark.parametrize(
    ("cv2", "versions", "outcome", "fix"),
    [
        (Import("cv2", 0), _HEADLESS, "good", ""),
        (Import("cv2", 0), {}, "good", ""),
        (
            Import("cv2", 0),
            _BOTH,
            "warning",
            "pip uninstall -y opencv-python opencv-python-headless; pip install opencv-python-",
        ),
        (Import("cv2", 1, "ImportError: libGL.so.1"), _BOTH, "bad", "pip uninstall -y opencv-py"),
        (Import("cv2", 1, "ImportError: libGL.so.1"), {}, "bad", "pip install opencv-python-head"),
        (_ABI, _HEADLESS, "bad", "see NumPy"),
        (None, {}, "bad", "pip install opencv-python-headless"),
    ],
    ids=["one", "system's", "two", "no libGL", "system's without libGL", "NumPy", "none"],
)
def test_opencv_must_be_here_once(
    cv2: Import | None, versions: dict[str, str], outcome: str, fix: str
) -> None:
    finding = judge_opencv(cv2, versions)

    assert finding.outcome == outcome
    assert fix in finding.fix


def test_versions_go_by_the_names_of_pip() -> None:
    versions = read_versions()

    assert versions["prometheus-client"] == importlib.metadata.version("prometheus_client")
    assert all(name == name.lower() and "_" not in name for name in versions)


@pytest.mark.parametrize(("number", "name"), [(11, "SIGSEGV"), (99, "signal 99")])
def test_a_signal_has_a_name(number: int, name: str) -> None:
    assert signal_name(number) == name
