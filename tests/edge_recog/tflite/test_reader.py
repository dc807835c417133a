"""The reader against files made to mislead it."""

import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import EdgeRecogError, NotATfliteModelError
from edge_recog.tflite import read_model
from edge_recog.tflite import reader as reader_module
from edge_recog.tflite.reader import Reader

Build = Callable[..., bytes]
Row = dict[str, Any]


def _tensor(build: Build, **row: Any) -> bytearray:
    """Return a FlatBuffer whose root is a Tensor."""
    return bytearray(build("Tensor", row))


def _root(data: bytearray) -> int:
    return int(struct.unpack_from("<I", data, 0)[0])


def _vtable(data: bytearray) -> int:
    return _root(data) - int(struct.unpack_from("<i", data, _root(data))[0])


def test_every_kind_of_field_is_read(build: Build) -> None:
    row = Reader(
        bytes(
            _tensor(
                build,
                name="näme",
                shape=[1, 2],
                type=9,
                is_variable=True,
                quantization={"scale": [0.5], "zero_point": [3], "min": [1.0, 2.0]},
                variant_tensors=[{"shape": [3]}, {"has_rank": True}],
            )
        )
    ).root("Tensor")
    assert row["name"] == "näme"
    assert row["shape"] == (1, 2)
    assert (row["type"], row["is_variable"], row["buffer"]) == (9, True, 0)
    assert row["quantization"]["min"].tolist() == [1.0, 2.0]
    assert not row["quantization"]["min"].flags.writeable
    assert [variant["shape"] for variant in row["variant_tensors"]] == [(3,), None]
    assert row["sparsity"] is None


def test_fields_of_a_newer_schema_are_left_alone(build: Build) -> None:
    data = build("OperatorCode", {"custom_code": "x", "version": 2, "builtin_code": 3})
    # Read as a table of one field, the other three are unknown.
    assert Reader(data).root("ExternalBufferGroup") == {"name": None}


def test_vectors_of_strings_are_read(build: Build) -> None:
    data = build("TensorMetadata", {"name": "image", "dimension_names": ["batch", "", "width"]})
    assert Reader(data).root("TensorMetadata")["dimension_names"] == ["batch", "", "width"]


@pytest.mark.parametrize(
    ("place", "code", "value", "reason"),
    [
        ("root", "<I", 2**31, "outside the file"),
        ("root", "<I", 6, "misaligned"),
        ("table", "<i", 2**30, "vtable of a Tensor is outside"),
        ("table", "<i", -(2**30), "vtable of a Tensor is outside"),
        ("table", "<i", 1, "misaligned"),
        ("vtable", "<H", 2, "impossible size"),
        ("vtable", "<H", 7, "impossible size"),
        ("vtable", "<H", 4 + 2 * 100, "impossible size"),
        ("vtable size", "<H", 2, "impossible size"),
        ("vtable size", "<H", 60000, "runs past the end"),
        ("vtable size", "<H", 6, "lies outside it"),
        ("first field", "<H", 2, "overlaps"),
        ("last field", "<H", 6, "overlaps"),
    ],
)
def test_a_broken_table_is_refused(
    build: Build, place: str, code: str, value: int, reason: str
) -> None:
    data = _tensor(build, shape=[1], type=1, buffer=2, name="x")
    position = {
        "root": 0,
        "table": _root(data),
        "vtable": _vtable(data),
        "vtable size": _vtable(data) + 2,
        "first field": _vtable(data) + 4,
        "last field": _vtable(data) + 4 + 2 * 3,
    }[place]
    struct.pack_into(code, data, position, value)
    with pytest.raises(NotATfliteModelError, match=reason):
        Reader(bytes(data)).root("Tensor")


def test_a_vtable_at_the_end_is_refused(build: Build) -> None:
    data = _tensor(build, type=1)
    data += bytes(len(data) % 2)
    struct.pack_into("<i", data, _root(data), _root(data) - len(data))
    data += struct.pack("<HH", 40, 8)
    with pytest.raises(NotATfliteModelError, match="runs past the end"):
        Reader(bytes(data)).root("Tensor")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("shape", [1, 2], "a vector .* runs past the end"),
        ("quantization", {"scale": [1.0]}, "runs past the end"),
        ("variant_tensors", [{}], "more than|runs past the end"),
        ("name", "x", "runs past the end"),
    ],
)
def test_an_absurd_length_is_refused(build: Build, field: str, value: Any, reason: str) -> None:
    data = _tensor(build, **{field: value})
    offset = _root(data) + struct.unpack_from("<H", data, _root(data) - 0 - _back(data, field))[0]
    target = offset + struct.unpack_from("<I", data, offset)[0]
    if field == "quantization":
        scale = target - struct.unpack_from("<i", data, target)[0] + 4 + 2 * 2
        offset = target + struct.unpack_from("<H", data, scale)[0]
        target = offset + struct.unpack_from("<I", data, offset)[0]
    struct.pack_into("<I", data, target, 2**31)
    with pytest.raises(NotATfliteModelError, match=reason):
        Reader(bytes(data)).root("Tensor")


def _back(data: bytearray, field: str) -> int:
    """Return how far before the root table the vtable entry of a field lies."""
    names = ["shape", "type", "buffer", "name", "quantization"]
    names += ["is_variable", "sparsity", "shape_signature", "has_rank", "variant_tensors"]
    return _root(data) - _vtable(data) - 4 - 2 * names.index(field)


def test_a_vector_that_starts_outside_is_refused(build: Build) -> None:
    data = _tensor(build, shape=[1])
    struct.pack_into("<I", data, _root(data) + 4, 2**30)
    with pytest.raises(NotATfliteModelError, match="outside the file"):
        Reader(bytes(data)).root("Tensor")


def test_a_string_must_end_with_zero(build: Build) -> None:
    data = bytes(_tensor(build, name="x")).replace(b"x\0", b"xy")
    with pytest.raises(NotATfliteModelError, match="not terminated"):
        Reader(data).root("Tensor")


def test_text_that_is_not_utf_8_is_read_as_well_as_possible(build: Build) -> None:
    data = bytes(_tensor(build, name="x")).replace(b"x\0", b"\xff\0")
    assert Reader(data).root("Tensor")["name"] == "\N{REPLACEMENT CHARACTER}"


def test_an_unknown_member_of_a_union_is_refused(build: Build) -> None:
    data = bytearray(build("QuantizationParameters", {"details_type": 1, "details": {}}))
    data[data.index(1, _root(data) + 4)] = 9
    with pytest.raises(NotATfliteModelError, match="details of type 9"):
        Reader(bytes(data)).root("QuantizationParameters")


def test_sharing_does_not_make_reading_endless(build: Build) -> None:
    # Half a million operators, all in one place: a file of 2 MB that describes gigabytes.
    data = bytearray(build("SubGraph", {"operators": [{"inputs": [0] * 64}] * 2}))
    position = len(data)
    count = 500_000
    data += struct.pack("<I", count)
    names = ["tensors", "inputs", "outputs", "operators"]
    entry = _vtable(data) + 4 + 2 * names.index("operators")
    slot = _root(data) + struct.unpack_from("<H", data, entry)[0]
    old = slot + struct.unpack_from("<I", data, slot)[0]
    first = old + 4 + struct.unpack_from("<I", data, old + 4)[0]
    struct.pack_into("<I", data, slot, position - slot)
    started = time.perf_counter()
    data += struct.pack(
        f"<{count}I", *(first - position - 4 - 4 * i & 2**32 - 1 for i in range(count))
    )
    with pytest.raises(NotATfliteModelError, match=r"more than|outside the file"):
        Reader(bytes(data)).root("SubGraph")
    assert time.perf_counter() - started < 5


def test_the_work_is_bounded(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    data = build("SubGraph", {"operators": [{"inputs": [0] * 8}] * 8})
    monkeypatch.setattr(reader_module, "MAX_TABLES", 8)
    with pytest.raises(NotATfliteModelError, match="more than 8 tables"):
        Reader(data).root("SubGraph")
    monkeypatch.undo()
    monkeypatch.setattr(reader_module, "MAX_ELEMENTS", 63)
    with pytest.raises(NotATfliteModelError, match="more than 63 elements"):
        Reader(data).root("SubGraph")


def test_nested_tables_are_counted_too(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    data = build("SubGraph", {"tensors": [{"quantization": {}}] * 3})
    monkeypatch.setattr(reader_module, "MAX_TABLES", 6)
    with pytest.raises(NotATfliteModelError, match="more than 6 tables"):
        Reader(data).root("SubGraph")


@given(data=st.binary(max_size=256))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(EdgeRecogError):
        read_model(data[:4] + b"TFL3" + data[4:])


_SOUND: list[bytes] = []


@pytest.fixture(autouse=True)
def _sound(build: Build, adder: Row) -> None:
    _SOUND[:] = [build("Model", adder)]


@given(changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8))
def test_any_damage_is_survived(changes: list[tuple[int, int]]) -> None:
    data = bytearray(_SOUND[0])
    for position, value in changes:
        data[position % len(data)] = value
    try:
        model = read_model(bytes(data))
        model.input_specs()
    except EdgeRecogError:
        pass


@given(length=st.integers(0, 2**12))
def test_any_truncation_is_survived(length: int) -> None:
    try:
        read_model(_SOUND[0][:length])
    except NotATfliteModelError:
        assert length < len(_SOUND[0])
