"""The fuzzer itself: repeatable mutants, and campaigns short enough for every change."""

import importlib.util
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from edge_recog.tflite.schema import TABLES

_HERE = Path(__file__).parent
_MODEL = "mlperf_tiny/image_classification/trained_models/pretrainedResnet_quant.tflite"


def _load(name: str) -> ModuleType:
    """Import a module beside this one, which is no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


mutators = _load("mutators")
run_fuzz = _load("run_fuzz")


@pytest.fixture(scope="module")
def model(shared_data: Path) -> Path:
    return shared_data / _MODEL


def test_a_chart_names_the_fields_of_a_model(model: Path) -> None:
    seed = mutators.seed("resnet", model.read_bytes())
    assert len(seed.spots["Tensor.type"]) == len(seed.spots["Tensor.shape#"])
    assert {"Conv2DOptions.stride_w", "Operator.inputs[]", "Model.subgraphs>"} <= set(seed.spots)
    assert {what.partition(".")[0] for what in seed.spots} <= set(TABLES) | {"DequantizeOptions"}


def test_mutants_can_be_repeated(model: Path) -> None:
    seed = mutators.seed("resnet", model.read_bytes())
    mutants = [mutators.mutate(Random(f"1:{index}"), [seed]) for index in range(50)]
    again = [mutators.mutate(Random(f"1:{index}"), [seed]) for index in range(50)]
    assert mutants == again
    assert len(set(mutants)) > 40


@pytest.mark.parametrize("form", ["bytes", "path"])
def test_nothing_but_our_errors_comes_out(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    arguments = [
        "--count",
        "150",
        "--models",
        str(model),
        "--failures",
        str(tmp_path),
        "--jobs",
        "2",
    ]
    if form == "path":
        arguments += ["--as", "path", "--call", "fuzz_targets:read_path"]
        (tmp_path / "fuzz_targets.py").write_text(
            "from edge_recog.tflite import read_model\n"
            "def read_path(path):\n"
            "    read_model(path.read_bytes())\n"
        )
        sys.path.insert(0, str(tmp_path))
    try:
        assert run_fuzz.main(arguments) == 0
    finally:
        if form == "path":
            sys.path.remove(str(tmp_path))
    assert "150  mutants of 1 models" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("raise KeyError('lost')", "KeyError"),
        ("while True: pass", "too slow"),
        ("import os; os.kill(os.getpid(), 9)", "died with -9"),
        ("bytearray(2**40)", "MemoryError"),
    ],
    ids=["exception", "loop", "killed", "memory"],
)
def test_failures_are_counted_and_kept(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, outcome: str
) -> None:
    name = f"broken_{outcome.split()[0].lower()}"
    (tmp_path / f"{name}.py").write_text(f"def call(data):\n    {body}\n")
    sys.path.insert(0, str(tmp_path))
    arguments = ["--count", "2", "--models", str(model), "--failures", str(tmp_path / "failures")]
    arguments += ["--call", f"{name}:call", "--timeout-s", "0.2", "--jobs", "1"]
    try:
        assert run_fuzz.main(arguments) == 1
    finally:
        sys.path.remove(str(tmp_path))
    assert outcome in capsys.readouterr().out
    assert len(list((tmp_path / "failures").glob("1-*.tflite"))) == 2


def test_the_native_interpreter_survives_what_is_accepted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ai_edge_litert.interpreter")
    arguments = ["--count", "120", "--models", str(model), "--target", "interpreter"]
    assert run_fuzz.main([*arguments, "--failures", str(tmp_path)]) == 0
    assert "accepted, runs" in capsys.readouterr().out
