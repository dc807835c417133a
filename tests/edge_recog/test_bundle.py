from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_recog import bundle as module
from edge_recog.archive import append_archive, split_archive
from edge_recog.bundle import Bundle
from edge_recog.errors import (
    BundleError,
    MissingContractError,
    NotATfliteModelError,
    UnsupportedModelError,
)
from edge_recog.packing import pack_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog.contract import Contract

FOREIGN = {
    "mobilenet_v1_025/mobilenet_v1_0.25_224_1_metadata_1.tflite": ("float32", 224),
    "mobilenet_v1_025/mobilenet_v1_0.25_224_quant.tflite": ("uint8", 224),
    "coral/mobilenet_v1_0.25_128_quant.tflite": ("uint8", 128),
    "coral/mobilenet_v1_0.25_128_quant_edgetpu.tflite": ("uint8", 128),
    "coral/mobilenet_v1_0.5_160_quant.tflite": ("uint8", 160),
    "coral/mobilenet_v2_1.0_224_quant.tflite": ("uint8", 224),
    "coral/tf2_mobilenet_v2_1.0_224_ptq.tflite": ("uint8", 224),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_models_of_others_with_metadata_are_opened(shared_data: Path, name: str) -> None:
    dtype, side = FOREIGN[name]
    bundle = Bundle.open(shared_data / name)

    assert (bundle.inputs.dtype, bundle.inputs.shape) == (dtype, (1, side, side, 3))
    assert len(bundle.labels) == bundle.outputs.shape[-1] == 1001
    assert bundle.labels[1].startswith("tench")
    assert bundle.origin == "tflite-metadata"
    assert bundle.needs_edgetpu == name.endswith("edgetpu.tflite")
    assert bundle.golden() == ()
    assert bundle.contract.task == "single-label"


def test_a_sealed_model_is_opened(tiny_path: Path, tiny_labels: tuple[str, ...]) -> None:
    bundle = Bundle.open(str(tiny_path))

    assert bundle.origin == "edge_recog"
    assert bundle.labels == tiny_labels
    assert bundle.name == "tiny"
    assert bundle.where == str(tiny_path)
    assert len(bundle.golden()) == 2


def test_the_id_is_the_digest_of_the_file(tiny_path: Path) -> None:
    bundle = Bundle.open(tiny_path)

    assert bundle.id == f"sha256:{hashlib.sha256(tiny_path.read_bytes()).hexdigest()}"
    assert bundle.data == tiny_path.read_bytes()


BAD_FILES = {
    "mobilenet_v1_025/mobilenet_v1_0.25_224_1_default_1.tflite": (
        MissingContractError,
        "it does not say how to feed it (no TFLite Metadata); write it a contract with the numbers "
        "it was trained with: edge-recog adopt {path} --labels labels.txt --mean 127.5 --std 127.5",
    ),
    "mobilenet_v1_025/mobilenet_v1_0.25_224_quant_without_subgraph_metadata.tflite": (
        MissingContractError,
        "its TFLite Metadata does not describe one input and one output; write it a contract with "
        "the numbers it was trained with: edge-recog adopt {path} --labels labels.txt --mean 128 "
        "--std 128",
    ),
    "mlperf_tiny/image_classification/trained_models/pretrainedResnet.tflite": (
        MissingContractError,
        "it leaves its batch size open and does not say how to feed it; write it a contract with "
        "the numbers it was trained with: edge-recog adopt {path} --labels labels.txt "
        "--mean 127.5 --std 127.5",
    ),
    "mlperf_tiny/image_classification/trained_models/pretrainedResnet_quant.tflite": (
        MissingContractError,
        "it leaves its batch size open and does not say how to feed it; write it a contract with "
        "the numbers it was trained with: edge-recog adopt {path} --labels labels.txt "
        "--mean 0 --std 1",
    ),
    "mlperf_tiny/visual_wake_words/trained_models/vww_96_int8.tflite": (
        MissingContractError,
        "it leaves its batch size open and does not say how to feed it; write it a contract with "
        "the numbers it was trained with: edge-recog adopt {path} --labels labels.txt "
        "--mean 0 --std 255",
    ),
    "mobilenet_v1_025/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite": (
        UnsupportedModelError,
        "{path}: it has 4 outputs; an image classifier has one (is it a detector or a multi-part "
        "model?)",
    ),
    "coral/invalid_models/model_invoking_error.tflite": (
        UnsupportedModelError,
        "{path}: it needs the custom operator 'fake-op-double', which no standard runtime has; "
        "convert the model with built-in operators only",
    ),
    "coral/cat.bmp": (
        NotATfliteModelError,
        "{path}: not a TFLite model (it does not start as one); name a .tflite file",
    ),
    "coral/imagenet_labels.txt": (
        NotATfliteModelError,
        "{path}: not a TFLite model (it does not start as one); name a .tflite file",
    ),
    "mlperf_tiny/image_classification/trained_models/pretrainedResnet.h5": (
        NotATfliteModelError,
        "{path}: not a TFLite model (it does not start as one); name a .tflite file",
    ),
    "coral": (BundleError, "{path}: a folder or device, not a model file"),
    "coral/lost.tflite": (BundleError, "{path}: cannot be read: No such file or directory"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_cannot_be_used_is_refused_with_what_to_do(shared_data: Path, name: str) -> None:
    error, message = BAD_FILES[name]
    path = shared_data / name

    with pytest.raises(BundleError) as caught:
        Bundle.open(path)

    assert type(caught.value) is error
    assert str(caught.value) == message.format(path=path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.touch()

    with pytest.raises(NotATfliteModelError, match="not a TFLite model"):
        Bundle.open(path)


def test_a_file_too_large_for_a_model_is_not_read(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MODEL_BYTES", 1000)

    with pytest.raises(BundleError, match="is more than a model file may have"):
        Bundle.open(tiny_path)


@pytest.mark.parametrize("part", range(0, 100, 4))
@pytest.mark.parametrize("which", ["sealed", "foreign", "bare"])
def test_a_truncated_model_is_refused(
    shared_data: Path, tiny_bytes: bytes, resnet_int8: bytes, which: str, part: int
) -> None:
    foreign = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"
    data = {"sealed": tiny_bytes, "foreign": foreign.read_bytes(), "bare": resnet_int8}[which]

    with pytest.raises(BundleError) as caught:
        Bundle.from_bytes(data[: len(data) * part // 100], where="cut.tflite")

    assert str(caught.value).startswith("cut.tflite: ")


def test_a_model_of_others_whose_labels_were_cut_off_says_so(shared_data: Path) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"

    with pytest.raises(MissingContractError, match="the copy may be truncated") as caught:
        Bundle.from_bytes(path.read_bytes()[:-100], where="cut.tflite")

    assert "edge-recog adopt cut.tflite --labels labels.txt" in str(caught.value)


def test_a_label_file_of_the_wrong_length_is_refused(shared_data: Path) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"
    flatbuffer, files = split_archive(path.read_bytes())
    files["labels.txt"] = files["labels.txt"].removeprefix(b"background\n")

    with pytest.raises(UnsupportedModelError, match="it has 1001 outputs but 1000 labels"):
        Bundle.from_bytes(append_archive(flatbuffer, files), where="m")


def test_a_model_with_an_open_batch_and_a_contract_is_opened(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
) -> None:
    data = pack_bundle(tiny_model(open_batch=True), contract(), tiny_labels, name="m")

    assert Bundle.from_bytes(data, where="m").inputs.shape == (1, 8, 8, 3)


def open_size(model: Any) -> None:
    model.subgraphs[0].tensors[0].shapeSignature = [1, -1, -1, 3]


def two_inputs(model: Any) -> None:
    graph = model.subgraphs[0]
    graph.tensors.append(copy.copy(graph.tensors[0]))
    graph.inputs = [0, len(graph.tensors) - 1]


@pytest.mark.parametrize(
    ("built", "change", "message"),
    [
        (
            {"shape": (2, 8, 8, 3), "rows": 2},
            None,
            "it takes batches of 2 pictures; convert it with a batch of 1",
        ),
        ({}, open_size, r"its input size is left open \(\[1, -1, -1, 3\]\)"),
        ({"shape": (1, 64, 3)}, None, r"its input is \[1, 64, 3\]; pictures need"),
        ({"rows": 2}, None, r"its output is \[2, 4\]; a classifier's is \[1, labels\]"),
        ({}, two_inputs, "it has 2 inputs"),
    ],
    ids=["batch of two", "open size", "three dimensions", "two rows", "two inputs"],
)
def test_graphs_that_are_no_classifier_of_one_picture_are_refused(
    tiny_model: Callable[..., bytes],
    rebuild: Callable[..., bytes],
    built: dict[str, Any],
    change: Callable[[Any], None] | None,
    message: str,
) -> None:
    model = tiny_model(**built)

    with pytest.raises(UnsupportedModelError, match=message):
        Bundle.from_bytes(rebuild(model, change) if change else model, where="m")


def cast_input(model: Any) -> None:
    """Let a model take int32 and make its own type of it first."""
    graph = model.subgraphs[0]
    graph.tensors.append(copy.copy(graph.tensors[graph.inputs[0]]))
    graph.tensors[-1].type, graph.tensors[-1].quantization = schema.TensorType.INT32, None
    cast(model, len(graph.tensors) - 1, graph.inputs[0], 0)
    graph.inputs = [len(graph.tensors) - 1]


def cast_output(model: Any) -> None:
    """Let a model end by making int32 of its scores."""
    graph = model.subgraphs[0]
    graph.tensors.append(copy.copy(graph.tensors[graph.outputs[0]]))
    graph.tensors[-1].type, graph.tensors[-1].quantization = schema.TensorType.INT32, None
    cast(model, graph.outputs[0], len(graph.tensors) - 1, len(graph.operators))
    graph.outputs = [len(graph.tensors) - 1]


def cast(model: Any, source: int, target: int, place: int) -> None:
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
    code.version = 1
    operator.opcodeIndex = len(model.operatorCodes)
    operator.inputs, operator.outputs = [source], [target]
    model.operatorCodes.append(code)
    model.subgraphs[0].operators.insert(place, operator)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cast_input, "its input is int32, which no picture becomes"),
        (cast_output, "its output is int32, which is no score"),
    ],
    ids=["input", "output"],
)
def test_types_that_no_picture_or_score_has_are_refused(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    rebuild: Callable[..., bytes],
    change: Callable[[Any], None],
    message: str,
) -> None:
    model = rebuild(tiny_model(dtype="float32"), change)

    with pytest.raises(UnsupportedModelError, match=message):
        pack_bundle(model, contract(), tiny_labels, name="m")


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [("uint8", [0.0, 0.5, 1.0, 0.25]), ("float32", [0.0, 0.5, 1.0, 0.25])],
)
def test_scores_are_the_real_values_of_the_output(
    tiny_model: Callable[..., bytes],
    contract: Callable[..., Contract],
    tiny_labels: tuple[str, ...],
    outputs: str,
    expected: list[float],
) -> None:
    data = pack_bundle(tiny_model(dtype=outputs), contract(), tiny_labels, name="m")
    raw = {"uint8": [[0, 128, 255, 64]], "float32": [[-0.5, 0.5, 1.5, 0.25]]}[outputs]

    scores = Bundle.from_bytes(data, where="m").scores(np.array(raw, outputs))

    np.testing.assert_allclose(scores, expected, atol=1 / 255)
