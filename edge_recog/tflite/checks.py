"""Whether native code can load and run a model without harm.

TFLite's interpreter trusts a model in many places: a tensor that nothing computes, a graph output
of -1 or a quantised operator without a scale makes it read through a null pointer, and some shapes
that do not fit together make it write past the end of a tensor. What can be told from outside is
checked here; `tests/fuzz` measures what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from edge_recog.errors import NotATfliteModelError
from edge_recog.tflite.node import MAX_RANK, Node
from edge_recog.tflite.rules import ARITIES, RULES
from edge_recog.tflite.rules.arities import Arity, check_arity
from edge_recog.tflite.schema import TYPE_BITS
from edge_recog.tflite.sparsity import is_sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_recog.tflite.structure import Model, Operator, Subgraph, Tensor

MAX_TENSOR_BYTES = 2**30
"""Memory of the tensors that are alive at one time. A Raspberry Pi has 1 GiB or more."""
MAX_ELEMENTS = 2**31 - 1
"""Native code counts elements in 32-bit integers."""
MAX_CALL_DEPTH = 16
"""Subgraphs that call one another; native code recurses."""

_ANY_ARITY = Arity((0, 2**16), (0, 2**16))
_RANGES = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}
_LARGEST_SCALE = 1e20
_LEAST_SCALE = 1e-30
"""Products of two scales must stay within float32."""


def check_safe(model: Model) -> None:
    """Refuse a model that could crash native code, exhaust memory or never end.

    Operators without a rule in `rules.RULES`, custom ones and loops among them, are checked for
    their wiring and options only; `unchecked_operators` names them.

    Raises:
        NotATfliteModelError: It says which tensor or operator is unsafe, and why.
    """
    if not model.subgraphs:
        _refuse("it has no graph")
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            _check_tensor(tensor)
        _check_wiring(graph)
        for index, operator in enumerate(graph.operators):
            if not operator.is_custom:
                _check_operator(index, operator, graph)
    _check_calls(model)
    for signature in model.signatures:
        if signature.subgraph >= len(model.subgraphs):
            _refuse(f"signature {signature.name!r} runs graph {signature.subgraph}, which is none")
        count = len(model.subgraphs[signature.subgraph].tensors)
        for name, index in (*signature.inputs.items(), *signature.outputs.items()):
            if index >= count:
                _refuse(f"signature {signature.name!r} has {name!r} for tensor {index} of {count}")


def unchecked_operators(model: Model) -> tuple[str, ...]:
    """Return the names of operators whose shapes and options were not checked, in sorted order."""
    names = {
        operator.name
        for graph in model.subgraphs
        for operator in graph.operators
        if operator.is_custom or operator.name not in RULES
    }
    return tuple(sorted(names))


def _check_tensor(tensor: Tensor) -> None:
    """Check one tensor by itself: its shape, its quantisation and its constant."""
    name, shape, data = tensor.name, tensor.shape, tensor.data
    if len(shape) > MAX_RANK or (shape and min(shape) < 0):
        _refuse(f"tensor {name!r} has the shape {list(shape[:MAX_RANK])}")
    elements = tensor.elements
    if elements > MAX_ELEMENTS or tensor.memory_bytes > MAX_TENSOR_BYTES:
        _refuse(f"tensor {name!r} has the shape {list(shape)}, which is too large")
    signature = tensor.shape_signature
    if signature and (
        len(signature) != len(shape)
        or any(s not in (d, -1) for s, d in zip(signature, shape, strict=True))
    ):
        _refuse(f"tensor {name!r} has the shape {list(shape)}, but says {list(signature[:8])}")
    if data is not None:
        if tensor.is_variable:
            _refuse(f"tensor {name!r} is both a constant and a variable")
        if tensor.dtype == "string":
            _check_strings(tensor, data)
        elif tensor.dtype not in TYPE_BITS:
            _refuse(f"tensor {name!r} of type {tensor.dtype} is a constant")
        elif tensor.is_sparse:
            if not is_sound(tensor):
                _refuse(f"tensor {name!r} is stored without its zeros in a way that does not fit")
        elif len(data) != tensor.memory_bytes:
            _refuse(
                f"tensor {name!r} has {len(data)} bytes of data; {tensor.dtype} {list(shape)} "
                f"takes {tensor.memory_bytes}"
            )
    if tensor.quantization is not None:
        _check_quantization(tensor)


def _check_strings(tensor: Tensor, data: memoryview) -> None:
    """Check the layout of string_util.h: the count, count + 1 offsets, then the bytes."""
    count = int.from_bytes(data[:4], "little", signed=True)
    if count != tensor.elements or len(data) < 8 + 4 * count:
        _refuse(f"tensor {tensor.name!r} has {count} strings for {tensor.elements} elements")
    offsets = np.frombuffer(data, "<i4", count + 1, 4)
    if (
        offsets[0] != 8 + 4 * count
        or offsets[-1] > len(data)
        or (np.diff(offsets.astype(np.int64)) < 0).any()
    ):
        _refuse(f"tensor {tensor.name!r} has strings that lie outside it")


def _check_quantization(tensor: Tensor) -> None:
    name, q = tensor.name, tensor.quantization
    assert q is not None
    count, axis = len(q.scales), q.axis
    if len(q.zero_points) != count:
        _refuse(f"tensor {name!r} has {count} scales and {len(q.zero_points)} zero points")
    if axis < 0 or axis >= max(len(tensor.shape), 1):
        _refuse(f"tensor {name!r} is quantised along axis {axis}, which it does not have")
    if count == 1:
        lowest = highest = float(q.scales[0])
        low = high = int(q.zero_points[0])
    else:
        if not tensor.shape or count != tensor.shape[axis]:
            _refuse(f"tensor {name!r} has {count} scales, which does not fit {list(tensor.shape)}")
        lowest, highest = float(q.scales.min()), float(q.scales.max())
        low, high = int(q.zero_points.min()), int(q.zero_points.max())
    # NaN fails both comparisons.
    if not (lowest >= _LEAST_SCALE and highest <= _LARGEST_SCALE):
        _refuse(f"tensor {name!r} has a scale that is not a usable positive number")
    least, greatest = _RANGES.get(tensor.dtype, (-(2**31), 2**31 - 1))
    if low < least or high > greatest:
        _refuse(f"tensor {name!r} has a zero point outside the range of {tensor.dtype}")


def _check_wiring(graph: Subgraph) -> None:
    """Check that every value is computed once, before it is used, and that all fit in memory."""
    tensors, count = graph.tensors, len(graph.tensors)
    last_use = dict.fromkeys(graph.outputs, len(graph.operators))
    ready = {index for index, t in enumerate(tensors) if t.data is not None or t.is_variable}
    for index in graph.inputs:
        if not 0 <= index < count or index in ready:
            _refuse(f"graph input {index} is none of its {count} tensors, or has a value already")
        ready.add(index)
        last_use[index] = len(graph.operators)
    for place, operator in enumerate(graph.operators):
        for index in operator.inputs:
            if index != -1 and index not in ready:
                _refuse(f"operator {place} ({operator.name}) uses tensor {index} before it exists")
            last_use[index] = max(place, last_use.get(index, 0))
        for index in operator.intermediates:
            if not 0 <= index < count:
                _refuse(f"operator {place} ({operator.name}) uses tensor {index} of {count}")
        for index in operator.outputs:
            if not 0 <= index < count or index in ready:
                _refuse(f"operator {place} ({operator.name}) computes tensor {index} again")
            ready.add(index)
    for index in graph.outputs:
        if index not in ready:
            _refuse(f"graph output {index} is computed by no operator")
    if _peak_bytes(graph, last_use) > MAX_TENSOR_BYTES:
        _refuse(f"running it takes more than {MAX_TENSOR_BYTES >> 20} MiB")


def _peak_bytes(graph: Subgraph, last_use: dict[int, int]) -> int:
    """Return the most memory that computed tensors and inputs take at one time."""
    sizes = [0 if tensor.data is not None else tensor.memory_bytes for tensor in graph.tensors]
    alive = sum(sizes[index] for index in graph.inputs)
    alive += sum(size for size, t in zip(sizes, graph.tensors, strict=True) if t.is_variable)
    peak = alive
    ending: dict[int, list[int]] = {}
    for index, place in last_use.items():
        ending.setdefault(place, []).append(index)
    for place, operator in enumerate(graph.operators):
        alive += sum(sizes[index] for index in operator.outputs)
        peak = max(peak, alive + sum(sizes[index] for index in operator.intermediates))
        alive -= sum(sizes[index] for index in ending.get(place, ()) if index >= 0 and sizes[index])
        alive -= sum(sizes[index] for index in operator.outputs if index not in last_use)
    return peak


def _check_operator(index: int, operator: Operator, graph: Subgraph) -> None:
    """Check an operator against its rule, or what is known of it without one."""
    if operator.version < 1:
        _refuse(f"operator {index} ({operator.name}) has version {operator.version}")
    node = Node(index, operator, graph.tensors)
    rule = RULES.get(operator.name)
    if rule is not None:
        rule(node)
    else:
        check_arity(node, ARITIES.get(operator.name, _ANY_ARITY))


def _called(operator: Operator) -> Iterator[int]:
    """Yield the subgraphs an operator runs."""
    for name, value in operator.options.items():
        if name == "subgraph" or name.endswith("subgraph_index"):
            yield value
        elif name in ("branch_subgraph_indices", "called_computations"):
            yield from value or ()


def _check_calls(model: Model) -> None:
    """Check that subgraphs call existing ones and never themselves, however indirectly."""
    count = len(model.subgraphs)
    calls: list[set[int]] = []
    for graph in model.subgraphs:
        called = set()
        for operator in graph.operators:
            for index in _called(operator):
                if not 0 < index < count:
                    _refuse(f"{operator.name} runs graph {index} of {count}")
                called.add(index)
                _check_call(operator, model.subgraphs[index])
        calls.append(called)
    for _ in range(MAX_CALL_DEPTH):
        # Remove those that call nothing any more, until none is left.
        leaves = {index for index, called in enumerate(calls) if not called}
        if len(leaves) == count:
            return
        calls = [called - leaves for called in calls]
    _refuse("its graphs run one another in a circle, or too deep")


def _check_call(operator: Operator, graph: Subgraph) -> None:
    """Check that control flow hands a subgraph as many values as it takes."""
    wanted: Sequence[int] | None = None
    if operator.name == "IF":
        wanted = operator.inputs[1:]
    elif operator.name in ("WHILE", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE"):
        wanted = operator.inputs
    if wanted is not None and len(wanted) != len(graph.inputs):
        _refuse(
            f"{operator.name} hands {len(wanted)} values to a graph of {len(graph.inputs)} inputs"
        )


def _refuse(reason: str) -> NoReturn:
    raise NotATfliteModelError(
        f"The model is unsafe to load: {reason}. It is damaged; copy or convert it again."
    )
