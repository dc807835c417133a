"""One implementation over the Python API that LiteRT, tflite-runtime and tf.lite share."""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.errors import ClosedError, EdgeRecogError, UnsupportedModelError
from edge_recog.interpreters.delegates import DelegateSpec, load_delegate
from edge_recog.interpreters.native_errors import loading_error, running_error
from edge_recog.interpreters.native_log import logged_native_output
from edge_recog.quantization import QuantParams
from edge_recog.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    from numpy.typing import NDArray


_logger = logging.getLogger(__name__)


class NativeInterpreter:
    """A model loaded by one of the TFLite runtimes. The methods are those of `Interpreter`."""

    def __init__(
        self,
        api: ModuleType,
        model: bytes,
        *,
        product: str,
        threads: int,
        xnnpack: bool,
        delegate: DelegateSpec | None,
        warm_up: bool,
    ) -> None:
        """Load `model`, allocate its tensors, and have it ready to answer as fast as it can.

        Args:
            api: The runtime's module with `Interpreter`, `OpResolverType` and `load_delegate`.
            model: A .tflite file. Not copied: native code reads these very bytes.
            product: Name and version of the runtime.
            threads: At least 1.
            xnnpack: Whether the runtime may hand operations to XNNPACK.
            delegate: An accelerator that chooses its operations before XNNPACK does.
            warm_up: Whether to run it once, on zeros.

        Raises:
            DelegateError: The accelerator cannot be used, or the model needs one.
            InterpreterError: The runtime rejects the model.
            UnsupportedModelError: The model needs an operation that the runtime does not have, or
                its inputs or outputs are of a kind that `TensorSpec` cannot describe.
        """
        self._delegate = delegate
        try:
            self._native = _load(api, model, threads=threads, xnnpack=xnnpack, delegate=delegate)
        except EdgeRecogError:
            raise
        except (RuntimeError, ValueError) as error:
            # A traceback would hold the frames, and they the native memory and the device.
            cause = error.with_traceback(None)
            # A ValueError is about the file: no delegate has seen the model yet.
            blamed = None if isinstance(error, ValueError) else delegate
            raise loading_error(str(error), runtime=product, delegate=blamed) from cause
        kernels = str(delegate) if delegate else _kernels(self._native, xnnpack=xnnpack)
        self.runtime = f"{product} ({kernels}, {threads} thread{'' if threads == 1 else 's'})"
        inputs, outputs = self._native.get_input_details(), self._native.get_output_details()
        self.inputs = tuple(_spec(details) for details in inputs)
        self.outputs = tuple(_spec(details) for details in outputs)
        for spec in self.inputs:
            if 0 in spec.shape or not spec.shape:
                raise UnsupportedModelError(f"input '{spec.name}' has no room for pixels: {spec}")
        self._input_views: list[Callable[[], NDArray[Any]]]
        self._input_views = [self._native.tensor(details["index"]) for details in inputs]
        self._output_indices: list[int] = [details["index"] for details in outputs]
        self.warm_up_ns: int | None = None
        """What the first inference took, if it is over by now."""
        if warm_up:
            try:
                self.warm_up_ns = self._warmed_up_ns()
            except BaseException:
                self.close()
                raise
            took_ms = self.warm_up_ns / 1e6
            _logger.info("%s: the first inference took %.1f ms", self.runtime, took_ms)

    def input_view(self, index: int = 0) -> NDArray[Any]:
        self._require_open()
        # Made anew each time (0.6 µs): the runtimes refuse to invoke while one is alive.
        return self._input_views[index]()

    def invoke(self) -> None:
        self._require_open()
        try:
            self._native.invoke()
        except (RuntimeError, ValueError) as error:
            cause = error.with_traceback(None)
            raise running_error(
                str(error), runtime=self.runtime, delegate=self._delegate
            ) from cause

    def read_output(self, index: int = 0) -> NDArray[Any]:
        self._require_open()
        copied: NDArray[Any] = self._native.get_tensor(self._output_indices[index])
        return copied

    def close(self) -> None:
        # With the last references gone CPython destroys the native interpreter at once.
        self._input_views.clear()
        self._native = None

    def _warmed_up_ns(self) -> int:
        for index in range(len(self.inputs)):
            self.input_view(index)[...] = 0
        start_ns = time.perf_counter_ns()
        self.invoke()
        return time.perf_counter_ns() - start_ns

    def _require_open(self) -> None:
        if self._native is None:
            raise ClosedError("the interpreter is closed: open another one")


def _load(
    api: ModuleType, model: bytes, *, threads: int, xnnpack: bool, delegate: DelegateSpec | None
) -> Any:
    """Return the runtime's own interpreter of `model`, ready to be invoked."""
    resolver = "BUILTIN" if xnnpack else "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
    # Outside the block below: an Edge TPU that gets its firmware takes seconds.
    delegates = [load_delegate(delegate, api)] if delegate else []
    with logged_native_output(), _without_deprecation_warning(api):
        native = api.Interpreter(
            model_content=model,
            num_threads=threads,
            experimental_op_resolver_type=api.OpResolverType[resolver],
            experimental_delegates=delegates,
        )
        native.allocate_tensors()
    _keep_alive(native, model, *delegates)
    return native


def _keep_alive(native: Any, *needed: object) -> None:
    """Hold `needed` until the C++ interpreter of `native` is destroyed.

    `native` itself holds them, but a view that someone forgot holds only the C++ object, which
    would then be destroyed after its delegate and crash.
    """
    for details in native.get_input_details():
        owner = native.tensor(details["index"])().base
        if owner is not None:  # Of a scalar the runtimes hand out a copy.
            weakref.finalize(owner, _forget, *needed).atexit = False
            return


def _forget(*_needed: object) -> None:
    """Let go of the arguments: `weakref.finalize` held them until this call."""


def _spec(details: Mapping[str, Any]) -> TensorSpec:
    """Return what a runtime's `get_input_details()` says of one tensor.

    Raises:
        UnsupportedModelError: The tensor is quantised in a way no input or output may be.
    """
    name, dtype = details["name"], np.dtype(details["dtype"]).name
    scales = details["quantization_parameters"]["scales"]
    zero_points = details["quantization_parameters"]["zero_points"]
    quantization = None
    if dtype != "float32" and len(scales) > 0:
        try:
            (scale,), (zero_point,) = scales, zero_points
            quantization = QuantParams(float(scale), int(zero_point), dtype)
        except ValueError as error:
            raise UnsupportedModelError(
                f"tensor '{name}' has quantisation no input or output can have: {error}"
            ) from error
    return TensorSpec(name, tuple(int(size) for size in details["shape"]), dtype, quantization)


def _kernels(native: Any, *, xnnpack: bool) -> str:
    """Return whose arithmetic runs: XNNPACK's, for any operation at all, or TFLite's built-in.

    Allowing XNNPACK is not using it: tflite-runtime 2.14 gives it float models only. On 8-bit
    the two differ by dozens of steps, so figures and golden vectors must tell which one it was.
    """
    with contextlib.suppress(AttributeError):  # Not of the public API.
        wrapper = native._interpreter
        nodes = (wrapper.NodeName(index) for index in range(wrapper.NumNodes()))
        xnnpack = "DELEGATE" in nodes
    return "XNNPACK" if xnnpack else "built-in kernels"


@contextlib.contextmanager
def _without_deprecation_warning(api: ModuleType) -> Iterator[None]:
    """Silence tf.lite's advice to use LiteRT: it is the fallback for when LiteRT is missing."""
    if not api.__name__.startswith("tensorflow."):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        yield
