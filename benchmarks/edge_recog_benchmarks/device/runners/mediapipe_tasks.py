"""MediaPipe's ImageClassifier task in IMAGE mode.

It reads preprocessing and labels from the file's TFLite Metadata and does all in one call, so there
are no stages to time. A contract that looks at a part of a picture becomes a region of interest.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_benchmarks.device.runners.feeding import BEST, Feeding, decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture


class MediaPipeRunner:
    """The whole task: wrapping the array, cropping, resizing, running, best five labels."""

    stages: tuple[str, ...] = ()

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `Runner`; options: `contract`, see `Feeding`, of which only the crop is used.

        Raises:
            ValueError: More than one thread is asked for, or MediaPipe does not take the model.
        """
        if threads != 1:
            # GetXnnpackDefaultNumThreads in MediaPipe's inference_calculator_utils.cc.
            raise ValueError("MediaPipe's Python task runs 1 thread on Linux and takes no number")
        import mediapipe
        from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.components.containers.rect import RectF

        # Bound once: this is no part of the work.
        self._image, self._srgb = mediapipe.Image, mediapipe.ImageFormat.SRGB
        self._vision, self._rectangle = vision, RectF
        self._feeding = Feeding.from_options(options)
        self._pictures = pictures
        self._model = model
        self._task = self._open(BEST)
        self._full: Any = None
        version = importlib.metadata.version("mediapipe")
        self.runtime = f"MediaPipe {version} (image classifier, 1 thread, all in one call)"

    def _open(self, results: int) -> Any:
        from mediapipe.tasks.python import BaseOptions

        base = BaseOptions(model_asset_path=self._model)
        options = self._vision.ImageClassifierOptions(base_options=base, max_results=results)
        return self._vision.ImageClassifier.create_from_options(options)

    def _classify(self, task: Any, pixels: NDArray[np.uint8]) -> list[tuple[int, str, float]]:
        height, width = pixels.shape[:2]
        top, left, rows, columns = self._feeding.box(height, width)
        region = None
        if (rows, columns) != (height, width):
            right, bottom = (left + columns) / width, (top + rows) / height
            region = self._vision.ImageProcessingOptions(
                region_of_interest=self._rectangle(left / width, top / height, right, bottom)
            )
        image = self._image(image_format=self._srgb, data=np.ascontiguousarray(pixels))
        found = task.classify(image, region).classifications[0].categories
        return [(one.index, one.category_name, one.score) for one in found]

    def step(self, index: int) -> tuple[int, ...]:
        """See `Runner.step`."""
        self._classify(self._task, decode(self._pictures[index % len(self._pictures)]))
        return ()

    def label(self, picture: Picture) -> tuple[list[int], list[float]]:
        """See `LabellingRunner.label`."""
        if self._full is None:
            self._full = self._open(-1)
        found = self._classify(self._full, decode(picture))
        return [index for index, _, _ in found], [score for _, _, score in found]

    def close(self) -> None:
        """Release the tasks. Safe to call twice."""
        for task in (self._task, self._full):
            if task is not None:
                task.close()
        self._task = self._full = None
