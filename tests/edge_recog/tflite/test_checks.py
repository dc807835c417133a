"""What makes a whole model unsafe: tensors, wiring, memory and graphs that call graphs."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from edge_recog.errors import NotATfliteModelError
from edge_recog.tflite import read_model
from edge_recog.tflite.schema import OPERATORS, TENSOR_TYPES, UNIONS

Build = Callable[..., bytes]
Row = dict[str, Any]


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        ({"shape": [1, -4]}, "has the shape"),
        ({"shape": [1] * 9}, "has the shape"),
        ({"shape": [2**16, 2**16]}, "too large"),
        ({"shape": [2**29]}, "too large"),
        ({"shape": [1, 4], "shape_signature": [-1, 5]}, "but says"),
        ({"shape": [1, 4], "shape_signature": [4]}, "but says"),
        ({"shape": [2], "buffer": 1}, "has 4 bytes of data"),
        ({"shape": [1], "buffer": 1, "is_variable": True}, "constant and a variable"),
        ({"shape": [1], "buffer": 1, "type": TENSOR_TYPES.index("resource")}, "is a constant"),
        ({"shape": [1], "buffer": 1, "type": TENSOR_TYPES.index("string")}, "strings"),
        ({"shape": [1], "buffer": 1, "sparsity": {"traversal_order": [0]}}, "without its zeros"),
        ({"quantization": {"scale": [0.0], "zero_point": [0]}}, "usable positive"),
        ({"quantization": {"scale": [float("nan")], "zero_point": [0]}}, "usable positive"),
        ({"quantization": {"scale": [float("inf")], "zero_point": [0]}}, "usable positive"),
        ({"quantization": {"scale": [1.0], "zero_point": [0, 0]}}, "2 zero points"),
        (
            {"quantization": {"scale": [1.0], "zero_point": [0], "quantized_dimension": 2}},
            "along axis 2",
        ),
        ({"quantization": {"scale": [1.0, 2.0], "zero_point": [0, 0]}}, "does not fit"),
        ({"type": 9, "quantization": {"scale": [1.0], "zero_point": [128]}}, "zero point"),
        ({"type": 3, "quantization": {"scale": [1.0], "zero_point": [-1]}}, "zero point"),
    ],
)
def test_an_unsafe_tensor_is_refused(build: Build, adder: Row, tensor: Row, reason: str) -> None:
    adder["subgraphs"][0]["tensors"].append({"name": "z", "shape": [1, 4]} | tensor)
    with pytest.raises(NotATfliteModelError, match=reason):
        read_model(build("Model", adder))


def test_strings_must_lie_within_their_constant(build: Build, adder: Row) -> None:
    adder["subgraphs"][0]["tensors"].append({"shape": [2], "type": 5, "buffer": 2})
    adder["buffers"].append({"data": struct.pack("<4i", 2, 16, 17, 19) + b"abc"})
    read_model(build("Model", adder))
    for offsets in ((2, 16, 17, 20), (2, 12, 17, 19), (2, 16, 15, 19)):
        adder["buffers"][2] = {"data": struct.pack("<4i", *offsets) + b"abc"}
        with pytest.raises(NotATfliteModelError, match="outside it"):
            read_model(build("Model", adder))


@pytest.mark.parametrize(
    ("where", "key", "value", "reason"),
    [
        ("graph", "inputs", [3], "graph input 3"),
        ("graph", "inputs", [-1], "graph input -1"),
        ("graph", "inputs", [1], "graph input 1"),
        ("graph", "inputs", [0, 0], "graph input 0"),
        ("graph", "inputs", [], "uses tensor 0 before it exists"),
        ("graph", "outputs", [-1], "graph output -1"),
        ("graph", "outputs", [3], "graph output 3"),
        ("graph", "operators", [], "graph output 2 is computed by no operator"),
        ("operator", "inputs", [0, 7], "uses tensor 7"),
        ("operator", "inputs", [0, 2], "before it exists"),
        ("operator", "outputs", [-1], "computes tensor -1"),
        ("operator", "outputs", [0], "computes tensor 0 again"),
        ("operator", "outputs", [1], "computes tensor 1 again"),
        ("operator", "intermediates", [9], "uses tensor 9"),
        ("operator", "inputs", [-1, 1], "lacks input 0"),
    ],
)
def test_unsafe_wiring_is_refused(
    build: Build, adder: Row, where: str, key: str, value: object, reason: str
) -> None:
    graph = adder["subgraphs"][0]
    (graph if where == "graph" else graph["operators"][0])[key] = value
    with pytest.raises(NotATfliteModelError, match=reason):
        read_model(build("Model", adder))


def _chain(shapes: list[list[int]], outputs: list[int]) -> Row:
    """Return a model that broadcasts a scalar to one shape after another."""
    codes = [{"builtin_code": OPERATORS.index("BROADCAST_TO")}]
    buffers: list[Row] = [{}]
    tensors: list[Row] = [{"shape": [1]}]
    operators = []
    for index, shape in enumerate(shapes):
        buffers.append({"data": struct.pack(f"<{len(shape)}i", *shape)})
        tensors.append({"shape": [len(shape)], "type": 2, "buffer": len(buffers) - 1})
        tensors.append({"shape": shape})
        operators.append({"inputs": [0, 2 * index + 1], "outputs": [2 * index + 2]})
    graph = {"tensors": tensors, "inputs": [0], "outputs": outputs, "operators": operators}
    return {"version": 3, "operator_codes": codes, "buffers": buffers, "subgraphs": [graph]}


def test_memory_is_counted_for_what_is_alive_at_one_time(build: Build) -> None:
    half = [2**27 - 2**20]
    read_model(build("Model", _chain([half, half, half], [6])))
    with pytest.raises(NotATfliteModelError, match="takes more than 1024 MiB"):
        read_model(build("Model", _chain([half, half, half], [2, 4, 6])))


def _caller(name: str, options: str, values: Row, *, inputs: list[int]) -> Row:
    """Return a model whose operator runs its second graph, which passes its input on."""
    return {
        "version": 3,
        "operator_codes": [{"builtin_code": OPERATORS.index(name)}],
        "buffers": [{}],
        "subgraphs": [
            {
                "tensors": [{"shape": [1], "type": 6}, {"shape": [4]}, {"shape": [4]}],
                "inputs": [0, 1],
                "outputs": [2],
                "operators": [
                    {
                        "inputs": inputs,
                        "outputs": [2],
                        "builtin_options_type": UNIONS["BuiltinOptions"].index(options),
                        "builtin_options": values,
                    }
                ],
            },
            {"tensors": [{"shape": [4]}], "inputs": [0], "outputs": [0], "operators": []},
        ],
    }


def _if(then: int = 1, other: int = 1) -> Row:
    values = {"then_subgraph_index": then, "else_subgraph_index": other}
    return _caller("IF", "IfOptions", values, inputs=[0, 1])


def test_control_flow_is_accepted(build: Build) -> None:
    read_model(build("Model", _if()))
    loop = {"cond_subgraph_index": 1, "body_subgraph_index": 1}
    read_model(build("Model", _caller("WHILE", "WhileOptions", loop, inputs=[1])))


@pytest.mark.parametrize("index", [-1, 0, 2])
def test_control_flow_must_run_another_graph(build: Build, index: int) -> None:
    with pytest.raises(NotATfliteModelError, match=f"IF runs graph {index} of 2"):
        read_model(build("Model", _if(other=index)))


def test_control_flow_must_hand_over_what_the_graph_takes(build: Build) -> None:
    model = _if()
    model["subgraphs"][1].update(inputs=[], tensors=[{"shape": [4], "is_variable": True}])
    with pytest.raises(NotATfliteModelError, match="hands 1 values to a graph of 0 inputs"):
        read_model(build("Model", model))


def test_graphs_that_run_one_another_in_a_circle_are_refused(build: Build) -> None:
    model = _if()
    model["subgraphs"].append(model["subgraphs"][0] | {})
    first = model["subgraphs"][0]["operators"][0]
    circle = {
        "tensors": [{"shape": [1], "type": 6, "is_variable": True}, {"shape": [4]}, {"shape": [4]}],
        "inputs": [1],
        "outputs": [2],
        "operators": [first | {"builtin_options": {"then_subgraph_index": 2}}],
    }
    circle["operators"][0]["builtin_options"]["else_subgraph_index"] = 1
    model["subgraphs"][2] = circle
    with pytest.raises(NotATfliteModelError, match="circle"):
        read_model(build("Model", model))


def test_branches_named_in_a_list_are_followed(build: Build) -> None:
    model = _if()
    operator = model["subgraphs"][0]["operators"][0]
    model["operator_codes"] = [{"builtin_code": OPERATORS.index("STABLEHLO_CASE")}]
    operator.update(
        builtin_options_type=None,
        builtin_options=None,
        builtin_options_2_type=UNIONS["BuiltinOptions2"].index("StablehloCaseOptions"),
        builtin_options_2={"branch_subgraph_indices": [1, 5]},
    )
    with pytest.raises(NotATfliteModelError, match="runs graph 5"):
        read_model(build("Model", model))


def _level(segments: list[int], indices: list[int]) -> Row:
    return {
        "format": 1,
        "array_segments_type": 1,
        "array_segments": {"values": segments},
        "array_indices_type": 3,
        "array_indices": {"values": indices},
    }


_DENSE = {"format": 0, "dense_size": 4}
_SPARSE = {
    "traversal_order": [0, 1, 2],
    "block_map": [1],
    "dim_metadata": [_DENSE, _level([0, 1, 1, 3, 3], [1, 0, 1]), {"format": 0, "dense_size": 2}],
}


def _sparse(adder: Row, sparsity: Row, size: int = 24) -> Row:
    """Add a constant of shape (4, 4) with three blocks of 1 x 2 that are not zero."""
    adder["buffers"].append({"data": bytes(size)})
    adder["subgraphs"][0]["tensors"].append({"shape": [4, 4], "buffer": 2, "sparsity": sparsity})
    return adder


def test_a_sparse_constant_is_accepted(build: Build, adder: Row) -> None:
    tensor = read_model(build("Model", _sparse(adder, _SPARSE))).main.tensors[3]
    assert tensor.is_sparse
    assert tensor.constant_bytes == 24


@pytest.mark.parametrize(
    "sparsity",
    [
        {"dim_metadata": None},
        {"traversal_order": [0, 1]},
        {"traversal_order": [0, 0, 2]},
        {"traversal_order": [0, 1, 3]},
        {"block_map": [1, 0]},
        {"block_map": [2]},
        {"dim_metadata": [_DENSE, _level([0, 1, 1, 3, 3], [1, 0, 1]), _DENSE]},
        {"dim_metadata": [_DENSE | {"dense_size": 5}, *_SPARSE["dim_metadata"][1:]]},
        {"dim_metadata": [_DENSE, _level([0, 1, 1, 3], [1, 0, 1]), _SPARSE["dim_metadata"][2]]},
        {"dim_metadata": [_DENSE, _level([0, 2, 1, 3, 3], [1, 0, 1]), _SPARSE["dim_metadata"][2]]},
        {"dim_metadata": [_DENSE, _level([0, 1, 1, 3, 3], [1, 0, 2]), _SPARSE["dim_metadata"][2]]},
        {"dim_metadata": [_DENSE, {"format": 1}, _SPARSE["dim_metadata"][2]]},
        {"dim_metadata": [_DENSE, _level([0] * 4 + [64], [0] * 64), _SPARSE["dim_metadata"][2]]},
        {
            "dim_metadata": [
                _DENSE,
                _level([0, 1, 1, 3, 3], [1, 0, 1]) | {"array_segments": {}},
                _SPARSE["dim_metadata"][2],
            ]
        },
    ],
)
def test_an_unsound_sparse_constant_is_refused(build: Build, adder: Row, sparsity: Row) -> None:
    with pytest.raises(NotATfliteModelError, match="without its zeros"):
        read_model(build("Model", _sparse(adder, _SPARSE | sparsity)))


def test_a_sparse_constant_must_have_a_value_for_each_place(build: Build, adder: Row) -> None:
    with pytest.raises(NotATfliteModelError, match="without its zeros"):
        read_model(build("Model", _sparse(adder, _SPARSE, size=20)))
