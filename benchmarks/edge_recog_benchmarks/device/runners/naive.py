"""The loop of the LiteRT guide, as tutorials show it, with the interpreter made once.

https://ai.google.dev/edge/litert/inference: resize, expand_dims, set_tensor, invoke, get_tensor,
argsort. Normalisation and quantisation are written as they are there: in floats, on the whole
picture.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_benchmarks.device.runners.feeding import Feeding
from edge_recog_benchmarks.device.runners.staged import StagedRunner, threads_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture


class NaiveRunner(StagedRunner):
    """The plain interpreter, called as its guide says."""

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `Runner`; options: `contract`, see `Feeding`."""
        super().__init__(pictures, Feeding.from_options(options))
        try:
            from ai_edge_litert.interpreter import Interpreter

            product = "ai-edge-litert"
        except ImportError:
            from tflite_runtime.interpreter import Interpreter

            product = "tflite-runtime"
        version = importlib.metadata.version(product)
        self.runtime = f"{product} {version}, plain loop ({threads_of(threads)})"
        self._interpreter = Interpreter(model_path=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def feed(self, pixels: NDArray[np.uint8]) -> None:
        """Resize, normalise, quantise and set the tensor."""
        feeding = self._feeding
        batch: NDArray[Any] = np.expand_dims(feeding.resized(pixels), axis=0)
        if not feeding.as_they_are:
            mean, std = (np.array(one, np.float32) for one in (feeding.mean, feeding.std))
            batch = (batch.astype(np.float32) - mean) / std
            if feeding.input.dtype != "float32":
                limits = np.iinfo(feeding.input.dtype)
                batch = np.round(batch / (feeding.input.scale or 1.0) + feeding.input.zero_point)
                batch = np.clip(batch, limits.min, limits.max).astype(feeding.input.dtype)
        self._interpreter.set_tensor(self._input, batch)

    def invoke(self) -> None:
        """Run the model."""
        self._interpreter.invoke()

    def output(self) -> NDArray[Any]:
        """Return a copy of the output."""
        output: NDArray[Any] = self._interpreter.get_tensor(self._output)
        return output
