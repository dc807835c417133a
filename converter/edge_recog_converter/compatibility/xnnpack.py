"""How much of a model XNNPACK computes, asked of the interpreter that loaded it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from edge_recog.archive import split_archive
from edge_recog.interpreters import open_interpreter
from edge_recog.tflite import read_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_DELEGATE: Final = "DELEGATE"


class XnnpackOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of the model as it is in the file."""

    index: int
    """Place in the order of execution, from 0."""
    name: str
    """The schema's name, such as `CONV_2D`."""
    taken: bool
    """Whether XNNPACK computes it; the others are left to TFLite's built-in kernels."""


class XnnpackShare(msgspec.Struct, frozen=True, kw_only=True):
    """What XNNPACK took of a model."""

    runtime: str
    """The interpreter that was asked, and its version: another may take more or less."""
    operators: tuple[XnnpackOperator, ...]
    """In the order of execution."""
    parts: int
    """Pieces of the graph that it took; each boundary between them costs a hand-over."""

    @property
    def taken(self) -> int:
        return sum(operator.taken for operator in self.operators)

    @property
    def total(self) -> int:
        return len(self.operators)

    @property
    def left(self) -> dict[str, int]:
        """How many of each kind of operator it left, by name."""
        return dict(Counter(operator.name for operator in self.operators if not operator.taken))


def xnnpack_takes(tflite: bytes, *, backend: str = "auto") -> XnnpackShare:
    """Load a model with one thread and return which of its operators XNNPACK computes.

    An interpreter lists the operators of the file first, those that were taken included, and then
    a DELEGATE for each part that was taken. It does not tell which operators went into which:
    these are the ones that lead from a part's inputs to its outputs.

    Args:
        tflite: A .tflite file.
        backend: As for `edge_recog.interpreters.open_interpreter`.

    Raises:
        NotATfliteModelError: It is not a TFLite model, or is unsafe to load.
        InterpreterError: No runtime is installed, or it rejects the model.
        UnsupportedModelError: The model needs an operation that the runtime does not have.
    """
    read_model(split_archive(tflite)[0])
    interpreter = open_interpreter(tflite, backend=backend, xnnpack=True)
    try:
        runtime = interpreter.runtime
        # Of no public API, but the same in LiteRT, tflite-runtime and tf.lite.
        nodes = cast("Any", interpreter)._native._get_ops_details()
    finally:
        interpreter.close()
    parts = [node for node in nodes if node["op_name"] == _DELEGATE]
    plain = [node for node in nodes if node["op_name"] != _DELEGATE]
    taken = {index for part in parts for index in _members(part, plain)}
    return XnnpackShare(
        runtime=runtime,
        operators=tuple(
            XnnpackOperator(index=index, name=node["op_name"], taken=index in taken)
            for index, node in enumerate(plain)
        ),
        parts=len(parts),
    )


def _members(part: Mapping[str, Any], plain: Sequence[Mapping[str, Any]]) -> set[int]:
    """Return places in `plain` of the operators that lead from a part's inputs to its outputs."""
    makers = {
        tensor: index for index, node in enumerate(plain) for tensor in _ints(node["outputs"])
    }
    inputs, found = set(_ints(part["inputs"])), set[int]()
    waiting = list(_ints(part["outputs"]))
    while waiting:
        tensor = waiting.pop()
        index = makers.get(tensor)
        if index is None or index in found or tensor in inputs:
            continue
        found.add(index)
        waiting.extend(_ints(plain[index]["inputs"]))
    return found


def _ints(tensors: Iterable[Any]) -> list[int]:
    return [int(tensor) for tensor in tensors]
