"""Golden vectors: raw frames and the exact answers a model must give to them.

For each vector three things are kept: the frame, samples of the input tensor that preprocessing
must make of it, and the whole raw output. The samples catch wrong feeding sharply, whatever the
network makes of it; the output catches a wrong or wrongly computed network.

XNNPACK's 8-bit kernels and TFLite's built-in ones round differently, and a network carries that
on: scores were seen to differ by 50 steps. tflite-runtime has only the latter for 8-bit models. So
models with integer outputs keep the answer of both.

In the model file they are one zlib stream: for each vector in the index's order, frame, samples,
output and, where the index says so, the built-in kernels' output, as little-endian arrays one after
the other.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog.contract import GoldenIndex, GoldenVector
from edge_recog.errors import BundleError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog.tensors import TensorSpec

_Array = tuple[str, tuple[int, ...]]
"""Dtype and shape."""

GOLDEN_FILE = "edge_recog_golden.bin"
SAMPLES = 1024
"""Input values kept of each vector, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """One golden vector with its numbers."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB."""
    samples: NDArray[Any]
    """Input tensor at `sample_positions`, in its dtype."""
    output: NDArray[Any]
    """(labels,) raw output, in the output tensor's dtype."""
    label: str
    score: float
    labels_sha256: str
    """`contract.labels_digest` of the labels that `label` is one of."""
    builtin: NDArray[Any] | None = None
    """As `output`, by TFLite's built-in kernels where `output` is by XNNPACK's."""


def sample_positions(size: int) -> NDArray[np.intp]:
    """Return the flat indices at which an input of `size` values is sampled: rising, all different.

    One in each of equal parts, at a scattered place in it: evenly spaced ones would fall on one
    channel or one column after the other (at 32x32, on a single value of the third channel).
    """
    index = np.arange(min(SAMPLES, size) + 1, dtype=np.uint64)
    starts = index * size // (len(index) - 1)
    # Integer arithmetic only, the same everywhere. The factors are primes 1 and 2 of XXH32.
    scattered = index[:-1] * 2654435761 % 2**32
    scattered ^= scattered >> np.uint64(15)
    scattered = scattered * 2246822519 % 2**32
    offsets = scattered * np.diff(starts) >> np.uint64(32)
    return (starts[:-1] + offsets).astype(np.intp)


def encode_golden(
    vectors: Sequence[Golden], *, runtime: str, labels_sha256: str
) -> tuple[GoldenIndex, bytes]:
    """Return the index for the manifest and the bytes of `GOLDEN_FILE`.

    Raises:
        VerificationError: The vectors were made with other labels.
    """
    if any(vector.labels_sha256 != labels_sha256 for vector in vectors):
        raise VerificationError(
            "the golden vectors were made with other labels; make them anew with these"
        )
    both = all(vector.builtin is not None for vector in vectors)
    index = GoldenIndex(
        file=GOLDEN_FILE,
        runtime=runtime,
        builtin=both,
        labels_sha256=labels_sha256,
        vectors=tuple(
            GoldenVector(
                height=vector.pixels.shape[0],
                width=vector.pixels.shape[1],
                label=vector.label,
                score=vector.score,
            )
            for vector in vectors
        ),
    )
    arrays: list[NDArray[Any]] = []
    for vector in vectors:
        arrays += [vector.pixels, vector.samples, vector.output]
        if both and vector.builtin is not None:
            arrays.append(vector.builtin)
    stream = b"".join(np.asarray(a, a.dtype.newbyteorder("<")).tobytes() for a in arrays)
    return index, zlib.compress(stream, 9)


def decode_golden(
    index: GoldenIndex, data: bytes, *, inputs: TensorSpec, labels: int, output_dtype: str
) -> tuple[Golden, ...]:
    """Return the vectors of a model file.

    Args:
        index: From the manifest.
        data: The bytes of the file it names.
        inputs: The model's input.
        labels: How many.
        output_dtype: Of the model's output.

    Raises:
        BundleError: The bytes are not what the index promises.
    """
    sampled = sample_positions(int(np.prod(inputs.shape))).size
    common: list[_Array] = [(inputs.dtype, (sampled,)), (output_dtype, (labels,))]
    if index.builtin:
        common.append((output_dtype, (labels,)))
    layout: list[tuple[GoldenVector, list[_Array]]] = [
        (vector, [("uint8", (vector.height, vector.width, 3)), *common]) for vector in index.vectors
    ]
    expected = sum(_size(*array) for _, arrays in layout for array in arrays)
    stream = _inflate(data, expected)
    vectors, position = [], 0
    for vector, arrays in layout:
        values: list[NDArray[Any]] = []
        for dtype, shape in arrays:
            count = int(np.prod(shape))
            kind = np.dtype(dtype).newbyteorder("<")
            values.append(np.frombuffer(stream, kind, count, position).reshape(shape))
            position += _size(dtype, shape)
        pixels, samples, output, *builtin = values
        vectors.append(
            Golden(
                pixels,
                samples,
                output,
                vector.label,
                vector.score,
                index.labels_sha256,
                builtin[0] if builtin else None,
            )
        )
    return tuple(vectors)


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    return int(np.dtype(dtype).itemsize * np.prod(shape))


def _inflate(data: bytes, expected: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        stream = inflater.decompress(data, expected + 1)
    except zlib.error as error:
        raise BundleError(f"the golden vectors are damaged: {error}") from error
    if len(stream) != expected or not inflater.eof:
        raise BundleError("the golden vectors do not fit the model: they are of another one")
    return stream
