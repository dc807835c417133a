"""ONNX Runtime on the CPU, with a model that was converted to ONNX with (1, 3, height, width)."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_recog_benchmarks.device.runners.feeding import Feeding
from edge_recog_benchmarks.device.runners.staged import StagedRunner, threads_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture


class OnnxRunner(StagedRunner):
    """One session with the default optimisations."""

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `Runner`; options: `contract`, see `Feeding`."""
        import onnxruntime

        super().__init__(pictures, Feeding.from_options(options))
        data = Path(model).read_bytes()
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            data, settings, providers=["CPUExecutionProvider"]
        )
        # Converters write quantised models so: floats between QuantizeLinear and DequantizeLinear,
        # which the runtime fuses into integer kernels where it knows the pattern.
        form = "QDQ, " if b"DequantizeLinear" in data else ""
        version = importlib.metadata.version("onnxruntime")
        self.runtime = f"ONNX Runtime {version} (CPU, {form}{threads_of(threads)})"
        self._input = self._session.get_inputs()[0].name
        self._fed: NDArray[Any] | None = None
        self._outputs: list[NDArray[Any]] = []

    def feed(self, pixels: NDArray[np.uint8]) -> None:
        """Preprocess as the contract says."""
        self._fed = self._feeding.tensor(pixels, planar=True)

    def invoke(self) -> None:
        """Run the model."""
        self._outputs = self._session.run(None, {self._input: self._fed})

    def output(self) -> NDArray[Any]:
        """Return the output."""
        return self._outputs[0]
