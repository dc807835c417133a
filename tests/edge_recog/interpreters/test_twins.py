"""A model and its compiled twin: which belong together, and which of them runs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.archive import split_archive
from edge_recog.classifier import Classifier
from edge_recog.errors import BundleError, DelegateError, UnsupportedModelError, VerificationError
from edge_recog.frames import Frame
from edge_recog.interpreters import DelegateSpec
from edge_recog.interpreters.twins import Twins, compiled_path, compiled_twin, uncompiled_path
from edge_recog.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.contract import Contract

PIXEL = {"shape": (1, 1, 1, 3), "dtype": "uint8", "scales": (1 / 255,)}
EDGE_TPU_OP = "edgetpu-custom-op"


@pytest.fixture
def names(
    build_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    pack_with_golden: Callable[..., bytes],
    noise: Callable[..., Any],
    tmp_path: Path,
) -> Path:
    """Return a model that answers with the pixel that it is given, and so does what the fake does.

    Beside it lies its compiled twin, as edgetpu_compiler leaves it: without any metadata.
    """
    said = contract(height=1, width=1)
    packed = pack_with_golden(
        build_model("RELU", **PIXEL), said, ("red", "green", "blue"), [noise(4, 4, 1)], "names"
    )
    path = tmp_path / "names.tflite"
    path.write_bytes(packed)
    compiled_path(path).write_bytes(build_model(EDGE_TPU_OP, **PIXEL))
    return path


@pytest.mark.parametrize(
    ("model", "compiled"),
    [
        ("a/names.tflite", "a/names_edgetpu.tflite"),
        ("names", "names_edgetpu.tflite"),
        ("v1.2.tflite", "v1.2_edgetpu.tflite"),
    ],
)
def test_a_compiled_file_is_called_as_its_compiler_calls_it(model: str, compiled: str) -> None:
    assert compiled_path(Path(model)) == Path(compiled)


@pytest.mark.parametrize(
    "name", ["names.tflite", "_edgetpu.tflite", "edgetpu.tflite", "a_edgetpu_"]
)
def test_another_name_is_no_compiled_file_s(name: str) -> None:
    assert uncompiled_path(Path(name)) is None


@given(st.from_regex(r"\A[A-Za-z0-9_.-]{1,20}\.tflite\Z"))
def test_the_model_s_name_is_found_back(name: str) -> None:
    assert uncompiled_path(compiled_path(Path("x", name))) == Path("x", name)


def test_either_of_two_that_lie_side_by_side_may_be_named(names: Path) -> None:
    for path in (names, compiled_path(names)):
        twins = Twins.open(path)
        assert twins.compiled is not None
        assert (twins.bundle.where, twins.compiled.where) == (str(names), str(compiled_path(names)))


def test_the_twin_has_its_model_s_contract_labels_and_golden_vectors(names: Path) -> None:
    twins = Twins.open(names)
    model, compiled = twins.bundle, twins.compiled
    assert compiled is not None
    assert compiled.needs_edgetpu
    assert compiled.data == compiled_path(names).read_bytes()
    assert compiled.id not in {model.id, ""}
    assert (compiled.contract, compiled.labels, compiled.name) == (
        model.contract,
        model.labels,
        model.name,
    )
    assert len(compiled.golden()) == len(model.golden()) > 0


def test_a_model_without_a_twin_is_alone(names: Path) -> None:
    compiled_path(names).unlink()
    assert Twins.open(names).compiled is None


def test_a_compiled_file_alone_is_opened_by_its_own_contract(
    shared_data: Path, tmp_path: Path
) -> None:
    name = "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    (tmp_path / name).write_bytes((shared_data / "coral" / name).read_bytes())
    twins = Twins.open(tmp_path / name)

    assert twins.bundle.needs_edgetpu
    assert twins.chosen(DelegateSpec("libedgetpu.so.1")) is twins.bundle
    for ask in (twins.on_cpu, lambda: twins.chosen(None)):
        with pytest.raises(DelegateError, match=r"no uncompiled twin mobilenet.*quant\.tflite"):
            ask()


def test_the_compiled_file_of_another_s_model_is_its_twin(shared_data: Path) -> None:
    twins = Twins.open(shared_data / "coral" / "mobilenet_v1_0.25_128_quant.tflite")

    assert twins.compiled is not None
    assert twins.compiled.labels == twins.bundle.labels


def test_a_compiled_file_with_other_labels_than_its_model_is_no_twin(
    shared_data: Path, tmp_path: Path
) -> None:
    for name in ("mobilenet_v1_0.25_128_quant", "mobilenet_v1_0.25_128_quant_edgetpu"):
        data = (shared_data / "coral" / f"{name}.tflite").read_bytes()
        if name.endswith("edgetpu"):
            # Its labels are in the ZIP at its end, which is stored as it is.
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                labels = archive.read("imagenet_labels.txt")
            changed = io.BytesIO()
            with zipfile.ZipFile(changed, "w") as archive:
                archive.writestr("imagenet_labels.txt", labels.replace(b"tench", b"trout"))
            data = split_archive(data)[0] + changed.getvalue()
        (tmp_path / f"{name}.tflite").write_bytes(data)
    with pytest.raises(UnsupportedModelError, match=r"edgetpu\.tflite: its labels are other ones"):
        Twins.open(tmp_path / "mobilenet_v1_0.25_128_quant.tflite")


@pytest.mark.parametrize(
    ("op", "changes", "reason"),
    [
        ("RELU", {}, "not compiled for the Edge TPU, in spite of its name"),
        (EDGE_TPU_OP, {"shape": (1, 2, 1, 3)}, "its output is|its input is|a classifier's is"),
        (EDGE_TPU_OP, {"scales": (0.5,)}, "its input is .* and that one's is"),
        (EDGE_TPU_OP, {"dtype": "int8"}, "its input is .* and that one's is"),
    ],
    ids=["not compiled", "shape", "quantisation", "type"],
)
def test_a_file_of_another_model_is_no_twin(
    names: Path,
    build_model: Callable[..., bytes],
    op: str,
    changes: dict[str, Any],
    reason: str,
) -> None:
    compiled_path(names).write_bytes(build_model(op, **PIXEL | changes))
    with pytest.raises(UnsupportedModelError, match=rf"names_edgetpu\.tflite: .*({reason})"):
        Twins.open(names)


@pytest.mark.parametrize("damage", [b"", b"hello, hello", b"\x1c\0\0\0TFL3" + bytes(40)])
def test_a_damaged_file_is_no_twin(names: Path, damage: bytes) -> None:
    bundle = Twins.open(names).bundle
    with pytest.raises(BundleError, match=r"^kitchen: "):
        compiled_twin(bundle, damage, where="kitchen")


def test_a_compiled_model_has_no_twin(names: Path, build_model: Callable[..., bytes]) -> None:
    compiled = Twins.open(names).compiled
    assert compiled is not None
    with pytest.raises(UnsupportedModelError, match="is compiled itself"):
        compiled_twin(compiled, build_model(EDGE_TPU_OP, **PIXEL), where="m")


def test_the_delegate_decides_which_of_them_runs(names: Path) -> None:
    twins = Twins.open(names)

    assert twins.chosen(DelegateSpec.parse("edgetpu:usb:0")) is twins.compiled
    assert twins.chosen(DelegateSpec("/opt/libgpu.so")) is twins.bundle
    assert twins.chosen(None) is twins.on_cpu() is twins.bundle


def test_a_model_that_is_not_compiled_is_not_sent_to_the_edge_tpu(names: Path) -> None:
    twins = Twins(Twins.open(names).bundle)
    with pytest.raises(DelegateError, match=r"leave names_edgetpu\.tflite beside it"):
        twins.chosen(DelegateSpec.parse("edgetpu"))


def test_twins_answer_alike_and_the_golden_vectors_say_so(names: Path, edge_tpu: Any) -> None:
    twins, spec = Twins.open(names), DelegateSpec(str(edge_tpu.library))
    frame = Frame.from_rgb(np.full((1, 1, 3), (10, 20, 30), np.uint8))
    with (
        Classifier.open(twins.chosen(None)) as on_cpu,
        Classifier.open(twins.chosen(spec), delegate=spec) as on_edge_tpu,
    ):
        before = edge_tpu.invoked()
        assert on_edge_tpu.classify(frame).predictions == on_cpu.classify(frame).predictions
        assert edge_tpu.invoked() == before + 1
        assert verify(on_edge_tpu).passed


def test_a_twin_of_another_training_is_found_out_by_the_golden_vectors(
    tiny_path: Path,
    tiny_model: Callable[..., bytes],
    as_compiled: Callable[..., bytes],
    edge_tpu: Any,
) -> None:
    compiled_path(tiny_path).write_bytes(as_compiled(tiny_model(seed=2)))
    twins, spec = Twins.open(tiny_path), DelegateSpec(str(edge_tpu.library))
    with Classifier.open(twins.chosen(spec), delegate=spec) as classifier:
        report = verify(classifier)
    with pytest.raises(VerificationError, match="the output differs by"):
        report.require("tiny")
