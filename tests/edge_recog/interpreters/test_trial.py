"""Foreign models run once in a process that may die of them."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from edge_recog.errors import DelegateError, InterpreterError, UnsupportedModelError, UsageError
from edge_recog.interpreters import DelegateSpec
from edge_recog.interpreters.trial import try_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def pretend_runtime(pretend: Callable[[str, str], None]) -> Callable[[str], None]:
    return partial(pretend, "tflite_runtime")


def test_a_sound_model_passes(build_model: Callable[..., bytes]) -> None:
    try_model(build_model(inputs=2, op="ADD"))


def test_the_errors_of_opening_come_back_as_they_are(build_model: Callable[..., bytes]) -> None:
    with pytest.raises(UnsupportedModelError, match=r"custom operation Vendor\.Op2"):
        try_model(build_model("Vendor.Op2"))
    with pytest.raises(UsageError, match="no backend 'onnx'"):
        try_model(build_model(), backend="onnx")


def test_a_file_that_is_no_model_is_an_error() -> None:
    with pytest.raises(InterpreterError, match="rejects the model"):
        try_model(b"no model at all")


def test_a_delegate_is_tried_too(build_model: Callable[..., bytes], fake_delegate: Path) -> None:
    try_model(build_model(), delegate=DelegateSpec(str(fake_delegate), {"claim": "all"}))
    lost = DelegateSpec(str(fake_delegate), {"claim": "all", "fail": "invoke"})
    with pytest.raises(DelegateError, match="the device is gone"):
        try_model(build_model(), delegate=lost)


def test_a_crash_in_native_code_is_an_error(
    build_model: Callable[..., bytes], fake_delegate: Path
) -> None:
    spec = DelegateSpec(str(fake_delegate), {"claim": "all", "fail": "crash"})
    with pytest.raises(InterpreterError, match=r"crashed \(signal 6, SIGABRT\) on this model"):
        try_model(build_model(), delegate=spec)


@pytest.mark.skipif(sys.maxsize < 2**32, reason="tflite-runtime rejects this model, as it should")
def test_a_malformed_model_that_crashes_the_runtime_is_an_error(
    build_model: Callable[..., bytes],
) -> None:
    # LiteRT 2.3 looks for the split's first input without asking whether there is one.
    with pytest.raises(InterpreterError, match="crashed"):
        try_model(build_model("SPLIT", inputs=0))


def test_a_signal_without_a_name_is_still_told(pretend_runtime: Callable[[str], None]) -> None:
    pretend_runtime("os.kill(os.getpid(), 40)")
    with pytest.raises(InterpreterError, match=r"crashed \(signal 40\)"):
        try_model(b"", backend="tflite_runtime")


def test_a_hanging_model_is_stopped(pretend_runtime: Callable[[str], None]) -> None:
    pretend_runtime("time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(InterpreterError, match=r"within 1\.5 s, and was stopped"):
        try_model(b"", backend="tflite_runtime", timeout_s=1.5)
    assert time.monotonic() - start < 30


@pytest.mark.usefixtures("held_to_its_memory")
def test_a_model_that_wants_too_much_memory_is_an_error(build_model: Callable[..., bytes]) -> None:
    huge = build_model("RELU", shape=(1, 12_000, 12_000, 1))
    with pytest.raises(InterpreterError, match="as when memory runs out"):
        try_model(huge, memory_mb=500)


@pytest.mark.usefixtures("held_to_its_memory")
def test_memory_that_python_cannot_get_is_an_error(pretend_runtime: Callable[[str], None]) -> None:
    pretend_runtime("bytearray(2**30)")
    with pytest.raises(InterpreterError, match="more than 500 MB of memory"):
        try_model(b"", backend="tflite_runtime", memory_mb=500)


def test_what_native_code_prints_does_not_reach_the_answer(
    pretend_runtime: Callable[[str], None],
) -> None:
    pretend_runtime("os.write(1, b'hello'); raise ValueError('bad model')")
    with pytest.raises(InterpreterError, match="rejects the model: bad model"):
        try_model(b"", backend="tflite_runtime")


def test_a_child_that_answers_nothing_is_an_error_with_its_last_words(
    pretend_runtime: Callable[[str], None],
) -> None:
    pretend_runtime("sys.exit('gave up')")
    with pytest.raises(InterpreterError, match="status 1: gave up"):
        try_model(b"", backend="tflite_runtime")
