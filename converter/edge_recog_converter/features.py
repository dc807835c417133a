"""What frozen networks make of pictures, computed by the runtime as on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_recog.frames import Frame
from edge_recog.interpreters import open_interpreter
from edge_recog_converter.datasets import targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edge_recog.preprocessing import Preprocessing
    from edge_recog_converter.datasets import Picture


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of a split."""

    values: NDArray[np.float32]
    """(pictures, features)."""
    targets: NDArray[np.float32]
    """(pictures, classes): 1 for each label that a picture has."""


class FeatureExtractor:
    """A network without its classifier, float or INT8, fed as its contract says."""

    def __init__(self, tflite: bytes, preprocessing: Preprocessing) -> None:
        """Load the network.

        Args:
            tflite: Takes one picture, gives (1, features).
            preprocessing: Its contract.
        """
        self._interpreter = open_interpreter(tflite, threads=None)
        self._compiled = preprocessing.compile(self._interpreter.inputs[0])

    def __call__(self, frame: Frame) -> NDArray[np.float32]:
        """Return (features,) float32, dequantised if the network is INT8."""
        # The view must be gone before the interpreter runs: it stays a temporary.
        self._compiled.write(frame, self._interpreter.input_view())
        self._interpreter.invoke()
        raw = self._interpreter.read_output().reshape(-1)
        quantization = self._interpreter.outputs[0].quantization
        return quantization.dequantize(raw) if quantization else raw.astype(np.float32)


def extract(
    extractors: Sequence[FeatureExtractor],
    frames: Iterable[tuple[Picture, Frame]],
    *,
    classes: int,
    mirrored: bool,
) -> Features:
    """Return the features that each extractor makes of each picture.

    A classifier that learns from float and INT8 features together suits both models, and learns
    to see past what quantisation adds.

    Args:
        extractors: At least one, all with as many features.
        frames: The pictures; at least one.
        classes: How many labels there are.
        mirrored: Take each picture mirrored left to right too.
    """
    values: list[NDArray[np.float32]] = []
    targets: list[NDArray[np.float32]] = []
    for picture, frame in frames:
        (target,) = targets_of([picture], classes)
        views = [frame]
        if mirrored:
            views.append(Frame.from_rgb(np.ascontiguousarray(frame.pixels[:, ::-1])))
        for view in views:
            for extractor in extractors:
                values.append(extractor(view))
                targets.append(target)
    return Features(np.stack(values), np.stack(targets))
