"""The same code on tflite-runtime 2.14, the runtime of 32-bit Raspberry Pi OS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(
    os.environ.get("EMULATED") == "1", reason="emulated: there is one environment, with one runtime"
)
SCRIPT = Path(__file__).with_name("run_models.py")
OPEN = """
import sys, pathlib
from edge_recog.errors import EdgeRecogError
from edge_recog.interpreters import open_interpreter
from edge_recog.interpreters.trial import try_model
action = {"open": open_interpreter, "try": try_model}[sys.argv[1]]
try:
    action(pathlib.Path(sys.argv[2]).read_bytes())
except EdgeRecogError as error:
    print(type(error).__name__, error)
"""

ON_EDGE_TPU = """
import ctypes, sys, pathlib
from edge_recog.errors import DelegateError
from edge_recog.interpreters import DelegateSpec, open_interpreter
library, model = sys.argv[1], pathlib.Path(sys.argv[2]).read_bytes()
def attempt(**options):
    try:
        interpreter = open_interpreter(model, delegate=DelegateSpec(library, options))
    except DelegateError as error:
        print(error)
    else:
        return interpreter
interpreter = attempt(device="usb:0")
interpreter.input_view()[...] = 7
interpreter.invoke()
print(interpreter.runtime, interpreter.read_output().max())
ctypes.CDLL(library).edge_tpu_pull_out()
try:
    interpreter.invoke()
except DelegateError as error:
    print(error)
interpreter.close()
ctypes.CDLL(library).edge_tpu_plug_in()
attempt(device="usb:9")
attempt(fail="prepare")
attempt(fail="invoke")
try:
    open_interpreter(model)
except DelegateError as error:
    print(error)
"""


@pytest.fixture
def models(shared_data: Path) -> list[str]:
    found = sorted(shared_data.rglob("*.tflite"))
    return [str(p) for p in found if "invalid" not in str(p) and "edgetpu" not in p.name]


def test_built_in_kernels_of_both_runtimes_agree(
    run_in_tflite_runtime: Callable[..., str], models: list[str]
) -> None:
    old = json.loads(run_in_tflite_runtime(SCRIPT, "built-in", *models))
    command = [sys.executable, SCRIPT, "built-in", *models]
    new = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert old.keys() == new.keys() == set(models)
    for path in models:
        assert old[path]["runtime"] == "tflite-runtime 2.14.0 (built-in kernels, 1 thread)"
        for kind, before, now in zip(
            old[path]["dtypes"], old[path]["outputs"], new[path]["outputs"], strict=True
        ):
            # LiteRT 2 rounds ADD otherwise: MobileNetV2 moves by a step, models without it do not.
            tolerance = 1e-5 if kind == "float32" else 1
            np.testing.assert_allclose(now, before, rtol=0, atol=tolerance, err_msg=path)


def test_it_gives_xnnpack_float_models_only(
    run_in_tflite_runtime: Callable[..., str], shared_data: Path
) -> None:
    folder = shared_data / "mlperf_tiny" / "visual_wake_words" / "trained_models"
    paths = [str(folder / "vww_96_float.tflite"), str(folder / "vww_96_int8.tflite")]
    answers = json.loads(run_in_tflite_runtime(SCRIPT, "xnnpack", *paths))
    kernels = [answers[path]["runtime"] for path in paths]
    assert kernels == [
        "tflite-runtime 2.14.0 (XNNPACK, 1 thread)",
        "tflite-runtime 2.14.0 (built-in kernels, 1 thread)",
    ]


@pytest.mark.parametrize(
    ("op", "version", "expected"),
    [
        ("FULLY_CONNECTED", 12, "InterpreterError tflite-runtime 2.14.0 is too old for this model"),
        ("Vendor.Op2", 1, "UnsupportedModelError the model needs the custom operation Vendor.Op2"),
        ("FlexErf", 1, "UnsupportedModelError the model needs the TensorFlow operation FlexErf"),
    ],
)
def test_its_refusals_read_the_same(
    run_in_tflite_runtime: Callable[..., str],
    build_model: Callable[..., bytes],
    tmp_path: Path,
    op: str,
    version: int,
    expected: str,
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(build_model(op, version=version))
    assert run_in_tflite_runtime("-c", OPEN, "open", path).startswith(expected)


def test_a_truncated_file_that_may_crash_it_is_caught_by_a_trial(
    run_in_tflite_runtime: Callable[..., str], shared_data: Path, tmp_path: Path
) -> None:
    model = (shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    path = tmp_path / "truncated.tflite"
    path.write_bytes(model[:300_000])
    told = run_in_tflite_runtime("-c", OPEN, "try", path)

    # It reads past the end: mostly a segmentation fault, now and then something it can reject, or
    # a size that no machine has.
    assert told.startswith("InterpreterError ")
    outcomes = ("crashed (signal 11, SIGSEGV)", "rejects the model", "needs more than 1024 MB")
    assert any(outcome in told for outcome in outcomes)


def test_an_edge_tpu_fails_there_in_the_same_words(
    run_in_tflite_runtime: Callable[..., str], shared_data: Path, edge_tpu_library: Path
) -> None:
    model = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    told = run_in_tflite_runtime("-c", ON_EDGE_TPU, edge_tpu_library, model).splitlines()
    expected = [
        "tflite-runtime 2.14.0 (libedgetpu.so.1 (device=usb:0), 1 thread) 7",
        "fake delegate: the device is gone",
        "the Edge TPU 'usb:9' cannot be opened (no such device)",
        "fake delegate: cannot compile this graph",
        "fake delegate: the device is gone",
        "the model is compiled for the Edge TPU: attach one",
    ]

    assert len(told) == len(expected)
    for line, part in zip(told, expected, strict=True):
        assert part in line
