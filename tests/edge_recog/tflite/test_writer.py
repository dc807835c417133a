"""Metadata put into models, and the models that come out."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_recog.errors import NotATfliteModelError, UnsupportedModelError
from edge_recog.tflite import read_model, with_metadata, writer

Build = Callable[..., bytes]
Row = dict[str, Any]


@pytest.fixture
def model(build: Build, adder: Row) -> bytes:
    adder["metadata"] = [{"name": "old", "buffer": 2}, {"name": "kept", "buffer": 3}]
    adder["buffers"] += [{"data": b"something old"}, {"data": b"kept"}]
    return build("Model", adder)


def _metadata(data: bytes) -> dict[str, bytes]:
    return {name: bytes(content) for name, content in read_model(data).metadata.items()}


def test_entries_are_added_and_replaced(model: bytes) -> None:
    result = with_metadata(model, {"old": b"new", "TFLITE_METADATA": b"meta" * 100})
    assert _metadata(result) == {"kept": b"kept", "old": b"new", "TFLITE_METADATA": b"meta" * 100}
    assert result.endswith(model)
    assert result[4:8] == b"TFL3"


def test_everything_else_stays(model: bytes) -> None:
    before, after = read_model(model), read_model(with_metadata(model, {"x": b"y"}))
    assert after.description == before.description
    assert [o.name for o in after.main.operators] == [o.name for o in before.main.operators]
    assert after.main.tensors[1].data == before.main.tensors[1].data
    assert after.input_specs() == before.input_specs()


def test_rewriting_does_not_make_a_file_grow(model: bytes) -> None:
    first = with_metadata(model, {"x": b"1" * 1000})
    second = first
    for index in range(5):
        second = with_metadata(second, {"x": b"%d" % index * 1000})
    assert len(second) == len(first)
    assert with_metadata(second, {"x": b"1" * 1000}) == first


def test_what_is_there_already_is_not_written_again(model: bytes) -> None:
    assert with_metadata(model, {}) == model
    assert with_metadata(model, {"kept": b"kept"}) == model
    twice = with_metadata(with_metadata(model, {"old": b"new"}), {"old": b"something old"})
    assert twice == model


def test_new_content_is_aligned(model: bytes) -> None:
    result = with_metadata(model, {"a": b"1" * 17, "b": b"marked"})
    assert result.index(b"1" * 17) % 16 == 0
    assert result.index(b"marked") % 16 == 0
    assert (len(result) - len(model)) % 64 == 0


def test_a_model_without_buffers_gets_the_empty_one(build: Build, adder: Row) -> None:
    adder["subgraphs"][0].update(operators=[], outputs=[0])
    del adder["buffers"]
    adder["subgraphs"][0]["tensors"][1]["buffer"] = 0
    result = with_metadata(build("Model", adder), {"a": b"1"})
    assert read_model(result).buffers == 2
    assert _metadata(result) == {"a": b"1"}


def test_constants_behind_the_flatbuffer_stay_reachable(build: Build, adder: Row) -> None:
    adder["buffers"][1] = {"offset": 4096, "size": 4}
    data = build("Model", adder).ljust(4096, b"\0") + struct.pack("<f", 7.0)
    once = with_metadata(data, {"a": b"1"})
    for result in (once, with_metadata(once, {"a": b"2", "b": b"3" * 99})):
        constant = read_model(result).main.tensors[1].data
        assert constant is not None
        assert bytes(constant) == struct.pack("<f", 7.0)
        assert result.endswith(data)


def test_a_front_that_changes_more_than_metadata_is_left_in_place(model: bytes) -> None:
    forged = bytearray(with_metadata(model, {"a": b"1"}))
    forged[44 + 4] = 3  # the version, which is what it was
    assert with_metadata(bytes(forged), {"a": b"2"})[-len(model) :] == model
    forged = bytearray(with_metadata(model, {"a": b"1"}))
    forged[20:] = forged[20:].replace(b"\x01\x00\x00\x001", b"\x01\x00\x00\x009", 1)
    assert _metadata(with_metadata(bytes(forged), {}))["a"] == b"9"
    forged[16:20] = struct.pack("<I", 8)
    assert with_metadata(bytes(forged), {"b": b"2"}).endswith(bytes(forged))


def test_a_newer_schema_is_refused(model: bytes) -> None:
    data = bytearray(model)
    root = struct.unpack_from("<I", data, 0)[0]
    vtable = root - struct.unpack_from("<i", data, root)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    longer = bytearray(data[vtable : vtable + size]).ljust(4 + 2 * 10, b"\0")
    longer += struct.pack("<H", 4)
    struct.pack_into("<H", longer, 0, len(longer))
    data += bytes(-len(data) % 4)
    struct.pack_into("<i", data, root, root - len(data))
    with pytest.raises(UnsupportedModelError, match="newer TFLite schema"):
        with_metadata(bytes(data + longer), {"a": b"1"})


def test_a_file_stays_below_what_offsets_reach(
    model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_LARGEST_BYTES", len(model))
    with pytest.raises(UnsupportedModelError, match="2 GiB"):
        with_metadata(model, {"a": b"1"})


def test_only_models_are_rewritten() -> None:
    with pytest.raises(NotATfliteModelError):
        with_metadata(b"no model", {})


def _run(interpreter: Any, data: bytes) -> list[bytes]:
    """Return the outputs for one random input, byte for byte."""
    session = interpreter(model_content=data, num_threads=1)
    session.allocate_tensors()
    random = np.random.default_rng(0)
    for detail in session.get_input_details():
        pixels = random.uniform(0, 100, detail["shape"]).astype(detail["dtype"])
        session.set_tensor(detail["index"], pixels)
    session.invoke()
    return [session.get_tensor(d["index"]).tobytes() for d in session.get_output_details()]


@pytest.mark.parametrize(
    "name",
    [
        "mlperf_tiny/image_classification/trained_models/pretrainedResnet_quant.tflite",
        "mlperf_tiny/visual_wake_words/trained_models/vww_96_float.tflite",
        "coral/mobilenet_v1_0.25_128_quant.tflite",
        "mobilenet_v1_025/mobilenet_v1_0.25_224_1_metadata_1.tflite",
    ],
)
def test_a_rewritten_model_computes_the_same(shared_data: Path, name: str) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    data = (shared_data / name).read_bytes()
    once = with_metadata(data, {"edge_recog": b"x" * 1001})
    twice = with_metadata(once, {"TFLITE_METADATA": b"y" * 77})
    expected = _run(litert.Interpreter, data)
    assert _run(litert.Interpreter, once) == expected
    assert _run(litert.Interpreter, twice) == expected
