"""Models of one operation, a delegate built by gcc, and scripts run on tflite-runtime."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REPOSITORY = Path(__file__).parents[3]
_SCHEMA_TYPES = {
    "uint8": schema.TensorType.UINT8,
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}


@pytest.fixture(scope="session")
def build_model() -> Callable[..., bytes]:
    """Return what builds a model of one operation: a built-in one, "#N" by code, else a custom one.

    All its tensors are alike.
    """

    def build(
        op: str = "RELU",
        *,
        version: int = 1,
        shape: tuple[int, ...] = (1, 4),
        dtype: str = "float32",
        scales: Sequence[float] = (),
        inputs: int = 1,
    ) -> bytes:
        code = schema.OperatorCodeT()
        code.version = version
        if op.startswith("#"):
            code.builtinCode = int(op[1:])
        elif (known := getattr(schema.BuiltinOperator, op, None)) is not None:
            code.builtinCode = known
        else:
            code.builtinCode = schema.BuiltinOperator.CUSTOM
            code.customCode = op.encode()
        # The old field has 8 bits; 127 says "see the new one".
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        graph = schema.SubGraphT()
        names = [f"input{index}" for index in range(inputs)] + ["output"]
        graph.tensors = [_tensor(name, shape, dtype, scales) for name in names]
        graph.inputs, graph.outputs = list(range(inputs)), [inputs]
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = graph.inputs, graph.outputs
        graph.operators = [operator]
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes, model.subgraphs = [code], [graph]
        model.buffers = [schema.BufferT()]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    return build


def _tensor(
    name: str, shape: tuple[int, ...], dtype: str, scales: Sequence[float]
) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), _SCHEMA_TYPES[dtype]
    if scales:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = list(scales)
        tensor.quantization.zeroPoint = [0] * len(scales)
        tensor.quantization.quantizedDimension = len(shape) - 1
    return tensor


@pytest.fixture(scope="session")
def as_compiled() -> Callable[[bytes], bytes]:
    """Return what makes of a model what edgetpu_compiler does: one operation, and no metadata."""

    def compiled(data: bytes) -> bytes:
        model = schema.ModelT.InitFromPackedBuf(data)
        (graph,) = model.subgraphs
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode, code.version = b"edgetpu-custom-op", 1
        operator.inputs, operator.outputs = graph.inputs, graph.outputs
        model.operatorCodes, graph.operators, model.metadata = [code], [operator], []
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    return compiled


@pytest.fixture
def image_spec() -> TensorSpec:
    return TensorSpec("image", (1, 2, 2, 3), "uint8", QuantParams(1 / 255, 0, "uint8"))


@pytest.fixture
def scores_spec() -> TensorSpec:
    return TensorSpec("scores", (1, 2), "float32", None)


@pytest.fixture(scope="session")
def fake_delegate(
    tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str], NoReturn]
) -> Path:
    """Return a TFLite delegate that needs no device: see tests/native/fake_delegate.c."""
    library = tmp_path_factory.mktemp("delegate") / "libfake.so"
    _build(REPOSITORY / "tests" / "native" / "fake_delegate.c", library, missing)
    return library


class EdgeTpu:
    """A device that is not there, in a library with the name of Google's."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self._native = ctypes.CDLL(str(library))

    def invoked(self) -> int:
        return int(self._native.fake_delegate_count(b"invoked"))

    def pull_out(self) -> None:
        self._native.edge_tpu_pull_out()

    def plug_in(self) -> None:
        self._native.edge_tpu_plug_in()


@pytest.fixture(scope="session")
def edge_tpu_library(
    tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str], NoReturn]
) -> Path:
    """Return what edge_tpu.c is built into."""
    library = tmp_path_factory.mktemp("edge_tpu") / "libedgetpu.so.1"
    _build(Path(__file__).with_name("edge_tpu.c"), library, missing)
    return library


@pytest.fixture
def edge_tpu(edge_tpu_library: Path) -> Iterator[EdgeTpu]:
    device = EdgeTpu(edge_tpu_library)
    yield device
    device.plug_in()


def _build(source: Path, library: Path, missing: Callable[[str], NoReturn]) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        missing("gcc builds the fake delegate, and is not here")
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", library, source], check=True)


@pytest.fixture(scope="session")
def delegate_count(fake_delegate: Path) -> Callable[[str], int]:
    """Return what reads one of the fake delegate's counters."""
    count = ctypes.CDLL(str(fake_delegate)).fake_delegate_count
    count.restype = ctypes.c_long

    def read(name: str) -> int:
        value = int(count(name.encode()))
        assert value >= 0, f"no counter {name!r}"
        return value

    return read


@pytest.fixture
def run_in_tflite_runtime(tflite_runtime_python: Path) -> Callable[..., str]:
    """Return what runs a script in that environment, and returns its stdout."""

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [tflite_runtime_python, *arguments],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
