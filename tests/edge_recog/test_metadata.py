from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.archive import split_archive
from edge_recog.errors import NotATfliteModelError
from edge_recog.metadata import (
    METADATA_NAME,
    TENSOR_AXIS_LABELS,
    AssociatedFile,
    ModelMetadata,
    TensorMetadata,
    build_metadata,
    read_metadata,
)
from edge_recog.tflite import read_model

if TYPE_CHECKING:
    from pathlib import Path

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
NUMBERS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4).map(tuple)
FILES = st.builds(AssociatedFile, name=TEXT, type=st.integers(0, 5), locale=TEXT)


@st.composite
def tensors(draw: st.DrawFn) -> TensorMetadata:
    has_normalization, has_stats = draw(st.booleans()), draw(st.booleans())
    return TensorMetadata(
        name=draw(TEXT),
        description=draw(TEXT),
        colour_space=draw(st.sampled_from([None, "RGB", "GRAYSCALE"])),
        mean=draw(NUMBERS) if has_normalization else None,
        std=draw(NUMBERS) if has_normalization else None,
        minimum=draw(NUMBERS) if has_stats else (),
        maximum=draw(NUMBERS) if has_stats else (),
        files=tuple(draw(st.lists(FILES, max_size=2))),
    )


MODELS = st.builds(
    ModelMetadata,
    name=TEXT,
    description=TEXT,
    version=TEXT,
    author=TEXT,
    license=TEXT,
    inputs=st.lists(tensors(), max_size=2).map(tuple),
    outputs=st.lists(tensors(), max_size=2).map(tuple),
    min_parser_version=TEXT,
)


@given(MODELS)
def test_what_is_written_is_read_back(metadata: ModelMetadata) -> None:
    assert read_metadata(build_metadata(metadata)) == metadata


@given(MODELS, st.data())
def test_damaged_metadata_is_read_or_refused(metadata: ModelMetadata, data: st.DataObject) -> None:
    written = bytearray(build_metadata(metadata))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(written) - 1))
        written[position] = data.draw(st.integers(0, 255))

    with contextlib.suppress(NotATfliteModelError):
        read = read_metadata(bytes(written[: data.draw(st.integers(0, len(written)))]))
        assert isinstance(read, ModelMetadata)


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\x08\0\0\0TFL3\0\0\0\0"])
def test_what_is_no_metadata_is_refused(data: bytes) -> None:
    with pytest.raises(NotATfliteModelError, match="no M001 identifier"):
        read_metadata(data)


def metadata_of(path: Path) -> ModelMetadata:
    model = read_model(split_archive(path.read_bytes())[0])
    return read_metadata(model.metadata[METADATA_NAME])


@pytest.mark.parametrize(
    ("name", "mean", "labels"),
    [
        ("mobilenet_v1_025/mobilenet_v1_0.25_224_1_metadata_1.tflite", (127.5,), "labels.txt"),
        ("mobilenet_v1_025/mobilenet_v1_0.25_224_quant.tflite", (127.5,), "labels.txt"),
        ("coral/mobilenet_v1_0.25_128_quant.tflite", (127.5,), "imagenet_labels.txt"),
        ("coral/mobilenet_v1_0.25_128_quant_edgetpu.tflite", (127.5,), "imagenet_labels.txt"),
        ("coral/mobilenet_v1_0.5_160_quant.tflite", (127.5,), "imagenet_labels.txt"),
        ("coral/mobilenet_v2_1.0_224_quant.tflite", (127.5,), "imagenet_labels.txt"),
        ("coral/tf2_mobilenet_v2_1.0_224_ptq.tflite", (127.5,), "imagenet_labels.txt"),
    ],
)
def test_classifiers_of_others_are_read(
    shared_data: Path, name: str, mean: tuple[float, ...], labels: str
) -> None:
    (image,), (scores,) = (
        (read := metadata_of(shared_data / name)).inputs,
        read.outputs,
    )

    assert image.colour_space == "RGB"
    assert (image.mean, image.std) == (mean, mean)
    assert scores.files == (AssociatedFile(labels, TENSOR_AXIS_LABELS),)


def test_a_detector_of_others_is_read(shared_data: Path) -> None:
    path = "mobilenet_v1_025/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
    metadata = metadata_of(shared_data / path)

    assert [tensor.name for tensor in metadata.outputs] == [
        "locations",
        "classes",
        "scores",
        "number of detections",
    ]


def test_metadata_without_a_subgraph_is_read(shared_data: Path) -> None:
    path = "mobilenet_v1_025/mobilenet_v1_0.25_224_quant_without_subgraph_metadata.tflite"
    metadata = metadata_of(shared_data / path)

    assert (metadata.inputs, metadata.outputs) == ((), ())


def test_metadata_of_others_can_be_written_again(shared_data: Path) -> None:
    path = "mobilenet_v1_025/mobilenet_v1_0.25_224_1_metadata_1.tflite"
    metadata = metadata_of(shared_data / path)

    assert read_metadata(build_metadata(metadata)) == metadata


def test_metadata_is_what_the_schema_of_others_says() -> None:
    """Read with flatbuffers' own reader, by the field numbers of metadata_schema.fbs."""
    from flatbuffers.encode import Get
    from flatbuffers.packer import uoffset
    from flatbuffers.table import Table

    image = TensorMetadata(name="image", colour_space="RGB", mean=(127.5,), std=(128.0,))
    data = build_metadata(ModelMetadata(name="n", inputs=(image,), min_parser_version="1.0.0"))
    assert data[4:8] == b"M001"

    def follow(table: Table, field: int) -> Table:
        offset = table.Offset(4 + 2 * field)
        assert offset
        return Table(table.Bytes, table.Indirect(table.Pos + offset))

    def first(table: Table, field: int) -> Table:
        return Table(table.Bytes, table.Indirect(table.Vector(table.Offset(4 + 2 * field))))

    root = Table(data, Get(uoffset, data, 0))
    tensor = first(first(root, 3), 2)
    normalization = follow(first(tensor, 4), 1)

    assert tensor.String(tensor.Pos + tensor.Offset(4)) == b"image"
    assert normalization.VectorLen(normalization.Offset(4)) == 1
    assert replace(image) == read_metadata(data).inputs[0]
