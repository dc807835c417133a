"""From the bytes of a model file to its structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from edge_recog.errors import NotATfliteModelError
from edge_recog.tflite.checks import check_safe
from edge_recog.tflite.reader import Reader
from edge_recog.tflite.schema import FILE_IDENTIFIER, OPERATORS, TENSOR_TYPES, UNIONS
from edge_recog.tflite.structure import (
    Model,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA_VERSION = 3
"""The only one that TFLite has ever loaded: `TFLITE_SCHEMA_VERSION` in lite/version.h."""

_CUSTOM = OPERATORS.index("CUSTOM")
_PLACEHOLDER = OPERATORS.index("PLACEHOLDER_FOR_GREATER_OP_CODES")


def read_model(data: bytes | memoryview) -> Model:
    """Read a TFLite model and check that native code can load and run it without harm.

    Args:
        data: The whole file. A ZIP archive may follow the model, as TFLite metadata has it.
            Constants of the returned model are views into it.

    Raises:
        NotATfliteModelError: It is not a TFLite model, is truncated, or is unsafe to load.
    """
    model = decode_model(data)
    check_safe(model)
    return model


def decode_model(data: bytes | memoryview) -> Model:
    """Read a TFLite model; its indices, shapes and sizes are not checked.

    Raises:
        NotATfliteModelError: It is not a TFLite model, is truncated, or a part it needs is missing.
    """
    reader = Reader(data)
    if len(reader.data) < 8 or reader.data[4:8] != FILE_IDENTIFIER:
        raise NotATfliteModelError(
            "The file is not a TFLite model: the identifier TFL3 is not where it should be."
        )
    root = reader.root("Model")
    if root["version"] != SCHEMA_VERSION:
        _refuse(f"it says schema version {root['version']}, and only {SCHEMA_VERSION} exists")
    if root["external_buffers"] or root["external_buffer_groups"]:
        _refuse("it keeps its weights in other files")
    buffers = [_buffer(buffer, reader.data) for buffer in root["buffers"] or ()]
    codes = [_operator_code(code) for code in root["operator_codes"] or ()]
    return Model(
        version=SCHEMA_VERSION,
        description=root["description"] or "",
        subgraphs=tuple(_subgraph(graph, codes, buffers) for graph in root["subgraphs"] or ()),
        buffers=len(buffers),
        metadata=_metadata(root["metadata"] or (), buffers),
        signatures=tuple(_signature(signature) for signature in root["signature_defs"] or ()),
    )


def _buffer(row: Mapping[str, Any], file: memoryview) -> memoryview | None:
    """Return the bytes of a buffer; None if it holds none."""
    data: memoryview | None = row["data"]
    offset, size = row["offset"], row["size"]
    # 0 and 1 mean "within the FlatBuffer" (interpreter_builder.cc, ParseTensors).
    if data is None and offset > 1:
        if offset + size > len(file):
            _refuse(f"a buffer of {size} bytes at byte {offset} runs past the end of the file")
        if offset % 4:
            _refuse(f"a buffer at byte {offset} is not aligned")
        return file[offset : offset + size]
    return data


def _operator_code(row: Mapping[str, Any]) -> tuple[str, bool, int]:
    """Return an operator's name, whether it is custom, and its version."""
    # Old files have only the 8-bit field, new ones both: schema_utils.cc, GetBuiltinCode.
    code = max(row["builtin_code"], row["deprecated_builtin_code"])
    if not 0 <= code < len(OPERATORS) or code == _PLACEHOLDER:
        _refuse(f"operator code {code} does not exist in the schema")
    if code == _CUSTOM:
        if not row["custom_code"]:
            _refuse("a custom operator has no name")
        return row["custom_code"], True, row["version"]
    return OPERATORS[code], False, row["version"]


def _metadata(
    rows: Sequence[Mapping[str, Any]], buffers: Sequence[memoryview | None]
) -> dict[str, memoryview]:
    entries = {}
    for row in rows:
        name, index = row["name"], row["buffer"]
        if name is None or index >= len(buffers):
            _refuse("a metadata entry has no name, or its buffer does not exist")
        entries[name] = buffers[index] or memoryview(b"")
    return entries


def _signature(row: Mapping[str, Any]) -> Signature:
    for key in ("inputs", "outputs", "signature_key"):
        if row[key] is None:
            _refuse(f"a signature has no {key}")
    return Signature(
        name=row["signature_key"],
        subgraph=row["subgraph_index"],
        inputs={argument["name"] or "": argument["tensor_index"] for argument in row["inputs"]},
        outputs={result["name"] or "": result["tensor_index"] for result in row["outputs"]},
    )


def _subgraph(
    row: Mapping[str, Any],
    codes: Sequence[tuple[str, bool, int]],
    buffers: Sequence[memoryview | None],
) -> Subgraph:
    return Subgraph(
        name=row["name"] or "",
        tensors=tuple(_tensor(tensor, buffers) for tensor in row["tensors"] or ()),
        inputs=row["inputs"] or (),
        outputs=row["outputs"] or (),
        operators=tuple(_operator(operator, codes) for operator in row["operators"] or ()),
    )


def _operator(row: Mapping[str, Any], codes: Sequence[tuple[str, bool, int]]) -> Operator:
    index = row["opcode_index"]
    if index >= len(codes):
        _refuse(f"an operator uses code {index} of a table of {len(codes)}")
    if row["large_custom_options_offset"] or row["large_custom_options_size"]:
        _refuse("a custom operator keeps its options outside the model")
    name, is_custom, version = codes[index]
    options, options_type = row["builtin_options"], "NONE"
    if options is not None:
        options_type = UNIONS["BuiltinOptions"][row["builtin_options_type"]]
    elif row["builtin_options_2"] is not None:
        options = row["builtin_options_2"]
        options_type = UNIONS["BuiltinOptions2"][row["builtin_options_2_type"]]
    return Operator(
        name=name,
        is_custom=is_custom,
        version=version,
        inputs=row["inputs"] or (),
        outputs=row["outputs"] or (),
        intermediates=row["intermediates"] or (),
        options_type=options_type,
        options=options or {},
    )


def _tensor(row: Mapping[str, Any], buffers: Sequence[memoryview | None]) -> Tensor:
    name = row["name"] or ""
    if not 0 <= row["type"] < len(TENSOR_TYPES):
        _refuse(f"tensor {name!r} is of type {row['type']}, which the schema does not know")
    index = row["buffer"]
    if index and index >= len(buffers):
        _refuse(f"tensor {name!r} uses buffer {index} of {len(buffers)}")
    return Tensor(
        name=name,
        shape=row["shape"] or (),
        shape_signature=row["shape_signature"] or (),
        dtype=TENSOR_TYPES[row["type"]],
        quantization=_quantization(row["quantization"]),
        data=(buffers[index] or None) if index else None,
        is_variable=bool(row["is_variable"]),
        sparsity=row["sparsity"],
        buffer=index,
    )


def _quantization(row: Mapping[str, Any] | None) -> Quantization | None:
    if row is None or row["scale"] is None or not len(row["scale"]):
        return None
    if row["zero_point"] is None:
        _refuse("a tensor has quantisation scales and no zero points")
    return Quantization(row["scale"], row["zero_point"], row["quantized_dimension"])


def _refuse(reason: str) -> NoReturn:
    raise NotATfliteModelError(f"The model file cannot be used: {reason}. Convert it again.")
