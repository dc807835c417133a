"""The seam between this package and whatever runs a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog.tensors import TensorSpec


class Interpreter(Protocol):
    """Runs one model; holds native memory until closed. Not thread-safe: one caller at a time."""

    @property
    def runtime(self) -> str:
        """What runs the model: `ai-edge-litert 2.3.0 (XNNPACK, 1 thread)`.

        In the place of XNNPACK may stand `built-in kernels` or a delegate, e.g.
        `libedgetpu.so.1 (device=usb:0)`.
        """
        ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs, in its own order."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The model's outputs, in its own order."""
        ...

    def input_view(self, index: int = 0) -> NDArray[Any]:
        """Return a writable view of native memory, of the shape and dtype of `inputs[index]`.

        Drop it, and every slice of it, before `invoke()`: inference may move what it points at.

        Raises:
            ClosedError: The interpreter is closed.
        """
        ...

    def invoke(self) -> None:
        """Run the model on what its inputs hold. Native runtimes release the GIL meanwhile.

        Raises:
            ClosedError: The interpreter is closed.
            DelegateError: The accelerator failed, for instance because it was unplugged.
            InterpreterError: The model failed to run, or an input view is still held.
        """
        ...

    def read_output(self, index: int = 0) -> NDArray[Any]:
        """Return a copy of output `index` as the latest `invoke()` left it.

        Raises:
            ClosedError: The interpreter is closed.
        """
        ...

    def close(self) -> None:
        """Release native memory. Safe to call twice."""
        ...
