"""What a TFLite model is made of, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_recog.errors import UnsupportedModelError
from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec
from edge_recog.tflite.schema import TYPE_BITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_BOUNDARY_TYPES = ("uint8", "int8", "int16", "int32", "float32")


@dataclass(frozen=True, slots=True, eq=False)
class Quantization:
    """Affine quantisation of a tensor, as a whole or along one axis."""

    scales: NDArray[Any]
    """float32, (1,) for the whole tensor or (shape[axis],)."""
    zero_points: NDArray[Any]
    """int64, as many as there are scales."""
    axis: int
    """The dimension that scales belong to where there are several."""

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value of the graph: an input, a constant or something computed."""

    name: str
    """As written in the model; may be empty."""
    shape: tuple[int, ...]
    """Dimensions when the model is loaded; unknown ones stand here as 1."""
    shape_signature: tuple[int, ...]
    """As `shape`, with -1 for unknown dimensions; empty where the model has none."""
    dtype: str
    """NumPy's name, or `string`, `resource`, `variant`, `int4`, `int2`, `uint4`, `bfloat16`, …"""
    quantization: Quantization | None
    """None for tensors of real numbers and plain integers."""
    data: memoryview | None
    """Bytes of a constant, little-endian, in C order; None if it is no constant."""
    is_variable: bool
    """Keeps its value from one run to the next."""
    sparsity: Mapping[str, Any] | None
    """How a constant is stored without its zeros: the schema's `SparsityParameters`."""
    buffer: int
    """Index of the model's buffer that holds the constant; 0 if there is none."""

    @property
    def is_sparse(self) -> bool:
        return self.sparsity is not None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def constant_bytes(self) -> int:
        """Bytes of a constant; 0 for other tensors."""
        return 0 if self.data is None else len(self.data)

    @property
    def memory_bytes(self) -> int:
        """Bytes the tensor needs at run time; 0 for types without a fixed size."""
        return (self.elements * TYPE_BITS.get(self.dtype, 0) + 7) // 8

    def quant_params(self) -> QuantParams | None:
        """Return how integers stand for real numbers; None for other tensors.

        Raises:
            UnsupportedModelError: The quantisation is per channel, of a type that
                `QuantParams` does not know, or has an impossible zero point.
        """
        q = self.quantization
        if q is None:
            return None
        if q.per_channel:
            raise UnsupportedModelError(
                f"Tensor {self.name!r} is quantised per channel; inputs and outputs of a "
                "classifier are quantised as a whole."
            )
        try:
            return QuantParams(float(q.scales[0]), int(q.zero_points[0]), self.dtype)
        except ValueError as error:
            raise UnsupportedModelError(f"Tensor {self.name!r}: {error}.") from error

    def spec(self) -> TensorSpec:
        """Return what the tensor looks like at the model's boundary.

        Raises:
            UnsupportedModelError: Its type or quantisation cannot be fed or read, or a dimension
                is 0.
        """
        if self.dtype not in _BOUNDARY_TYPES:
            raise UnsupportedModelError(
                f"Tensor {self.name!r} is of type {self.dtype}; inputs and outputs must be one of "
                f"{', '.join(_BOUNDARY_TYPES)}."
            )
        if 0 in self.shape:
            raise UnsupportedModelError(
                f"Tensor {self.name!r} is empty: its shape is {self.shape}."
            )
        params = None if self.dtype == "float32" else self.quant_params()
        return TensorSpec(self.name, self.shape, self.dtype, params)


@dataclass(frozen=True, slots=True)
class Operator:
    """One step of the graph."""

    name: str
    """The schema's name such as `CONV_2D`, or the name of a custom operator."""
    is_custom: bool
    version: int
    """Version of the operator; tells which runtimes can load it. ≥ 1."""
    inputs: tuple[int, ...]
    """Indices into the subgraph's tensors; -1 for an optional one that is left out."""
    outputs: tuple[int, ...]
    """Indices into the subgraph's tensors."""
    intermediates: tuple[int, ...]
    """Tensors for internal use, of LSTMs for example."""
    options_type: str
    """Name of the options' table, such as `Conv2DOptions`; `NONE` if there are none."""
    options: Mapping[str, Any]
    """Fields of that table by name; empty if there are none."""


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A graph; the first one of a model is what runs, others are bodies of control flow."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    """Indices into `tensors`."""
    outputs: tuple[int, ...]
    """Indices into `tensors`."""
    operators: tuple[Operator, ...]
    """In the order in which they run."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A named entry point of the model."""

    name: str
    subgraph: int
    """Index into the model's subgraphs."""
    inputs: Mapping[str, int]
    """Index into the subgraph's tensors by argument name."""
    outputs: Mapping[str, int]
    """Index into the subgraph's tensors by result name."""


@dataclass(frozen=True, slots=True)
class Model:
    """A TFLite model, read and found safe to load."""

    version: int
    """Schema version; always 3."""
    description: str
    subgraphs: tuple[Subgraph, ...]
    """At least one."""
    buffers: int
    """How many buffers the model has, the empty one at index 0 included."""
    metadata: Mapping[str, memoryview]
    """Metadata buffers by name, such as `TFLITE_METADATA`."""
    signatures: tuple[Signature, ...]

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs."""
        return self.subgraphs[0]

    @property
    def signature_names(self) -> tuple[str, ...]:
        return tuple(signature.name for signature in self.signatures)

    def input_specs(self) -> tuple[TensorSpec, ...]:
        """Return the main subgraph's inputs, in order.

        Raises:
            UnsupportedModelError: One of them cannot be fed.
        """
        return tuple(self.main.tensors[index].spec() for index in self.main.inputs)

    def output_specs(self) -> tuple[TensorSpec, ...]:
        """Return the main subgraph's outputs, in order.

        Raises:
            UnsupportedModelError: One of them cannot be read.
        """
        return tuple(self.main.tensors[index].spec() for index in self.main.outputs)
