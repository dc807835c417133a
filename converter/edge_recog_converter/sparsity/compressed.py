"""What zeros buy: the size of a file as it is downloaded."""

from __future__ import annotations

import zlib


def compressed_size(content: bytes) -> int:
    """Return the bytes of a file after DEFLATE at its best, as in ZIP files and over HTTP."""
    return len(zlib.compress(content, level=9))


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
