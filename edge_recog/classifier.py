"""The classifier: a frame in, labels with scores out."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from edge_recog.bundle import Bundle
from edge_recog.errors import (
    ClosedError,
    DelegateError,
    FrameError,
    InterpreterError,
    UnsupportedModelError,
    located,
)
from edge_recog.frames import Frame
from edge_recog.interpreters import DelegateSpec, Interpreter, open_interpreter
from edge_recog.interpreters.twins import Twins, uncompiled_path
from edge_recog.models import default_model
from edge_recog.outputs import OutputReader
from edge_recog.predictions import Classification, Timings

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

_logger = logging.getLogger(__name__)


class Classifier:
    """Classifies frames with one model; holds native memory until closed.

    `classify` may be called from several threads, one at a time gets through; `close` waits for it.
    """

    def __init__(self, bundle: Bundle, interpreter: Interpreter) -> None:
        """Join a model with what runs it; `Classifier.open` does this from a path.

        Args:
            bundle: The model.
            interpreter: Loaded with the bundle's model; closed with the classifier.

        Raises:
            UnsupportedModelError: The interpreter sees other tensors than the bundle says.
        """
        self.bundle = bundle
        self.fell_back: DelegateError | None = None
        """Why the accelerator asked for is not used; None if it is, or none was asked for."""
        self._interpreter = interpreter
        self._lock = threading.Lock()
        self._open = True
        seen = interpreter.inputs + interpreter.outputs
        said = (bundle.inputs, bundle.outputs)
        if [(s.shape, s.dtype, s.quantization) for s in seen] != [
            (s.shape, s.dtype, s.quantization) for s in said
        ]:
            raise UnsupportedModelError(
                f"{bundle.where}: the interpreter loads other tensors than the file says"
            )
        self._reader = OutputReader(bundle)
        self._preprocess = bundle.contract.preprocessing.compile(bundle.inputs).write

    @classmethod
    def open(
        cls,
        model: str | Path | Bundle | Twins | None = None,
        *,
        threads: int | None = 1,
        backend: str = "auto",
        xnnpack: bool = True,
        delegate: str | DelegateSpec | None = None,
        fallback: Literal["cpu"] | None = None,
    ) -> Classifier:
        """Open a model file, or use an opened one.

        Args:
            model: A path, a bundle, or one with its compiled twin; None for the built-in model.
            threads: For the interpreter; None for all cores.
            backend: `auto`, or one of `edge_recog.interpreters.INTERPRETERS`.
            xnnpack: Use XNNPACK's kernels where there are any.
            delegate: An accelerator: `edgetpu`, `edgetpu:usb:0`, `edgetpu:pci`, or the path of a
                delegate library with options, `/usr/lib/libfoo.so?key=value`.
                For an Edge TPU, `NAME_edgetpu.tflite` beside the path `NAME.tflite` runs.
            fallback: "cpu" to carry on without the accelerator if it cannot be used, with the
                uncompiled twin of an Edge TPU model (`NAME.tflite` for `NAME_edgetpu.tflite`).

        Raises:
            BundleError: The model file cannot be used.
            DelegateError: The accelerator cannot be used.
            InterpreterError: No interpreter is installed, or it rejects the model.
            UsageError: An argument is out of range.
        """
        if model is None:
            model = default_model()
        spec = DelegateSpec.parse(delegate) if isinstance(delegate, str) else delegate
        twins, is_compiled_named = _twins(model, spec)
        try:
            compiled = twins.compiled if is_compiled_named else None
            return cls._load(compiled or twins.chosen(spec), threads, backend, xnnpack, spec)
        except DelegateError as error:
            if fallback != "cpu":
                raise
            try:
                bundle = twins.on_cpu()
            except DelegateError as lonely:
                raise DelegateError(f"{error}; and {lonely}") from error
            _logger.warning("running %s on the CPU: %s", bundle.where, error)
            classifier = cls._load(bundle, threads, backend, xnnpack, None)
            classifier.fell_back = error
            return classifier

    @classmethod
    def _load(
        cls,
        bundle: Bundle,
        threads: int | None,
        backend: str,
        xnnpack: bool,
        delegate: DelegateSpec | None,
    ) -> Classifier:
        try:
            interpreter = open_interpreter(
                bundle.data, threads=threads, backend=backend, xnnpack=xnnpack, delegate=delegate
            )
        except (InterpreterError, UnsupportedModelError) as error:
            raise located(error, bundle.where) from error
        try:
            return cls(bundle, interpreter)
        except BaseException:
            interpreter.close()
            raise

    @property
    def runtime(self) -> str:
        """What runs the model, for people."""
        return self._interpreter.runtime

    def classify(self, frame: Frame, *, top_k: int | None = 5) -> Classification:
        """Return what the model says of a frame.

        Args:
            frame: Of any size.
            top_k: How many predictions at most; None for all labels.

        Raises:
            ClosedError: The classifier is closed.
            FrameError: Not a `Frame`, or one that cannot be resized.
            InterpreterError: The run failed, or the accelerator was lost.
            UsageError: `top_k` is less than 1.
        """
        return self._run(frame, top_k, None)

    def trace(self, frame: Frame, *, top_k: int | None = 5) -> Trace:
        """Return everything a frame becomes on its way, for comparing models and machines.

        Arguments and errors as in `classify`, which runs the same code.
        """
        tensors: list[NDArray[Any]] = []
        classification = self._run(frame, top_k, tensors)
        fed, raw = tensors
        return Trace(fed, raw.reshape(-1), self.bundle.scores(raw), classification)

    def _run(
        self, frame: Frame, top_k: int | None, tensors: list[NDArray[Any]] | None
    ) -> Classification:
        """Classify; `tensors`, if given, takes copies of input and output, outside the timings."""
        with self._lock:
            start = time.perf_counter_ns()
            self._feed(frame)
            fed = ready = time.perf_counter_ns()
            if tensors is not None:
                tensors.append(self._interpreter.input_view().copy())
                ready = time.perf_counter_ns()
            self._interpreter.invoke()
            ran = time.perf_counter_ns()
            raw = self._interpreter.read_output()
            predictions = self._reader.read(raw, top_k)
            end = time.perf_counter_ns()
        if tensors is not None:
            tensors.append(raw)
        return Classification(
            predictions=predictions,
            timings=Timings(fed - start, ran - ready, end - ran),
            model_id=self.bundle.id,
            frame_index=frame.index,
            captured_ns=frame.captured_ns,
            source=frame.source,
        )

    def close(self) -> None:
        """Release native memory, after a classification under way has ended. Safe to call twice."""
        with self._lock:
            self._open = False
            self._interpreter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _feed(self, frame: Frame) -> None:
        if not self._open:
            raise ClosedError("the classifier is closed; open another one")
        if not isinstance(frame, Frame):
            raise FrameError(
                "classify needs a Frame: wrap pixels with Frame.from_rgb or Frame.from_bgr, so "
                "that their channel order is said"
            )
        # The view must be gone before the interpreter runs: it stays a temporary.
        self._preprocess(frame, self._interpreter.input_view())


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One frame's way through a model."""

    fed: NDArray[Any]
    """The input tensor, in its shape and dtype."""
    raw: NDArray[Any]
    """(labels,) the output as the model gave it."""
    scores: NDArray[np.float32]
    """(labels,) 0-1, before thresholds."""
    classification: Classification
    """What `classify` would have returned."""


def _twins(model: str | Path | Bundle | Twins, spec: DelegateSpec | None) -> tuple[Twins, bool]:
    """Return what there is to run, and whether its compiled file was asked for by name."""
    if isinstance(model, Twins):
        return model, False
    if isinstance(model, Bundle):
        return Twins(model), False
    path = Path(model)
    is_compiled = uncompiled_path(path) is not None
    if is_compiled or (spec is not None and spec.is_edge_tpu):
        return Twins.open(path), is_compiled
    # Whatever lies beside it is of no interest to the CPU.
    return Twins(Bundle.open(path)), False
