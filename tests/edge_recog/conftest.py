"""Classifiers of one layer, bundles of them, and real models and photographs where they are."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import subprocess
import textwrap
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import settings

from edge_recog.bundle import Bundle
from edge_recog.cameras.images import read_image
from edge_recog.classifier import Classifier
from edge_recog.contract import Contract
from edge_recog.packing import pack_bundle
from edge_recog.preprocessing import Preprocessing
from edge_recog.verification import make_golden

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

if find_spec("tflite_runtime") is not None:
    # Its library for 32-bit ARM makes least floats 0 when it is loaded; Hypothesis needs them.
    importlib.import_module("tflite_runtime.interpreter")
    ctypes.CDLL("libm.so.6").fesetenv(ctypes.c_void_p(-1))  # FE_DFL_ENV

# A busy machine is no failure.
settings.register_profile("edge_recog", deadline=None)
settings.load_profile("edge_recog")

_TYPES = {
    "uint8": schema.TensorType.UINT8,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "float32": schema.TensorType.FLOAT32,
}
_ZERO = {"uint8": 0, "int8": -128, "int16": 0}
"""What real 0 becomes where an integer type stands for 0 to 1."""
_LOGIT_ZERO = {"uint8": 128, "int8": 0, "int16": 0}
_UNIT = {"uint8": 1 / 256, "int8": 1 / 256, "int16": 1 / 32768}
"""The scale that softmax and logistic must have in integers: activations.cc of TFLite."""


@pytest.fixture(scope="session")
def emulated() -> bool:
    """Whether qemu plays processor and kernel, slowly and without some calls (tools/emulated)."""
    return os.environ.get("EMULATED") == "1"


@pytest.fixture
def held_to_its_memory(emulated: bool) -> None:
    """Skip where a process may take as much memory as it likes."""
    if emulated:
        pytest.skip("emulated: qemu sets no limit to a process's memory")


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., bytes]:
    """Return what builds a classifier of one fully connected layer, without metadata.

    Its weights are random numbers, the same for the same seed.
    """

    def build(
        *,
        shape: tuple[int, ...] = (1, 8, 8, 3),
        dtype: str = "uint8",
        labels: int = 4,
        scale: float = 1 / 255,
        zero_point: int | None = None,
        ends_with: str = "SOFTMAX",
        open_batch: bool = False,
        rows: int = 1,
        seed: int = 1,
    ) -> bytes:
        model = _Model()
        size = int(np.prod(shape)) // rows
        weights = np.random.default_rng(seed).normal(0, 3 / np.sqrt(size), (labels, size))
        is_float = dtype == "float32"
        zero_point = _ZERO.get(dtype, 0) if zero_point is None else zero_point
        image = model.tensor("image", shape, dtype, None if is_float else (scale, zero_point))
        if open_batch:
            model.graph.tensors[image].shapeSignature = [-1, *shape[1:]]
        if is_float:
            matrix = model.tensor("weights", (labels, size), dtype, None, weights.astype("<f4"))
            bias = model.tensor("bias", (labels,), dtype, None, np.zeros(labels, "<f4"))
        else:
            kind = "uint8" if dtype == "uint8" else "int8"
            step = float(np.abs(weights).max()) / 127
            rounded = np.rint(weights / step) + _LOGIT_ZERO[kind]
            constant = rounded.astype(kind)
            matrix = model.tensor(
                "weights", (labels, size), kind, (step, _LOGIT_ZERO[kind]), constant
            )
            bias = model.tensor(
                "bias", (labels,), "int32", (scale * step, 0), np.zeros(labels, "<i4")
            )
        logits = model.tensor(
            "logits", (rows, labels), dtype, None if is_float else (0.0625, _LOGIT_ZERO[dtype])
        )
        options = schema.FullyConnectedOptionsT()
        version = {"int8": 4, "int16": 7}.get(dtype, 1)
        model.operator("FULLY_CONNECTED", [image, matrix, bias], [logits], options, version)
        output = logits
        if ends_with:
            unit = None if is_float else (_UNIT[dtype], _ZERO[dtype])
            output = model.tensor("scores", (rows, labels), dtype, unit)
            softmax = schema.SoftmaxOptionsT()
            softmax.beta = 1.0
            model.operator(
                ends_with,
                [logits],
                [output],
                softmax if ends_with == "SOFTMAX" else None,
                {"int8": 2, "int16": 3}.get(dtype, 1),
            )
        return model.finish(image, output)

    return build


class _Model:
    """A model under construction."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self._buffers = [schema.BufferT()]
        self._codes: list[Any] = []

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantization: tuple[float, int] | None,
        data: NDArray[Any] | None = None,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), _TYPES[dtype]
        if quantization is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [quantization[0]]
            tensor.quantization.zeroPoint = [quantization[1]]
        if data is not None:
            tensor.buffer = len(self._buffers)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self._buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(
        self, name: str, inputs: list[int], outputs: list[int], options: Any, version: int
    ) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = version
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._codes)
        operator.inputs, operator.outputs = inputs, outputs
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self._codes.append(code)
        self.graph.operators.append(operator)

    def finish(self, image: int, output: int) -> bytes:
        self.graph.inputs, self.graph.outputs = [image], [output]
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes, model.subgraphs = self._codes, [self.graph]
        model.buffers = self._buffers
        return _packed(model)


def _packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="session")
def rebuild() -> Callable[[bytes, Callable[[Any], None]], bytes]:
    """Return what takes a model apart, lets a function change the parts, and joins them again."""

    def change(data: bytes, edit: Callable[[Any], None]) -> bytes:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        edit(model)
        return _packed(model)

    return change


@pytest.fixture(scope="session")
def contract() -> Callable[..., Contract]:
    """Return what writes a contract; by default that of `tiny_model`."""

    def write(
        *,
        activation: Any = "none",
        task: Any = "single-label",
        temperature: float = 1.0,
        thresholds: tuple[float, ...] | None = None,
        **preprocessing: Any,
    ) -> Contract:
        values = {"height": 8, "width": 8, "mean": (0.0,), "std": (255.0,)} | preprocessing
        return Contract(
            preprocessing=Preprocessing(**values),
            activation=activation,
            task=task,
            temperature=temperature,
            thresholds=thresholds,
        )

    return write


@pytest.fixture(scope="session")
def pack_with_golden() -> Callable[..., bytes]:
    """Return what packs a model with golden vectors of these frames."""

    def pack(
        model: bytes,
        contract: Contract,
        labels: Sequence[str],
        frames: Sequence[NDArray[np.uint8]],
        name: str = "model",
    ) -> bytes:
        plain = Bundle.from_bytes(pack_bundle(model, contract, labels, name=name), where=name)
        with Classifier.open(plain) as classifier:
            golden = make_golden(classifier, frames)
        return pack_bundle(model, contract, labels, name=name, golden=golden)

    return pack


@pytest.fixture(scope="session")
def tiny_labels() -> tuple[str, ...]:
    return ("ant", "bee", "cat", "dog")


@pytest.fixture(scope="session")
def tiny_bytes(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    pack_with_golden: Callable[..., bytes],
    tiny_labels: tuple[str, ...],
    noise: Callable[..., NDArray[np.uint8]],
) -> bytes:
    """Return a sealed model file with two golden vectors."""
    frames = [noise(24, 16, 1), noise(9, 30, 2)]
    return pack_with_golden(tiny_model(), contract(), tiny_labels, frames, "tiny")


@pytest.fixture
def tiny_path(tiny_bytes: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_bytes)
    return path


@pytest.fixture
def built_in(tiny_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the tiny model in the place of the built-in one, and return its path."""
    monkeypatch.setattr("edge_recog.models._FILE", tiny_path)
    return tiny_path


@pytest.fixture(scope="session")
def noise() -> Callable[..., NDArray[np.uint8]]:
    """Return what makes an RGB picture of random pixels."""

    def make(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make


@pytest.fixture(scope="session")
def photographs(shared_data: Path) -> tuple[NDArray[np.uint8], ...]:
    """Return the first oblong photograph of each of six classes, RGB, about 128 pixels wide."""
    pictures = []
    for folder in sorted((shared_data / "clothing_small" / "test").iterdir())[:6]:
        pixels = (read_image(path) for path in sorted(folder.iterdir()))
        pictures.append(next(p for p in pixels if abs(p.shape[0] - p.shape[1]) > 20))
    return tuple(pictures)


@pytest.fixture(scope="session")
def resnet_int8(shared_data: Path) -> bytes:
    """Return MLPerf Tiny's ResNet-8: int8 [1, 32, 32, 3], pixels less 128, without metadata."""
    return (
        _mlperf(shared_data, "image_classification") / "pretrainedResnet_quant.tflite"
    ).read_bytes()


@pytest.fixture(scope="session")
def resnet_float(shared_data: Path) -> bytes:
    """Return MLPerf Tiny's ResNet-8: float32 [1, 32, 32, 3], pixels 0-255, without metadata."""
    return (_mlperf(shared_data, "image_classification") / "pretrainedResnet.tflite").read_bytes()


@pytest.fixture(scope="session")
def vww_int8(shared_data: Path) -> bytes:
    """Return MLPerf Tiny's person detector: int8 [1, 96, 96, 3], pixels / 255."""
    return (_mlperf(shared_data, "visual_wake_words") / "vww_96_int8.tflite").read_bytes()


def _mlperf(shared_data: Path, task: str) -> Path:
    return shared_data / "mlperf_tiny" / task / "trained_models"


@pytest.fixture(scope="session")
def cifar_labels() -> tuple[str, ...]:
    return (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )


@pytest.fixture(scope="session")
def self_signed(
    tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str], NoReturn]
) -> Callable[[str], tuple[str, str]]:
    """Return what makes the files of a certificate that nobody else vouches for, and of its key.

    It is for a name such as `DNS:localhost` or `IP:127.0.0.1`.
    """

    def make(name: str) -> tuple[str, str]:
        openssl = shutil.which("openssl")
        if openssl is None:
            missing("openssl is not installed")
        folder = tmp_path_factory.mktemp("tls")
        certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
        command = (
            f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            f"-subj /CN=test -addext subjectAltName={name} -keyout {key} -out {certificate}"
        )
        subprocess.run(command.split(), check=True, capture_output=True)
        return certificate, key

    return make


@pytest.fixture
def pictures(tmp_path: Path, noise: Callable[..., NDArray[np.uint8]]) -> Path:
    """Return a folder of three small pictures."""
    import cv2

    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, name in enumerate(("a", "b", "c")):
        encoded = cv2.imencode(".png", noise(60, 80, seed))[1]
        (folder / f"{name}.png").write_bytes(bytes(encoded))
    return folder


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return what puts an interpreter's package in place that acts oddly when a model is loaded."""

    def install(name: str, body: str) -> None:
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "interpreter.py").write_text(
            "import os, signal, sys, time\n"
            "class OpResolverType(dict): pass\n"
            "OpResolverType = dict.fromkeys(['BUILTIN'])\n"
            "def Interpreter(**_):\n" + textwrap.indent(body, "    ")
        )
        monkeypatch.syspath_prepend(tmp_path)

    return install
