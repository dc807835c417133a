"""Small models made from plain values, sound and otherwise."""

import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from edge_recog.tflite.schema import UNIONS, fields

_CODES = {
    "bool": "?", "i8": "b", "u8": "B", "i16": "h", "u16": "H",
    "i32": "i", "u32": "I", "i64": "q", "u64": "Q", "f32": "f",
}  # fmt: skip


def flatbuffer(table: str, row: Mapping[str, Any], identifier: bytes = b"TFL3") -> bytes:
    """Return a FlatBuffer of nested dicts and lists, with everything after what refers to it."""
    data = bytearray(4) + identifier
    later: list[tuple[int, str, Any]] = []

    def pad(size: int, before: int = 0) -> None:
        data.extend(bytes(-(len(data) + before) % size))

    def put_table(slot: int, kind: str, values: Mapping[str, Any]) -> None:
        specs = fields(kind)
        assert set(values) <= {spec.name for spec in specs}, (kind, values)
        places, content = [], bytearray(4)
        references = []
        for spec in specs:
            value = values.get(spec.name)
            if value is None:
                places.append(0)
                continue
            code = _CODES.get(spec.type, "I")
            content += bytes(-len(content) % struct.calcsize(code))
            places.append(len(content))
            if spec.type in _CODES:
                content += struct.pack(f"<{code}", value)
            else:
                target = spec.type
                if target[0] == "|":
                    target = UNIONS[target[1:]][values[f"{spec.name}_type"]]
                references.append((len(content), target, value))
                content += bytes(4)
        vtable = struct.pack(f"<{len(places) + 2}H", 4 + 2 * len(places), len(content), *places)
        pad(4)
        start = len(data)
        data.extend(vtable)
        pad(8)
        position = len(data)
        struct.pack_into("<i", content, 0, position - start)
        data.extend(content)
        struct.pack_into("<I", data, slot, position - slot)
        later.extend((position + place, target, value) for place, target, value in references)

    def put(slot: int, kind: str, value: Any) -> None:
        if kind in ("string", "bytes"):
            raw = value.encode() if isinstance(value, str) else bytes(value)
            pad(16, before=4)
            struct.pack_into("<I", data, slot, len(data) - slot)
            data.extend(struct.pack("<I", len(raw)) + raw + b"\0")
        elif kind[0] in "([":
            pad(8, before=4)
            struct.pack_into("<I", data, slot, len(data) - slot)
            data.extend(struct.pack("<I", len(value)))
            inner = kind[1:-1]
            if inner in _CODES:
                data.extend(struct.pack(f"<{len(value)}{_CODES[inner]}", *value))
            else:
                first = len(data)
                data.extend(bytes(4 * len(value)))
                later.extend((first + 4 * i, inner, item) for i, item in enumerate(value))
        else:
            put_table(slot, kind, value)

    put(0, table, row)
    while later:
        put(*later.pop(0))
    return bytes(data)


def addition() -> dict[str, Any]:
    """Return a model that adds 1.0 to each of four numbers."""
    return {
        "version": 3,
        "description": "adds one",
        "operator_codes": [{"deprecated_builtin_code": 0, "version": 1}],
        "buffers": [{}, {"data": struct.pack("<f", 1.0)}],
        "subgraphs": [
            {
                "name": "main",
                "tensors": [
                    {"name": "x", "shape": [1, 4], "shape_signature": [-1, 4]},
                    {"name": "one", "shape": [1], "buffer": 1},
                    {"name": "y", "shape": [1, 4]},
                ],
                "inputs": [0],
                "outputs": [2],
                "operators": [
                    {
                        "inputs": [0, 1],
                        "outputs": [2],
                        "builtin_options_type": UNIONS["BuiltinOptions"].index("AddOptions"),
                        "builtin_options": {"fused_activation_function": 0},
                    }
                ],
            }
        ],
    }


@pytest.fixture
def build() -> Callable[..., bytes]:
    return flatbuffer


@pytest.fixture
def adder() -> dict[str, Any]:
    return addition()
