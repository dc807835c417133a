from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_recog.errors import BundleError, NotATfliteModelError
from edge_recog.inspection import inspect_bytes, inspect_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = {
    "path",
    "id",
    "size_bytes",
    "usable",
    "problem",
    "name",
    "description",
    "license",
    "contract_from",
    "contract",
    "labels",
    "inputs",
    "outputs",
    "operators",
    "oldest_runtime",
    "edgetpu",
    "files",
    "golden_vectors",
    "golden_runtime",
    "accuracy",
    "provenance",
    "compatibility",
    "card",
}


def document_of(path: Path) -> dict[str, Any]:
    """Return the document as a program reads it."""
    document = msgspec.json.decode(msgspec.json.encode(inspect_file(path).document()))
    assert document.keys() == KEYS
    return dict(document)


def test_a_sealed_model_is_described(tiny_path: Path, tiny_labels: tuple[str, ...]) -> None:
    document = document_of(tiny_path)
    data = tiny_path.read_bytes()

    assert document["usable"]
    assert document["problem"] == ""
    assert document["id"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert document["size_bytes"] == len(data)
    assert document["name"] == "tiny"
    assert document["contract_from"] == "edge_recog"
    assert document["contract"]["preprocessing"]["std"] == [255.0]
    assert document["labels"] == list(tiny_labels)
    assert document["golden_vectors"] == 2
    assert document["golden_runtime"].startswith(("ai-edge-litert", "tflite-runtime"))
    assert document["operators"] == {"FULLY_CONNECTED": 1, "SOFTMAX": 1}
    assert document["oldest_runtime"] == "1.5"
    assert document["files"].keys() == {"labels.txt", "edge_recog_golden.bin"}
    (image,), (scores,) = document["inputs"], document["outputs"]
    assert image["name"] == "image"
    assert (image["shape"], image["dtype"], image["zero_point"]) == ([1, 8, 8, 3], "uint8", 0)
    assert image["scale"] == pytest.approx(1 / 255)
    assert scores["scale"] == 1 / 256


def test_a_model_of_others_is_described(shared_data: Path) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_1_metadata_1.tflite"
    document = document_of(path)

    assert document["usable"]
    assert document["contract_from"] == "tflite-metadata"
    assert document["license"].startswith("Apache License")
    assert document["golden_vectors"] == 0
    assert document["inputs"][0]["scale"] is None
    assert document["files"] == {"labels.txt": 10484}


@pytest.mark.parametrize(
    ("name", "problem", "operator"),
    [
        (
            "mobilenet_v1_025/mobilenet_v1_0.25_224_1_default_1.tflite",
            "does not say how to feed it",
            "SQUEEZE",
        ),
        (
            "mobilenet_v1_025/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite",
            "it has 4 outputs",
            "TFLite_Detection_PostProcess",
        ),
        ("coral/invalid_models/model_invoking_error.tflite", "fake-op-double", "fake-op-double"),
    ],
    ids=["no contract", "detector", "custom operator"],
)
def test_a_model_that_cannot_be_used_is_described_all_the_same(
    shared_data: Path, name: str, problem: str, operator: str
) -> None:
    document = document_of(shared_data / name)

    assert not document["usable"]
    assert problem in document["problem"]
    assert operator in document["operators"]
    assert document["contract"] is None
    assert document["labels"] is None


def test_a_model_for_the_edge_tpu_is_known_as_one(shared_data: Path) -> None:
    document = document_of(shared_data / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite")

    assert document["edgetpu"]
    assert document["oldest_runtime"] == ""


@pytest.mark.parametrize("kept", [0, 4, 30, 2000])
def test_what_is_no_model_cannot_be_described(resnet_int8: bytes, kept: int) -> None:
    with pytest.raises(NotATfliteModelError, match=r"^cut: "):
        inspect_bytes(resnet_int8[:kept], where="cut")


def test_a_file_that_is_missing_cannot_be_described(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        inspect_file(tmp_path / "none.tflite")


def test_a_tensor_quantised_per_channel_has_no_one_scale(
    tiny_model: Callable[..., bytes], rebuild: Callable[..., bytes]
) -> None:
    def change(model: Any) -> None:
        quantization = schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = [0.1] * 4, [0] * 4
        quantization.quantizedDimension = 1
        model.subgraphs[0].tensors[-1].quantization = quantization

    model = rebuild(tiny_model(dtype="float32"), change)

    assert inspect_bytes(model, where="m").document()["outputs"][0]["scale"] is None
