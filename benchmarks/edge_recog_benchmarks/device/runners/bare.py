"""The interpreter alone: what no program around it can be faster than, and needs no contract."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_recog_benchmarks.device.runners import Picture


class BareRunner:
    """Invokes a model on random input that is written once; pictures are not looked at."""

    stages = ("invoke",)

    def __init__(
        self, model: str, pictures: Sequence[Picture], *, threads: int, options: Mapping[str, str]
    ) -> None:
        """As `Runner`; options: `backend`, `xnnpack` ("0" or "1"), `delegate`.

        Raises:
            EdgeRecogError: The model cannot be loaded.
        """
        from edge_recog.interpreters import DelegateSpec, open_interpreter
        from edge_recog.tflite import read_model

        del pictures
        data = Path(model).read_bytes()
        read_model(data)  # Native code crashes on broken files.
        delegate = options.get("delegate")
        self._interpreter = open_interpreter(
            data,
            threads=threads,
            backend=options.get("backend", "auto"),
            xnnpack=options.get("xnnpack", "1") == "1",
            delegate=DelegateSpec.parse(delegate) if delegate else None,
        )
        self.runtime = self._interpreter.runtime
        random = np.random.default_rng(1)
        for index, spec in enumerate(self._interpreter.inputs):
            self._interpreter.input_view(index)[...] = _random(spec.shape, spec.dtype, random)

    def step(self, index: int) -> tuple[int, ...]:
        """Run the model once."""
        del index
        start = time.perf_counter_ns()
        self._interpreter.invoke()
        return (time.perf_counter_ns() - start,)

    def close(self) -> None:
        """Release the interpreter."""
        self._interpreter.close()


def _random(shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> Any:
    """Return values as pictures have them: all of an integer's range, 0-1 for reals."""
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, shape, kind, endpoint=True)
    return random.random(shape, np.float32).astype(kind)
