"""What zeros buy: the size of a file as it is downloaded."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping


def compressed_size(content: bytes) -> int:
    """Return the bytes of a file after DEFLATE at its best, as in ZIP files and over HTTP."""
    return len(zlib.compress(content, level=9))


def zero_shares(tflite: bytes) -> Mapping[str, float]:
    """Return which share of the integers is zero, by name of each int8 kernel of an INT8 file."""
    interpreter = Interpreter(model_content=tflite)
    shares = {}
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        if tensor["dtype"] is np.int8 and len(tensor["shape"]) > 1 and scales.size:
            try:
                values = interpreter.get_tensor(tensor["index"])
            except ValueError:  # An activation, which has no values before it runs.
                continue
            shares[str(tensor["name"])] = float(np.mean(values == 0))
    return shares


def sentence(*, dense: bytes, sparse: bytes, dense_ms: float, sparse_ms: float) -> str:
    """Return what zeros bought, for people.

    Args:
        dense: INT8 file without them.
        sparse: The same network with them.
        dense_ms: Median latency, timed alternately with the other.
        sparse_ms: Of the other.
    """
    before, after = compressed_size(dense), compressed_size(sparse)
    return (
        f"{len(sparse) / 1e3:,.0f} kB as before, compressed {before / 1e3:,.0f} → "
        f"{after / 1e3:,.0f} kB; TFLite computes with zeros as with other weights: p50 "
        f"{dense_ms:.2f} → {sparse_ms:.2f} ms here"
    )
