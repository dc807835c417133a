"""A model in a real runtime: what it says of itself, how it runs, and what is kept of it."""

from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_recog.errors import (
    ClosedError,
    DelegateError,
    InterpreterError,
    UnsupportedModelError,
)
from edge_recog.interpreters import open_interpreter
from edge_recog.interpreters.native import _without_deprecation_warning
from edge_recog.quantization import QuantParams

if TYPE_CHECKING:
    from collections.abc import Callable

needs_litert = pytest.mark.skipif(
    sys.maxsize < 2**32, reason="ai-edge-litert has no wheels for 32-bit systems"
)
INT8_RESNET = "mlperf_tiny/image_classification/trained_models/pretrainedResnet_quant.tflite"


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_a_quantised_model_describes_its_tensors(shared_data: Path) -> None:
    interpreter = open_interpreter((shared_data / INT8_RESNET).read_bytes())
    (image,), (scores,) = interpreter.inputs, interpreter.outputs
    assert (image.shape, image.dtype) == ((1, 32, 32, 3), "int8")
    assert image.quantization == QuantParams(1.0, -128, "int8")
    assert (scores.shape, scores.dtype) == ((1, 10), "int8")
    assert scores.quantization == QuantParams(1 / 256, -128, "int8")


def test_a_float_model_has_no_quantisation(build_model: Callable[..., bytes]) -> None:
    interpreter = open_interpreter(build_model(shape=(1, 3)))
    assert interpreter.inputs[0].quantization is None
    assert str(interpreter.inputs[0]) == "float32 [1, 3]"
    assert interpreter.inputs[0].name == "input0"


def test_the_input_view_is_native_memory_and_the_output_a_copy(
    build_model: Callable[..., bytes],
) -> None:
    interpreter = open_interpreter(build_model("RELU", shape=(1, 4)))
    interpreter.input_view()[...] = [[-1, 2, -3, 4]]
    interpreter.invoke()
    first = interpreter.read_output()
    interpreter.input_view()[...] = 9
    interpreter.invoke()
    np.testing.assert_array_equal(first, [[0, 2, 0, 4]])
    np.testing.assert_array_equal(interpreter.read_output(), [[9, 9, 9, 9]])


def test_inputs_and_outputs_are_told_apart_by_their_index(
    build_model: Callable[..., bytes],
) -> None:
    interpreter = open_interpreter(build_model("SUB", inputs=2))
    interpreter.input_view(0)[...] = 5
    interpreter.input_view(1)[...] = 3
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.read_output(0), [[2, 2, 2, 2]])


@needs_litert
@pytest.mark.parametrize(("xnnpack", "kernels"), [(True, "XNNPACK"), (False, "built-in kernels")])
def test_the_runtime_tells_whose_kernels_run(
    shared_data: Path, xnnpack: bool, kernels: str
) -> None:
    model = (shared_data / INT8_RESNET).read_bytes()
    runtime = open_interpreter(model, backend="litert", xnnpack=xnnpack).runtime
    assert runtime.startswith("ai-edge-litert 2.")
    assert runtime.endswith(f"({kernels}, 1 thread)")


def test_a_held_view_makes_invoke_fail_until_it_is_dropped(
    build_model: Callable[..., bytes],
) -> None:
    interpreter = open_interpreter(build_model())
    view = interpreter.input_view()[:, 1:]
    with pytest.raises(InterpreterError, match="still held: drop it first"):
        interpreter.invoke()
    del view
    interpreter.invoke()


def test_a_view_outlives_the_interpreter_without_harm(build_model: Callable[..., bytes]) -> None:
    interpreter = open_interpreter(build_model())
    view = interpreter.input_view()
    view[...] = 7
    interpreter.close()
    del interpreter
    gc.collect()
    assert view.sum() == 28


def test_a_closed_interpreter_says_so(build_model: Callable[..., bytes]) -> None:
    interpreter = open_interpreter(build_model())
    interpreter.close()
    interpreter.close()
    for use in (interpreter.input_view, interpreter.invoke, interpreter.read_output):
        with pytest.raises(ClosedError):
            use()


@needs_litert
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"no model at all", "not a valid Flatbuffer"),
        (lambda model: model[: len(model) // 2], "not a valid Flatbuffer"),
        (lambda _: b"", "must be specified"),
    ],
    ids=["other file", "truncated", "empty"],
)
def test_a_file_that_is_no_model_is_rejected(
    build_model: Callable[..., bytes], damage: Callable[[bytes], bytes], reason: str
) -> None:
    with pytest.raises(InterpreterError, match=f"rejects the model: .*{reason}"):
        open_interpreter(damage(build_model()), backend="litert")


def test_a_graph_that_cannot_be_prepared_is_rejected_in_one_line(
    build_model: Callable[..., bytes],
) -> None:
    with pytest.raises(InterpreterError, match="failed to prepare") as caught:
        open_interpreter(build_model("CONCATENATION", dtype="int32", inputs=0))
    assert "\n" not in str(caught.value)
    assert ".cc" not in str(caught.value)


def test_a_model_that_fails_while_running_says_why_in_one_line(
    build_model: Callable[..., bytes],
) -> None:
    # RELU of int32 is noticed by the built-in kernels only when they run.
    interpreter = open_interpreter(build_model("RELU", dtype="int32"))
    with pytest.raises(InterpreterError, match=r"failed while running the model: .* got INT32; "):
        interpreter.invoke()


def test_an_unknown_custom_operation_is_named(build_model: Callable[..., bytes]) -> None:
    with pytest.raises(UnsupportedModelError, match=r"custom operation Vendor\.Op2, which"):
        open_interpreter(build_model("Vendor.Op2"))


@needs_litert
def test_a_tensorflow_operation_is_named(build_model: Callable[..., bytes]) -> None:
    with pytest.raises(UnsupportedModelError, match="TensorFlow operation FlexErf"):
        open_interpreter(build_model("FlexErf"), backend="litert")


def test_an_operation_newer_than_the_runtime_is_named_with_its_version(
    build_model: Callable[..., bytes],
) -> None:
    with pytest.raises(InterpreterError, match=r"too old .* lacks FULLY_CONNECTED version 99"):
        open_interpreter(build_model("FULLY_CONNECTED", version=99))


def test_an_operation_code_newer_than_the_runtime_is_named(
    build_model: Callable[..., bytes],
) -> None:
    with pytest.raises(InterpreterError, match=r"too old .* operation code 9999"):
        open_interpreter(build_model("#9999"))


def test_a_model_compiled_for_the_edge_tpu_needs_its_delegate(shared_data: Path) -> None:
    model = shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    with pytest.raises(DelegateError, match=r"compiled for the Edge TPU: attach one .* or use"):
        open_interpreter(model.read_bytes())


def test_an_input_quantised_per_channel_is_not_supported(build_model: Callable[..., bytes]) -> None:
    model = build_model("RELU", dtype="int8", scales=[0.1, 0.2, 0.3, 0.4])
    with pytest.raises(UnsupportedModelError, match="'input0' has quantisation no input"):
        open_interpreter(model, xnnpack=False)


@pytest.mark.parametrize("shape", [(), (1, 0)], ids=["scalar", "empty"])
def test_an_input_without_room_for_pixels_is_not_supported(
    build_model: Callable[..., bytes], shape: tuple[int, ...]
) -> None:
    with pytest.raises(UnsupportedModelError, match="'input0' has no room for pixels"):
        open_interpreter(build_model(shape=shape))


def test_the_model_is_held_uncopied_until_close(build_model: Callable[..., bytes]) -> None:
    model = build_model()
    before = sys.getrefcount(model)
    interpreter = open_interpreter(model)
    assert sys.getrefcount(model) > before
    interpreter.close()
    assert sys.getrefcount(model) == before


def test_an_error_that_is_kept_does_not_keep_the_model(build_model: Callable[..., bytes]) -> None:
    model = build_model("Vendor.Op2")
    before = sys.getrefcount(model)
    with pytest.raises(UnsupportedModelError) as caught:
        open_interpreter(model)
    kept = caught.value.with_traceback(None)
    assert kept.__cause__ is not None
    del caught
    gc.collect()
    assert sys.getrefcount(model) == before


def test_opening_and_closing_200_times_leaves_no_memory_behind(shared_data: Path) -> None:
    model = (shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    for index in range(200):
        interpreter = open_interpreter(model)
        interpreter.invoke()
        interpreter.close()
        if index == 19:
            settled = _resident_kib()
    # One interpreter of this model takes 1 MiB: 180 leaked ones would take 180.
    assert _resident_kib() - settled < 16 * 1024


def test_the_advice_of_tf_lite_to_use_another_runtime_is_not_passed_on() -> None:
    api = ModuleType("tensorflow.lite.python.interpreter")
    with _without_deprecation_warning(api):  # Here warnings are errors.
        warnings.warn("    Warning: tf.lite.Interpreter is deprecated and …", stacklevel=1)
    with pytest.raises(UserWarning, match="other"), _without_deprecation_warning(api):
        warnings.warn("other", stacklevel=1)
