"""ncnn on the CPU, with a float model that pnnx converted: NAME.ncnn.param and NAME.ncnn.bin."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_benchmarks.device.runners.feeding import Feeding
from edge_recog_benchmarks.device.runners.staged import StagedRunner, threads_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture


class NcnnRunner(StagedRunner):
    """One net with ncnn's own preprocessing and default options."""

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `Runner`; options: `contract`, see `Feeding`.

        Args:
            model: The .param file; the .bin file lies beside it.
            pictures: See `Runner`.
            threads: See `Runner`.
            options: See above.

        Raises:
            RuntimeError: ncnn cannot load it.
        """
        import ncnn

        super().__init__(pictures, Feeding.from_options(options))
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        weights = str(Path(model).with_suffix(".bin"))
        if self._net.load_param(model) != 0 or self._net.load_model(weights) != 0:
            raise RuntimeError("ncnn cannot load the converted model")
        half = "fp16 where the processor has it, " if self._net.opt.use_fp16_arithmetic else ""
        version = importlib.metadata.version("ncnn")
        self.runtime = f"ncnn {version} (CPU, {half}{threads_of(threads)})"
        self._mat = ncnn.Mat
        self._rgb = ncnn.Mat.PixelType.PIXEL_RGB
        channels = np.ones(3)
        self._mean = (np.array(self._feeding.mean) * channels).tolist()
        self._factor = (channels / np.array(self._feeding.std)).tolist()
        self._input, self._output = self._net.input_names()[0], self._net.output_names()[0]
        self._fed: Any = None
        self._answer: Any = None

    def feed(self, pixels: NDArray[np.uint8]) -> None:
        """Crop, resize and normalise in one of ncnn's matrices."""
        height, width = pixels.shape[:2]
        top, left, rows, columns = self._feeding.box(height, width)
        size = self._feeding.width, self._feeding.height
        self._fed = self._mat.from_pixels_roi_resize(
            np.ascontiguousarray(pixels), self._rgb, width, height, left, top, columns, rows, *size
        )
        self._fed.substract_mean_normalize(self._mean, self._factor)

    def invoke(self) -> None:
        """Run the model."""
        extractor = self._net.create_extractor()
        extractor.input(self._input, self._fed)
        status, self._answer = extractor.extract(self._output)
        if status != 0:
            raise RuntimeError(f"ncnn stopped with status {status}")

    def output(self) -> NDArray[Any]:
        """Return the output."""
        return np.asarray(self._answer)
