"""What runners of peers have in common: the order of the stages, and the clock between them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from edge_recog_benchmarks.device.runners.feeding import Feeding, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_recog_benchmarks.device.runners import Picture


class StagedRunner(ABC):
    """A runner that is fed, runs and is read; a subclass says how."""

    runtime = ""

    def __init__(self, pictures: Sequence[Picture], feeding: Feeding) -> None:
        """Remember what there is to do."""
        self._pictures = pictures
        self._feeding = feeding
        self._encoded = isinstance(pictures[0], bytes)
        decoding = ("decode",) if self._encoded else ()
        self.stages: tuple[str, ...] = (*decoding, "preprocess", "invoke", "postprocess")

    @abstractmethod
    def feed(self, pixels: NDArray[np.uint8]) -> None:
        """Preprocess (height, width, 3) RGB into the model's input."""

    @abstractmethod
    def invoke(self) -> None:
        """Run the model."""

    @abstractmethod
    def output(self) -> NDArray[Any]:
        """Return what the model said, in its dtype and any shape."""

    def step(self, index: int) -> tuple[int, ...]:
        """See `Runner.step`."""
        clock = time.perf_counter_ns
        start = clock()
        pixels = decode(self._pictures[index % len(self._pictures)])
        decoded = clock()
        self.feed(pixels)
        fed = clock()
        self.invoke()
        ran = clock()
        self._feeding.best(self.output())
        end = clock()
        if self._encoded:
            return decoded - start, fed - decoded, ran - fed, end - ran
        return fed - decoded, ran - fed, end - ran

    def label(self, picture: Picture) -> tuple[list[int], list[float]]:
        """See `LabellingRunner.label`."""
        self.feed(decode(picture))
        self.invoke()
        return self._feeding.ranked(self.output())

    def close(self) -> None:
        """See `Runner.close`; native memory goes with the process."""
        self._pictures = ()


def threads_of(count: int) -> str:
    """Return a number of threads for people."""
    return f"{count} thread{'' if count == 1 else 's'}"
