"""The ways of running a model that can be measured; each is imported only where it is used.

Some run in environments that hold neither this project's runtime nor msgspec, so this package and
what its modules import at their top need the standard library and numpy only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Picture = bytes | NDArray[Any]
    """An image file's bytes, or (height, width, 3) uint8 RGB that needs no decoding."""

RUNNERS = {
    "classifier": "edge_recog_benchmarks.device.runners.classifier:ClassifierRunner",
    "bare": "edge_recog_benchmarks.device.runners.bare:BareRunner",
    "slowed": "edge_recog_benchmarks.device.runners.slowed:SlowedRunner",
    "naive": "edge_recog_benchmarks.device.runners.naive:NaiveRunner",
    "mediapipe": "edge_recog_benchmarks.device.runners.mediapipe_tasks:MediaPipeRunner",
    "openvino": "edge_recog_benchmarks.device.runners.openvino_runtime:OpenVinoRunner",
    "onnxruntime": "edge_recog_benchmarks.device.runners.onnx_runtime:OnnxRunner",
    "ncnn": "edge_recog_benchmarks.device.runners.ncnn_net:NcnnRunner",
}
"""Runner name → module and class."""
LABELLING = frozenset({"classifier", "naive", "mediapipe", "openvino", "onnxruntime", "ncnn"})
"""Those that are a `LabellingRunner`."""


class Runner(Protocol):
    """Runs one model on pictures that it was given at the start."""

    stages: tuple[str, ...]
    """What `step` times, in its order: some of decode, preprocess, invoke, postprocess."""
    runtime: str
    """What runs the model, for people: product, version, kernels, threads."""

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """Load the model file at path `model`.

        Args:
            model: Path of the model file.
            pictures: What `step` takes in turn; at least one.
            threads: CPU threads of one inference.
            options: What else this runner knows; an unknown key is an error.

        Raises:
            Exception: It cannot run here; the text says why.
        """
        ...

    def step(self, index: int) -> tuple[int, ...]:
        """Answer picture `index` (modulo their number), best five labels included.

        Returns:
            Nanoseconds of each of `stages`, by `time.perf_counter_ns`.
        """
        ...

    def close(self) -> None:
        """Release what was loaded. Safe to call twice."""
        ...


class LabellingRunner(Runner, Protocol):
    """A runner that also tells what it sees, on the same code path."""

    def label(self, picture: Picture) -> tuple[list[int], list[float]]:
        """Return all labels best first, and their scores from 0 to 1."""
        ...


def find_runner(name: str) -> type[Runner]:
    """Import a runner.

    Raises:
        KeyError: There is no such runner.
        ImportError: Its library is not installed here.
    """
    module, _, attribute = RUNNERS[name].partition(":")
    runner: type[Runner] = getattr(importlib.import_module(module), attribute)
    return runner
