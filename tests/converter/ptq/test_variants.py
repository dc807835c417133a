"""The kinds of TFLite file, each with the types it claims and run by the runtime's interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edge_recog_converter._tensorflow import keras
from edge_recog_converter.errors import ConversionError
from edge_recog_converter.ptq import Variant, convert_variant

from edge_recog.tflite import read_model, unchecked_operators

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYERS = keras.layers
SIDE = 16


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = LAYERS.Conv2D(16, 3, 2, padding="same", activation="relu", name="stem")(image)
    x = LAYERS.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    x = LAYERS.Conv2D(96, 1, activation="relu", name="expand")(x)
    x = LAYERS.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(image, LAYERS.Dense(40, name="logits")(x))


def pictures(count: int, seed: int) -> list[NDArray[np.float32]]:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 1, 4, 4, 3))
    ends = [np.zeros((1, 4, 4, 3)), np.full((1, 4, 4, 3), 255)]
    return [
        ((one.repeat(4, axis=1).repeat(4, axis=2) - 127) / 128).astype(np.float32)
        for one in [*pixels, *ends]
    ]


@pytest.fixture(scope="module", params=list(Variant))
def converted(request: pytest.FixtureRequest, model: Any) -> tuple[Variant, bytes]:
    return request.param, convert_variant(model, request.param, pictures(16, 0))


EDGES = {Variant.INT8: "int8", Variant.INT8_UINT8_EDGES: "uint8"}
KERNELS = {Variant.FLOAT32: "float32", Variant.FLOAT16: "float16"}
WITHIN = {
    Variant.FLOAT32: {"float32", "int32"},
    Variant.FLOAT16: {"float16", "float32", "int32"},
    Variant.DYNAMIC_RANGE: {"int8", "float32", "int32"},
    Variant.INT16X8: {"int8", "int16", "int32", "int64", "float32"},
    Variant.INT8: {"int8", "int32"},
    Variant.INT8_UINT8_EDGES: {"uint8", "int8", "int32"},
    Variant.INT8_FLOAT_EDGES: {"int8", "int32", "float32"},
}
ERROR = {
    Variant.FLOAT32: 1e-5,
    Variant.FLOAT16: 2e-3,
    Variant.DYNAMIC_RANGE: 0.02,
    Variant.INT16X8: 0.02,
}


def run(content: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return real outputs, whatever the edges."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    step, zero = taken["quantization"]
    if step:
        inputs = np.rint(inputs / step + zero)
    interpreter.set_tensor(taken["index"], inputs.astype(taken["dtype"]))
    interpreter.invoke()
    output = interpreter.get_tensor(given["index"])[0].astype(np.float64)
    step, zero = given["quantization"]
    return (output - zero) * step if step else output


def test_every_variant_runs_and_is_close_to_float(
    converted: tuple[Variant, bytes], model: Any
) -> None:
    kind, content = converted
    for values in pictures(8, 9):
        expected = np.asarray(model(values))[0]
        error = np.abs(run(content, values) - expected).max() / np.abs(expected).max()
        assert error < ERROR.get(kind, 0.05)


def test_every_variant_has_the_types_it_claims(converted: tuple[Variant, bytes]) -> None:
    kind, content = converted
    graph = read_model(content).subgraphs[0]
    interpreter = Interpreter(model_content=content)
    for details in (interpreter.get_input_details()[0], interpreter.get_output_details()[0]):
        assert np.dtype(details["dtype"]).name == EDGES.get(kind, "float32")
    kernels = {
        tensor.dtype
        for tensor in graph.tensors
        if tensor.data is not None and len(tensor.shape) >= 2 and np.prod(tensor.shape) >= 1000
    }
    assert kernels == {KERNELS.get(kind, "int8")}
    assert {tensor.dtype for tensor in graph.tensors} <= WITHIN[kind]


def test_int16_activations_are_symmetric(model: Any) -> None:
    content = convert_variant(model, "int16x8", pictures(16, 0))
    tensors = Interpreter(model_content=content).get_tensor_details()
    zeros = [tensor["quantization"][1] for tensor in tensors if tensor["dtype"] is np.int16]
    assert len(zeros) >= 6
    assert set(zeros) == {0}


def test_the_runtime_checks_every_operator(converted: tuple[Variant, bytes]) -> None:
    assert unchecked_operators(read_model(converted[1])) == ()


@pytest.mark.parametrize("kind", ["int16x8", "int8", "int8-uint8-edges", "int8-float-edges"])
def test_integer_activations_need_calibration(model: Any, kind: str) -> None:
    with pytest.raises(ConversionError, match=f"{kind} needs calibration"):
        convert_variant(model, kind)


def test_an_unknown_variant_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="int4"):
        convert_variant(model, "int4")
