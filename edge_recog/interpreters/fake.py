"""An interpreter without a model, for tests of the code around it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.errors import ClosedError, InterpreterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge_recog.tensors import TensorSpec


class FakeInterpreter:
    """Answers with what it was told to, and is as strict as the real ones about how it is used.

    ```python
    FakeInterpreter([image], [scores], [np.array([[0.1, 0.9]], np.float32)])
    FakeInterpreter([image], [scores], lambda pixels: [pixels.mean(axis=(1, 2))])
    ```
    """

    def __init__(
        self,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        answer: Sequence[NDArray[Any]] | Callable[..., Sequence[NDArray[Any]]],
        *,
        runtime: str = "fake",
    ) -> None:
        """Take what to answer.

        Args:
            inputs: What `input_view` hands out, zeros at first.
            outputs: What `read_output` returns.
            answer: The outputs of every `invoke()`, or what computes them from the inputs.
            runtime: What to say of itself.
        """
        self.runtime = runtime
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.invocations = 0
        """How often `invoke()` succeeded."""
        self.closed = False
        self._answer = answer
        self._buffers = [np.zeros(spec.shape, spec.dtype) for spec in inputs]
        self._results: list[NDArray[Any]] = [np.zeros(spec.shape, spec.dtype) for spec in outputs]

    def input_view(self, index: int = 0) -> NDArray[Any]:
        self._require_open()
        return self._buffers[index].view()

    def invoke(self) -> None:
        """Compute the outputs.

        Raises:
            ValueError: The answer is not of the shapes and dtypes of `outputs`.
        """
        self._require_open()
        for index in range(len(self._buffers)):
            # The list and this call's argument; every view is one more, as in the runtimes.
            if sys.getrefcount(self._buffers[index]) > 2:
                raise InterpreterError(
                    "a view of the interpreter's memory is still held: drop it first"
                )
        copies = [buffer.copy() for buffer in self._buffers]
        answer = self._answer(*copies) if callable(self._answer) else self._answer
        results = [np.array(result) for result in answer]
        given = [(result.shape, result.dtype.name) for result in results]
        wanted = [(spec.shape, spec.dtype) for spec in self.outputs]
        if given != wanted:
            raise ValueError(f"the answer is {given}, but the outputs are {wanted}")
        self._results = results
        self.invocations += 1

    def read_output(self, index: int = 0) -> NDArray[Any]:
        self._require_open()
        return self._results[index].copy()

    def close(self) -> None:
        self.closed = True

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedError("the interpreter is closed: open another one")
