"""Models that differ by their name, stores that try them quickly, and disks that fail."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_recog.bundle import Bundle
from edge_recog.packing import pack_bundle
from edge_recog.store import Store, folder, trial, writing
from edge_recog.store.identity import Files
from edge_recog.store.tryout import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.contract import Contract
    from edge_recog.interpreters.twins import Twins


class Model(NamedTuple):
    data: bytes
    digest: str


@pytest.fixture(scope="session")
def model_of(tiny_bytes: bytes) -> Callable[[str], Model]:
    """Return what makes a model file of a name, with golden vectors."""
    bundle = Bundle.from_bytes(tiny_bytes, where="tiny")
    assert bundle.manifest is not None
    assert bundle.manifest.golden is not None
    golden = (bundle.manifest.golden.runtime, bundle.golden())

    def make(name: str) -> Model:
        data = pack_bundle(tiny_bytes, bundle.contract, bundle.labels, name=name, golden=golden)
        return Model(data, hashlib.sha256(data).hexdigest())

    return make


class Pair(NamedTuple):
    model: bytes
    compiled: bytes
    digest: str
    """Of both as one version."""


@pytest.fixture(scope="session")
def pair_of(
    contract: Callable[..., Contract],
    pack_with_golden: Callable[..., bytes],
    noise: Callable[..., Any],
) -> Callable[..., Pair]:
    """Return what makes a model of a name, and what a compiler makes of it.

    The model answers with the pixel that it is given, unless that is brighter than 120 and `op` is
    RELU6; the fake Edge TPU always does.
    """
    said = contract(height=1, width=1, std=(20.0,), activation="softmax")

    def make(name: str, *, op: str = "RELU", compiler: str = "") -> Pair:
        labels = ("red", "green", "blue")
        model = pack_with_golden(_pixel_model(op), said, labels, [noise(4, 4, 1)], name)
        compiled = _pixel_model("edgetpu-custom-op", compiler)
        return Pair(model, compiled, Files(model, compiled).digest)

    return make


def _pixel_model(op: str, description: str = "") -> bytes:
    code, operator, graph = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT()
    code.version = 1
    code.builtinCode = getattr(schema.BuiltinOperator, op, schema.BuiltinOperator.CUSTOM)
    code.deprecatedBuiltinCode = code.builtinCode
    code.customCode = op.encode() if code.builtinCode == schema.BuiltinOperator.CUSTOM else None
    graph.tensors = []
    for name in (b"image", b"scores"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, [1, 1, 1, 3], schema.TensorType.UINT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [0.05], [0]
        graph.tensors.append(tensor)
    operator.inputs = graph.inputs = [0]
    operator.outputs = graph.outputs = [1]
    graph.operators = [operator]
    model = schema.ModelT()
    model.version, model.description = 3, description.encode()
    model.operatorCodes, model.subgraphs = [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="session")
def edge_tpu_library(
    tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str], NoReturn]
) -> Path:
    """Return a delegate with the name of Google's that needs no device: fake_delegate.c."""
    compiler = shutil.which("gcc")
    if compiler is None:
        missing("gcc builds the fake delegate, and is not here")
    source = Path(__file__).parents[2] / "native" / "fake_delegate.c"
    library = tmp_path_factory.mktemp("edge_tpu") / "libedgetpu.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    return library


def pass_all(model: bytes, *, where: str) -> Outcome:
    """Find every model good."""
    del model, where
    return Outcome(runtime="a test", vectors=2, p50_ms=1.0, memory_mb=1.0)


def pass_both(twins: Twins) -> tuple[Outcome, Outcome]:
    """Find every model and its twin good."""
    faster = Outcome(runtime="a test's Edge TPU", vectors=2, p50_ms=0.5, memory_mb=1.0)
    return pass_all(twins.bundle.data, where=twins.bundle.where), faster


@pytest.fixture
def open_store(tmp_path: Path) -> Callable[..., Store]:
    """Return what opens the store of this test, as another process would."""

    def make(**options: Any) -> Store:
        quick = {"tryout": pass_all, "twins_tryout": pass_both, "wait_s": 5.0}
        return Store(tmp_path / "models", **quick | options)

    return make


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()


class Killed(BaseException):
    """The process is dead: nothing of it runs any more, whatever is written there."""


class FailingOs:
    """In the place of `os` for the store's folder: fails at one of the calls that change a file."""

    CHANGES = ("write", "fsync", "rename", "unlink", "rmdir", "mkdir")

    def __init__(self, step: int = 0, error: int | None = None, *, sticky: bool = False) -> None:
        self.steps = 0
        self._step = step
        self._error = error
        self._sticky = sticky
        self._is_dead = False
        self._open: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.CHANGES:
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            self._count()
            # A process that dies needs no disk to have written: that would only take its time.
            return None if name == "fsync" else real(*arguments, **options)

        return call

    def open(self, name: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            self._count()
        descriptor = os.open(name, flags, *arguments, **options)
        self._open.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)

    def bury(self) -> None:
        """Close what the dead left open, as the kernel does: locks are given back."""
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()

    def _count(self) -> None:
        self.steps += 1
        if self._is_dead:
            raise Killed
        if self.steps == self._step or (self._sticky and 0 < self._step < self.steps):
            if self._error is None:
                self._is_dead = True
                raise Killed
            raise OSError(self._error, os.strerror(self._error))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FailingOs]:
    """Return what makes the disk fail until it is called anew; without a step it only counts."""

    before: list[FailingOs] = []

    def fail(step: int = 0, error: int | None = None, *, sticky: bool = False) -> FailingOs:
        while before:
            before.pop().bury()
        failing_os = FailingOs(step, error, sticky=sticky)
        before.append(failing_os)
        for module in (folder, trial, writing):
            monkeypatch.setattr(module, "os", failing_os)
        return failing_os

    return fail


@pytest.fixture
def leftovers() -> Callable[[Store], list[str]]:
    """Return what says which files do not belong to a store's state."""

    def find(store: Store) -> list[str]:
        state = store.state()
        known = {"state.json", "state.copy.json", "store.lock", "trial.lock"}
        known |= {"versions", "incoming"}
        for digest in state.versions:
            folder = f"versions/{digest}"
            known |= {folder, f"{folder}/model.tflite", f"{folder}/model.tflite.sig"}
            if state.versions[digest].twin is not None:
                compiled = f"{folder}/model_edgetpu.tflite"
                known |= {compiled, f"{compiled}.sig"}
        found = {str(path.relative_to(store.root)) for path in store.root.rglob("*")}
        return sorted(found - known)

    return find
