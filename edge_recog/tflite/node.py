"""An operator together with its tensors, as the rules look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from edge_recog.errors import NotATfliteModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.tflite.structure import Operator, Tensor

MAX_RANK = 8
"""Dimensions of a tensor; native kernels stop at 6 or earlier."""

_QUANTIZED_TYPES = ("int8", "uint8", "int16", "int4", "int2", "uint4")
_INTEGER_FORMATS = {"int32": "<i4", "int64": "<i8"}


class Node:
    """One operator of a graph whose wiring has been checked."""

    __slots__ = ("index", "inputs", "operator", "outputs")

    operator: Operator
    inputs: tuple[Tensor | None, ...]
    """None for optional ones that are left out."""
    outputs: tuple[Tensor, ...]

    def __init__(self, index: int, operator: Operator, tensors: Sequence[Tensor]) -> None:
        self.index = index
        self.operator = operator
        self.inputs = tuple([tensors[i] if i >= 0 else None for i in operator.inputs])
        self.outputs = tuple([tensors[i] for i in operator.outputs])

    def refuse(self, reason: str) -> NoReturn:
        """Raise NotATfliteModelError: the operator, and what is wrong with it."""
        raise NotATfliteModelError(
            f"The model is unsafe to load: operator {self.index} ({self.operator.name}) {reason}. "
            "It is damaged; copy or convert it again."
        )

    def input(self, index: int) -> Tensor:
        """Return an input that must be there."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            self.refuse(f"lacks input {index}")
        return tensor

    def optional(self, index: int) -> Tensor | None:
        """Return an input that may be left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    def option(self, name: str) -> int:
        """Return a whole number among the operator's options; 0 where it has none."""
        value = self.operator.options.get(name)
        return 0 if value is None else int(value)

    def arity(self, inputs: tuple[int, int], outputs: tuple[int, int] = (1, 1)) -> None:
        """Require the least and most numbers of inputs and outputs."""
        if not inputs[0] <= len(self.inputs) <= inputs[1]:
            self.refuse(f"has {len(self.inputs)} inputs")
        if not outputs[0] <= len(self.outputs) <= outputs[1]:
            self.refuse(f"has {len(self.outputs)} outputs")

    def options(self, type_: str) -> None:
        """Require a table of options of this type: native code divides by what is missing."""
        if self.operator.options_type != type_:
            self.refuse(f"has {self.operator.options_type} where {type_} belong")

    def constant(self, index: int) -> tuple[int, ...] | None:
        """Return the integers of a constant input in C order; None if they are computed."""
        tensor = self.input(index)
        if tensor.dtype not in _INTEGER_FORMATS:
            self.refuse(f"has {tensor.dtype} for input {index}, which must be integers")
        if tensor.data is None or tensor.is_sparse:
            return None
        return tuple(np.frombuffer(tensor.data, _INTEGER_FORMATS[tensor.dtype]).tolist())

    def same_type(self, *tensors: Tensor) -> None:
        """Require tensors to have the type of the first output."""
        for tensor in tensors:
            if tensor.dtype != self.output.dtype:
                self.refuse(f"makes {self.output.dtype} of {tensor.dtype}")

    def scaled(self, *tensors: Tensor) -> None:
        """Require one scale for each tensor of a quantised type."""
        for tensor in tensors:
            q = tensor.quantization
            if tensor.dtype in _QUANTIZED_TYPES and (q is None or q.per_channel):
                self.refuse(f"needs one scale for the {tensor.dtype} tensor {tensor.name!r}")

    def rank(self, tensor: Tensor, least: int, most: int | None = None) -> None:
        """Require a number of dimensions, none of them 0."""
        if not least <= len(tensor.shape) <= (most or least) or 0 in tensor.shape:
            self.refuse(f"cannot use tensor {tensor.name!r} of shape {list(tensor.shape)}")

    def makes(self, *shape: int, output: int = 0) -> None:
        """Require an output to have this shape, as far as it is known before the model runs."""
        actual = self.outputs[output].shape
        if actual != shape and not self.dynamic:
            self.refuse(f"has an output of shape {list(actual)}, which should be {list(shape)}")

    def axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from the front; negative ones are counted from the back."""
        if not -rank <= axis < rank:
            self.refuse(f"works along axis {axis} of {rank}")
        return axis % rank

    def broadcast(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape to which all these shapes repeat: NumPy's rule."""
        rank = max(map(len, shapes))
        result = []
        for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
            distinct = {size for size in sizes if size != 1}
            if len(distinct) > 1 and not self.dynamic:
                self.refuse(f"combines the shapes {', '.join(str(list(s)) for s in shapes)}")
            result.append(max(distinct, default=1))
        return tuple(result)

    @property
    def dynamic(self) -> bool:
        """Whether shapes beyond the batch are known only when the model runs."""
        return any(
            -1 in tensor.shape_signature[1:] or (not tensor.shape and tensor.data is None)
            for tensor in (*self.inputs, *self.outputs)
            if tensor is not None
        )
