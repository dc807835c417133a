"""Run models on a fixed picture, and print their outputs as JSON: for any runtime's environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.interpreters import open_interpreter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog.tensors import TensorSpec


def picture(spec: TensorSpec) -> NDArray[Any]:
    """Return a ramp from black to white, as `spec` wants it."""
    width = spec.shape[2]
    ramp = np.arange(width)[:, np.newaxis] * 255 // (width - 1)
    if spec.dtype == "float32":
        ramp = ramp / 127.5 - 1
    elif spec.dtype == "int8":
        ramp = ramp - 128
    return np.broadcast_to(ramp, spec.shape).astype(spec.dtype)


def run(path: Path, *, xnnpack: bool) -> dict[str, Any]:
    """Return the outputs of the model at `path`, and what ran it."""
    interpreter = open_interpreter(path.read_bytes(), xnnpack=xnnpack)
    interpreter.input_view()[...] = picture(interpreter.inputs[0])
    interpreter.invoke()
    outputs = [interpreter.read_output(index) for index in range(len(interpreter.outputs))]
    return {
        "runtime": interpreter.runtime,
        "dtypes": [output.dtype.name for output in outputs],
        "outputs": [output.ravel().tolist() for output in outputs],
    }


if __name__ == "__main__":
    xnnpack = sys.argv[1] == "xnnpack"
    answers = {path: run(Path(path), xnnpack=xnnpack) for path in sys.argv[2:]}
    json.dump(answers, sys.stdout)
