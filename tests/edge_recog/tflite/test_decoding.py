"""Reading of sound and damaged files."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_recog.errors import NotATfliteModelError, UnsupportedModelError
from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec
from edge_recog.tflite import read_model
from edge_recog.tflite.schema import OPERATORS, TENSOR_TYPES, UNIONS

Build = Callable[..., bytes]
Row = dict[str, Any]


def test_a_model_is_read_as_it_was_written(build: Build, adder: Row) -> None:
    adder["signature_defs"] = [
        {
            "signature_key": "serve",
            "inputs": [{"name": "numbers", "tensor_index": 0}],
            "outputs": [{"name": "sums", "tensor_index": 2}],
        }
    ]
    adder["metadata"] = [{"name": "note", "buffer": 1}]
    model = read_model(build("Model", adder))
    operator = model.main.operators[0]
    assert (model.version, model.description, model.buffers) == (3, "adds one", 2)
    assert (operator.name, operator.version, operator.is_custom) == ("ADD", 1, False)
    assert (operator.inputs, operator.outputs) == ((0, 1), (2,))
    assert operator.options_type == "AddOptions"
    assert operator.options["pot_scale_int16"] == 1, "the schema's default"
    assert model.signature_names == ("serve",)
    assert model.signatures[0].inputs == {"numbers": 0}
    assert model.main.tensors[0].shape_signature == (-1, 4)
    assert model.main.tensors[1].constant_bytes == 4
    assert model.main.tensors[2].constant_bytes == 0
    assert bytes(model.metadata["note"]) == struct.pack("<f", 1.0)
    assert model.input_specs() == (TensorSpec("x", (1, 4), "float32", None),)
    assert model.output_specs() == (TensorSpec("y", (1, 4), "float32", None),)


def test_bytes_behind_the_model_are_ignored(build: Build, adder: Row) -> None:
    data = build("Model", adder)
    assert read_model(data + b"PK\x05\x06" + bytes(18)).main.name == "main"
    assert read_model(memoryview(data)).main.name == "main"


def test_a_constant_may_lie_behind_the_flatbuffer(build: Build, adder: Row) -> None:
    adder["buffers"][1] = {"offset": 2**20, "size": 4}
    data = build("Model", adder)
    adder["buffers"][1]["offset"] = offset = -(-len(data) // 16) * 16
    data = build("Model", adder).ljust(offset, b"\0") + struct.pack("<f", 7.0)
    tensor = read_model(data).main.tensors[1]
    assert tensor.data is not None
    assert bytes(tensor.data) == struct.pack("<f", 7.0)
    with pytest.raises(NotATfliteModelError, match="past the end"):
        read_model(data[:-1])
    adder["buffers"][1]["offset"] = offset - 2
    with pytest.raises(NotATfliteModelError, match="not aligned"):
        read_model(build("Model", adder).ljust(offset, b"\0") + bytes(4))


@pytest.mark.parametrize(
    "data", [b"", b"TFL3", bytes(4) + b"TFL2" + bytes(64)], ids=["empty", "short", "other"]
)
def test_another_file_is_named_as_such(data: bytes) -> None:
    with pytest.raises(NotATfliteModelError, match="not a TFLite model"):
        read_model(data)


def _set(row: Row, path: str, value: object) -> None:
    """Set a value deep in nested dicts and lists."""
    *parents, last = path.split(".")
    for key in parents:
        row = row[int(key)] if isinstance(row, list) else row[key]
    if isinstance(row, list):
        row[int(last)] = value
    else:
        row[last] = value


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("version", 2, "schema version 2"),
        ("subgraphs", None, "no graph"),
        ("external_buffer_groups", [{"name": "weights.bin"}], "other files"),
        ("operator_codes.0", {"builtin_code": 5000}, "operator code 5000"),
        ("operator_codes.0", {"deprecated_builtin_code": -1, "builtin_code": -3}, "operator code"),
        ("operator_codes.0", {"builtin_code": OPERATORS.index("CUSTOM")}, "has no name"),
        ("operator_codes.0.version", 0, "has version 0"),
        ("metadata", [{"name": "x", "buffer": 2}], "buffer does not exist"),
        ("metadata", [{"buffer": 0}], "has no name"),
        ("signature_defs", [{"inputs": [], "outputs": []}], "no signature_key"),
        (
            "signature_defs",
            [{"signature_key": "s", "inputs": [], "outputs": [], "subgraph_index": 1}],
            "runs graph 1",
        ),
        (
            "signature_defs",
            [{"signature_key": "s", "inputs": [{"name": "a", "tensor_index": 3}], "outputs": []}],
            "tensor 3 of 3",
        ),
        ("subgraphs.0.operators.0.opcode_index", 1, "uses code 1"),
        ("subgraphs.0.operators.0.large_custom_options_offset", 8, "outside the model"),
        ("subgraphs.0.tensors.1.type", len(TENSOR_TYPES), "of type"),
        ("subgraphs.0.tensors.1.buffer", 2, "buffer 2 of 2"),
        ("subgraphs.0.tensors.0.quantization", {"scale": [1.0]}, "no zero points"),
    ],
)
def test_a_broken_part_is_named(
    build: Build, adder: Row, path: str, value: object, reason: str
) -> None:
    _set(adder, path, value)
    with pytest.raises(NotATfliteModelError, match=reason):
        read_model(build("Model", adder))


def test_new_operator_codes_are_read_from_the_wide_field(build: Build, adder: Row) -> None:
    adder["operator_codes"] = [
        {"deprecated_builtin_code": 127, "builtin_code": OPERATORS.index("GELU")}
    ]
    operator = adder["subgraphs"][0]["operators"][0]
    operator.update(inputs=[0], builtin_options_type=0, builtin_options=None)
    operation = read_model(build("Model", adder)).main.operators[0]
    assert (operation.name, operation.options_type, operation.options) == ("GELU", "NONE", {})


def test_options_of_newer_operators_are_read(build: Build, adder: Row) -> None:
    adder["operator_codes"] = [{"builtin_code": OPERATORS.index("REDUCE_WINDOW")}]
    operator = adder["subgraphs"][0]["operators"][0]
    operator.update(
        inputs=[0, 1, 1, 1, 1],
        builtin_options_type=None,
        builtin_options=None,
        builtin_options_2_type=UNIONS["BuiltinOptions2"].index("ReduceWindowOptions"),
        builtin_options_2={"reduce_function": 2},
    )
    operation = read_model(build("Model", adder)).main.operators[0]
    assert operation.options_type == "ReduceWindowOptions"
    assert operation.options["reduce_function"] == 2


def test_custom_operators_keep_their_name(build: Build, adder: Row) -> None:
    adder["operator_codes"] = [{"builtin_code": 32, "custom_code": "edgetpu-custom-op"}]
    operator = read_model(build("Model", adder)).main.operators[0]
    assert (operator.name, operator.is_custom) == ("edgetpu-custom-op", True)


@pytest.mark.parametrize(
    ("tensor", "spec"),
    [
        ({"type": 3, "quantization": {"scale": [0.5], "zero_point": [7]}}, (0.5, 7, "uint8")),
        ({"type": 2}, None),
    ],
    ids=["quantised", "plain"],
)
def test_boundary_tensors_say_how_integers_stand_for_numbers(
    build: Build, adder: Row, tensor: Row, spec: tuple[float, int, str] | None
) -> None:
    adder["subgraphs"][0].update(
        tensors=[{"name": "x", "shape": [2], **tensor}], outputs=[0], operators=[]
    )
    expected = None if spec is None else QuantParams(*spec)
    assert read_model(build("Model", adder)).input_specs()[0].quantization == expected


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        ({"type": 4, "shape": [2]}, "int64"),
        ({"shape": [0, 2]}, "is empty"),
        (
            {"type": 9, "shape": [2], "quantization": {"scale": [1, 2], "zero_point": [0, 0]}},
            "per channel",
        ),
        (
            {"type": 2, "shape": [2], "quantization": {"scale": [1e-40], "zero_point": [0]}},
            "scale",
        ),
    ],
    ids=["type", "empty", "per channel", "scale"],
)
def test_a_boundary_that_cannot_be_fed_is_unsupported(
    build: Build, adder: Row, tensor: Row, reason: str
) -> None:
    adder["subgraphs"][0].update(tensors=[tensor], outputs=[0], operators=[])
    expected: type[Exception] = UnsupportedModelError
    if reason == "scale":
        expected = NotATfliteModelError
    with pytest.raises(expected, match=reason):
        read_model(build("Model", adder)).input_specs()


def test_every_public_model_is_accepted(shared_data: Path) -> None:
    files = [file for file in shared_data.rglob("*.tflite") if "invalid" not in file.parent.name]
    assert files
    for file in files:
        model = read_model(file.read_bytes())
        assert model.input_specs()[0].shape[0] == 1, file
