"""OpenVINO on the CPU; it reads .tflite files itself."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from edge_recog_benchmarks.device.runners.feeding import Feeding
from edge_recog_benchmarks.device.runners.staged import StagedRunner, threads_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture


class OpenVinoRunner(StagedRunner):
    """One infer request, tuned for latency; the input is shared, not copied."""

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `Runner`; options: `contract`, see `Feeding`."""
        import openvino

        super().__init__(pictures, Feeding.from_options(options))
        core = openvino.Core()
        network = core.read_model(model)
        if network.is_dynamic():
            network.reshape([1, self._feeding.height, self._feeding.width, 3])
        compiled = core.compile_model(
            network, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        )
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        version = importlib.metadata.version("openvino")
        self.runtime = (
            f"OpenVINO {version} (CPU, {precision} where not quantised, {threads_of(threads)})"
        )
        self._request = compiled.create_infer_request()
        self._fed: NDArray[Any] | None = None

    def feed(self, pixels: NDArray[np.uint8]) -> None:
        """Preprocess as the contract says."""
        self._fed = self._feeding.tensor(pixels)

    def invoke(self) -> None:
        """Run the model."""
        self._request.infer([self._fed], share_inputs=True, share_outputs=True)

    def output(self) -> NDArray[Any]:
        """Return the output, which is valid until the next run."""
        output: NDArray[Any] = self._request.get_output_tensor(0).data
        return output
