"""What the Edge TPU compiler would map, told from the file without the compiler.

The compiler is closed and runs on x86-64 Linux only, and its answer comes after the model is
trained. This check knows what is documented (`rules`) and nothing more: it can be wrong either way,
and the compiler has the last word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from edge_recog.archive import split_archive
from edge_recog.bundle import needs_edgetpu
from edge_recog.errors import UsageError
from edge_recog.tflite import read_model
from edge_recog.tflite.node import Node
from edge_recog_converter.compatibility.rules import EIGHT_BITS, UNCHECKED, limitation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_recog.tflite import Subgraph

ON_CHIP_BYTES: Final = 8_000_000
"""About what the Edge TPU has for parameters: "roughly 8 MB of SRAM",
https://coral.ai/docs/edgetpu/compiler/#parameter-data-caching

The compiled program lies there too: of one model the compiler kept 6.9 MiB of parameters and had
1 KiB left, https://github.com/google-coral/edgetpu/issues/512.
"""

_ADVICE: Final = {
    "HARD_SWISH": "Build the model with ReLU6 instead",
    "LEAKY_RELU": "Build the model with ReLU or ReLU6 instead",
    "ELU": "Build the model with ReLU or ReLU6 instead",
    "GELU": "Build the model with ReLU or ReLU6 instead",
    "TRANSPOSE": "Export the model with channels last, so that nothing is transposed",
    "DEQUANTIZE": "Quantise the whole model to 8-bit integers",
}
_CHANGE: Final = (
    "Replace it by an operator that is mapped, the nearer to the input the more it matters"
)


class EdgeTpuOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator, and where it would run."""

    index: int
    """Place in the order of execution, from 0."""
    name: str
    """The schema's name, such as `CONV_2D`."""
    mapped: bool
    reason: str
    """Why it would run on the CPU, without its subject; empty if it is mapped."""
    checked: bool
    """Whether the rules for such operators were checked against documentation."""


class EdgeTpuMapping(msgspec.Struct, frozen=True, kw_only=True):
    """What the Edge TPU compiler would do with a model."""

    operators: tuple[EdgeTpuOperator, ...]
    """In the order of execution."""
    breaks_at: EdgeTpuOperator | None
    """The operator after which everything runs on the CPU; None if nothing does.

    A QUANTIZE of real numbers at the input and a DEQUANTIZE at the output stay on the CPU and break
    nothing.
    """
    open_batch: bool
    """Whether the batch size is left open (-1). The compiler wants constant sizes: fix it at 1."""
    parameters_bytes: int
    """Constants of the mapped operators, as they are in the file; each once."""

    @property
    def mapped(self) -> int:
        return sum(operator.mapped for operator in self.operators)

    @property
    def unmapped(self) -> int:
        return len(self.operators) - self.mapped

    @property
    def fits_on_chip(self) -> bool:
        """Whether the parameters are below `ON_CHIP_BYTES`, which is not exact."""
        return self.parameters_bytes <= ON_CHIP_BYTES


def edge_tpu_mapping(tflite: bytes) -> EdgeTpuMapping:
    """Return which operators of a model the Edge TPU compiler would map.

    It maps one part of the graph, from the input up to the first operator that it cannot map, and
    leaves that one and all that run after it to the CPU:
    https://coral.ai/docs/edgetpu/models-intro/#compiling

    Raises:
        NotATfliteModelError: It is not a TFLite model, or is unsafe to load.
        UsageError: The model is compiled for the Edge TPU already.
    """
    model = read_model(split_archive(tflite)[0])
    if needs_edgetpu(model):
        raise UsageError(
            "the model is compiled for the Edge TPU already: check the file it was compiled from"
        )
    graph = model.main
    nodes = [Node(index, op, graph.tensors) for index, op in enumerate(graph.operators)]
    operators: list[EdgeTpuOperator] = []
    breaks_at: EdgeTpuOperator | None = None
    for node in nodes:
        reason = limitation(node)
        converts = _converts_boundary(node, graph)
        if converts:
            reason = "converts real numbers, which the CPU does"
        elif not reason and breaks_at is not None:
            reason = f"runs after operator {breaks_at.index} ({breaks_at.name})"
        operator = EdgeTpuOperator(
            index=node.index,
            name=node.operator.name,
            mapped=not reason,
            reason=reason,
            checked=node.operator.name not in UNCHECKED,
        )
        operators.append(operator)
        if reason and not converts and breaks_at is None:
            breaks_at = operator
    mapped = [node for node, operator in zip(nodes, operators, strict=True) if operator.mapped]
    return EdgeTpuMapping(
        operators=tuple(operators),
        breaks_at=breaks_at,
        open_batch=any(-1 in graph.tensors[i].shape_signature[:1] for i in graph.inputs),
        parameters_bytes=_parameters_bytes(mapped),
    )


def say(mapping: EdgeTpuMapping) -> str:
    """Return one sentence or two for people: what is mapped, what is not, and what to do."""
    count = len(mapping.operators)
    first = mapping.breaks_at
    if first is None:
        text = f"The Edge TPU compiler should map {_of(mapping.mapped, count)}"
        if mapping.unmapped:
            text += f"; the CPU converts real numbers in {mapping.unmapped}"
        if not mapping.fits_on_chip:
            megabytes = mapping.parameters_bytes / 1e6
            return (
                f"{text}. Its parameters of {megabytes:.1f} MB exceed the about 8 MB on the chip "
                "and will be fetched for every picture: a narrower model would be faster."
            )
        if mapping.open_batch:
            return f"{text}. Its batch size is open: export the model with a batch of 1."
        return f"{text}."
    what = f"operator {first.index} ({first.name}) {first.reason}"
    return (
        f"The Edge TPU compiler would map {_of(mapping.mapped, count)} and leave the rest to the "
        f"CPU: {what}. {_advice(first)}."
    )


def _of(mapped: int, count: int) -> str:
    if mapped == count:
        return f"all {count} operators"
    return f"{mapped or 'none'} of {count} operators"


def _advice(operator: EdgeTpuOperator) -> str:
    if "8-bit" in operator.reason:
        return "Quantise the whole model to 8-bit integers"
    return _ADVICE.get(operator.name, _CHANGE)


def _converts_boundary(node: Node, graph: Subgraph) -> bool:
    """Tell whether an operator makes 8-bit numbers of a real input, or a real output of them.

    https://coral.ai/docs/edgetpu/models-intro/#float-input-and-output-tensors
    """
    name, (source, *_), (result, *_) = node.operator.name, node.inputs, node.outputs
    if source is None:
        return False
    if name == "QUANTIZE":
        is_boundary = node.operator.inputs[0] in graph.inputs
        return is_boundary and source.dtype == "float32" and result.dtype in EIGHT_BITS
    if name == "DEQUANTIZE":
        is_boundary = _is_only_output(node.operator.outputs, graph)
        return is_boundary and source.dtype in EIGHT_BITS and source.data is None
    return False


def _is_only_output(tensors: Sequence[int], graph: Subgraph) -> bool:
    """Tell whether tensors are outputs of the graph that nothing in it reads."""
    is_read = any(set(tensors) & set(operator.inputs) for operator in graph.operators)
    return set(tensors) <= set(graph.outputs) and not is_read


def _parameters_bytes(nodes: Iterable[Node]) -> int:
    sizes = {
        tensor.buffer: tensor.constant_bytes
        for node in nodes
        for tensor in node.inputs
        if tensor is not None and tensor.data is not None
    }
    return sum(sizes.values())
