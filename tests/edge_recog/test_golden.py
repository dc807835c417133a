from __future__ import annotations

import zlib
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.errors import BundleError, VerificationError
from edge_recog.golden import (
    GOLDEN_FILE,
    SAMPLES,
    Golden,
    decode_golden,
    encode_golden,
    sample_positions,
)
from edge_recog.tensors import TensorSpec

DIGEST = "1" * 64
TYPES = st.sampled_from(["uint8", "int8", "int16", "float32"])


def numbers(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    bytes_ = np.random.default_rng(seed).integers(0, 256, (*shape, 4), dtype=np.uint8)
    return np.ascontiguousarray(bytes_[..., : np.dtype(dtype).itemsize]).view(dtype)[..., 0]


def vector(
    seed: int = 0,
    *,
    size: tuple[int, int] = (4, 5),
    samples: int = 192,
    labels: int = 3,
    input_dtype: str = "uint8",
    output_dtype: str = "uint8",
) -> Golden:
    return Golden(
        pixels=numbers(seed, (*size, 3), "uint8"),
        samples=numbers(seed + 1, (samples,), input_dtype),
        output=numbers(seed + 2, (labels,), output_dtype),
        label=f"label {seed}",
        score=0.5,
        labels_sha256=DIGEST,
    )


INPUT = TensorSpec("image", (1, 8, 8, 3), "uint8", None)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=4),
    side=st.integers(1, 40),
    labels=st.integers(1, 30),
    input_dtype=TYPES,
    output_dtype=TYPES,
)
def test_golden_vectors_read_back_as_they_were_written(
    sizes: list[tuple[int, int]], side: int, labels: int, input_dtype: str, output_dtype: str
) -> None:
    spec = TensorSpec("image", (1, side, side, 3), input_dtype, None)
    samples = min(SAMPLES, side * side * 3)
    vectors = [
        vector(
            seed,
            size=size,
            samples=samples,
            labels=labels,
            input_dtype=input_dtype,
            output_dtype=output_dtype,
        )
        for seed, size in enumerate(sizes)
    ]

    index, data = encode_golden(vectors, runtime="here", labels_sha256=DIGEST)
    read = decode_golden(index, data, inputs=spec, labels=labels, output_dtype=output_dtype)

    assert (index.file, index.runtime, index.labels_sha256) == (GOLDEN_FILE, "here", DIGEST)
    for written, found in zip(vectors, read, strict=True):
        np.testing.assert_array_equal(found.pixels, written.pixels, strict=True)
        np.testing.assert_array_equal(found.samples, written.samples, strict=True)
        np.testing.assert_array_equal(found.output, written.output, strict=True)
        assert (found.label, found.score) == (written.label, written.score)
        assert found.labels_sha256 == DIGEST


def test_numbers_are_little_endian_in_the_file() -> None:
    golden = vector(input_dtype="int16")
    big = replace(golden, samples=golden.samples.astype(">i2"))

    _, expected = encode_golden([golden], runtime="", labels_sha256=DIGEST)
    _, data = encode_golden([big], runtime="", labels_sha256=DIGEST)

    assert data == expected


def test_vectors_made_with_other_labels_are_not_written() -> None:
    with pytest.raises(VerificationError, match="made with other labels"):
        encode_golden([vector(), vector(1)], runtime="", labels_sha256="2" * 64)


@pytest.mark.parametrize(
    ("inputs", "labels", "output_dtype"),
    [
        (replace(INPUT, shape=(1, 4, 4, 3)), 3, "uint8"),
        (replace(INPUT, dtype="float32"), 3, "uint8"),
        (INPUT, 2, "uint8"),
        (INPUT, 4, "uint8"),
        (INPUT, 3, "float32"),
    ],
    ids=["smaller input", "float input", "fewer labels", "more labels", "float output"],
)
def test_vectors_of_another_model_are_refused(
    inputs: TensorSpec, labels: int, output_dtype: str
) -> None:
    index, data = encode_golden([vector()], runtime="", labels_sha256=DIGEST)

    with pytest.raises(BundleError, match="they are of another one"):
        decode_golden(index, data, inputs=inputs, labels=labels, output_dtype=output_dtype)


@pytest.mark.parametrize("kept", [0, 1, 2, 10, -5, -1])
def test_a_truncated_stream_is_refused(kept: int) -> None:
    index, data = encode_golden([vector()], runtime="", labels_sha256=DIGEST)

    with pytest.raises(BundleError, match="golden vectors"):
        decode_golden(index, data[:kept], inputs=INPUT, labels=3, output_dtype="uint8")


def test_a_stream_that_is_not_zlib_is_refused() -> None:
    index, _ = encode_golden([vector()], runtime="", labels_sha256=DIGEST)

    with pytest.raises(BundleError, match="the golden vectors are damaged"):
        decode_golden(index, b"no zlib at all", inputs=INPUT, labels=3, output_dtype="uint8")


def test_a_zlib_bomb_is_not_inflated() -> None:
    import tracemalloc

    index, _ = encode_golden([vector()], runtime="", labels_sha256=DIGEST)
    bomb = zlib.compress(bytes(64 * 2**20), 9)
    tracemalloc.start()

    with pytest.raises(BundleError, match="they are of another one"):
        decode_golden(index, bomb, inputs=INPUT, labels=3, output_dtype="uint8")

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    index, _ = encode_golden([vector()], runtime="", labels_sha256=DIGEST)

    with pytest.raises(BundleError):
        decode_golden(index, data, inputs=INPUT, labels=3, output_dtype="uint8")


def test_an_index_of_other_frame_sizes_is_refused() -> None:
    index, data = encode_golden([vector()], runtime="", labels_sha256=DIGEST)
    taller = msgspec.structs.replace(index.vectors[0], height=5)

    with pytest.raises(BundleError, match="they are of another one"):
        decode_golden(
            msgspec.structs.replace(index, vectors=(taller,)),
            data,
            inputs=INPUT,
            labels=3,
            output_dtype="uint8",
        )


@given(st.integers(1, 500_000))
def test_sample_positions_are_different_and_within_the_input(size: int) -> None:
    positions = sample_positions(size)

    assert len(positions) == min(size, SAMPLES)
    assert len(set(positions.tolist())) == len(positions)
    assert positions.min() >= 0
    assert positions.max() < size


@pytest.mark.parametrize("side", [32, 48, 64, 96, 128, 160, 192, 224, 240, 256, 260, 299, 300])
def test_sample_positions_reach_all_parts_of_every_channel(side: int) -> None:
    shape = (side, side, 3)
    rows, columns, channels = np.unravel_index(sample_positions(side * side * 3), shape)

    counts = np.zeros((4, 4, 3), int)
    np.add.at(counts, (rows * 4 // side, columns * 4 // side, channels), 1)

    # 1024 samples over 48 cells are 21 each.
    assert counts.min() >= 8
    assert counts.max() <= 36


@pytest.mark.parametrize("size", [3072, 27_648, 150_528])
def test_sample_positions_leave_no_large_gap(size: int) -> None:
    assert np.diff(sample_positions(size)).max() <= 2 * size / SAMPLES


def test_sample_positions_are_the_same_everywhere() -> None:
    # The file keeps samples only: another choice of positions is another format.
    assert sample_positions(150_528)[:8].tolist() == [0, 200, 416, 449, 615, 858, 890, 1083]
