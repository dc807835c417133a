"""Models in the formats of peers that do not read .tflite: ONNX by tf2onnx, ncnn by pnnx."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from edge_recog.errors import EdgeRecogError
from edge_recog_benchmarks.environments import site_packages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_recog.tensors import TensorSpec

TF2ONNX = (
    "tf2onnx>=1.17,<2",
    "onnx>=1.17,<2",
    "tensorflow-cpu>=2.18,<3; platform_machine == 'x86_64'",
    "tensorflow>=2.18,<3; platform_machine != 'x86_64'",
)
"""Requirements of the environment that converts to ONNX."""
PNNX = ("--no-deps", "pnnx>=20260101,<20280101")
"""Of the one that converts on to ncnn: its program needs nothing of the torch that pip would fetch
with it (5 GB)."""
OPSET = 17
_UNKNOWN = re.compile(r"^todo (\w+)$", re.MULTILINE)
"""How pnnx names an operator that it has no ncnn layer for."""
_DTYPES = {"float32": "f32", "uint8": "u8", "int8": "i8"}


class ConversionError(EdgeRecogError, RuntimeError):
    """A model cannot be converted; the text says why."""


def to_onnx(model: Path, spec: TensorSpec, folder: Path, *, python: Path) -> Path:
    """Return the ONNX file of a model, whose input is (1, 3, height, width).

    Integer models become floats between QuantizeLinear and DequantizeLinear operators (QDQ), with
    the same weights, scales and zero points.

    Args:
        model: A .tflite file with one input of (1, height, width, 3).
        spec: Its input.
        folder: Where to write.
        python: Of an environment with `TF2ONNX`.

    Raises:
        ConversionError: tf2onnx cannot convert it.
    """
    target = folder / "model.onnx"
    asked = ["--tflite", str(model), "--output", str(target), "--opset", str(OPSET)]
    command = [str(python), "-I", "-m", "tf2onnx.convert", *asked, "--inputs-as-nchw", spec.name]
    _run(command, folder)
    if not target.exists():
        raise ConversionError("not convertible: tf2onnx wrote nothing")
    return target


def to_ncnn(onnx: Path, spec: TensorSpec, *, python: Path) -> Path:
    """Return the .ncnn.param file of an ONNX file; the .ncnn.bin file lies beside it.

    Args:
        onnx: As `to_onnx` wrote it; what is made lies in its folder.
        spec: Input of the .tflite file.
        python: Of an environment with `PNNX`.

    Raises:
        ConversionError: pnnx fails, or leaves operators that ncnn does not have.
    """
    _, height, width, channels = spec.shape
    program = site_packages(python) / "pnnx" / "pnnx"
    shape = f"inputshape=[1,{channels},{height},{width}]{_DTYPES.get(spec.dtype, spec.dtype)}"
    said = _run([str(program), onnx.name, shape], onnx.parent)
    if unknown := sorted(set(_UNKNOWN.findall(said))):
        raise ConversionError(f"not convertible: ncnn has no {' and no '.join(unknown)}")
    target = onnx.with_suffix(".ncnn.param")
    if not target.exists():
        raise ConversionError("not convertible: pnnx wrote nothing")
    return target


def _run(command: Sequence[str], folder: Path) -> str:
    """Return what a converter says.

    Raises:
        ConversionError: It fails.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # TensorFlow has 6 s of byte code to compile.
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        why = " ".join(lines[-1].split())[-300:] if lines else f"status {done.returncode}"
        raise ConversionError(f"not convertible: {why}")
    return done.stdout + done.stderr
