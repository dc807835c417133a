"""TFLite Metadata: what a model says of itself in the format that TFLite Task and MediaPipe read.

A FlatBuffer of its own (root `ModelMetadata`, file identifier M001), kept in the model under the
metadata name `TFLITE_METADATA`. Field numbers below are those of `tflite.metadata_schema`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import flatbuffers

from edge_recog.errors import NotATfliteModelError
from edge_recog.tflite.metadata_schema import METADATA_IDENTIFIER
from edge_recog.tflite.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METADATA_NAME = "TFLITE_METADATA"

TENSOR_AXIS_LABELS = 2
"""`AssociatedFileType`: one line for each position along the tensor's last axis."""
_COLOUR_SPACES = {1: "RGB", 2: "GRAYSCALE"}
_IMAGE_PROPERTIES = 2
_NORMALIZATION_OPTIONS = 1
_SCORE_CALIBRATION_OPTIONS = 2
_SCORE_THRESHOLDING_OPTIONS = 3


@dataclass(frozen=True, slots=True)
class AssociatedFile:
    """A file in the ZIP at the model's end, and what it is for."""

    name: str
    type: int
    locale: str = ""


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """What is said of one input or output tensor."""

    name: str = ""
    description: str = ""
    colour_space: str | None = None
    """RGB or GRAYSCALE; None where nothing is said."""
    mean: tuple[float, ...] | None = None
    """Normalisation: `(pixel - mean) / std`, for quantised models too; None where not said."""
    std: tuple[float, ...] | None = None
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    """Range of the tensor's real values (`Stats`)."""
    files: tuple[AssociatedFile, ...] = ()
    score_threshold: float | None = None
    has_score_calibration: bool = False


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What is said of a model with one subgraph."""

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    inputs: tuple[TensorMetadata, ...] = ()
    outputs: tuple[TensorMetadata, ...] = ()
    min_parser_version: str = ""


def read_metadata(data: bytes | memoryview) -> ModelMetadata:
    """Return the metadata of the first subgraph.

    Raises:
        NotATfliteModelError: Not TFLite Metadata, or damaged.
    """
    if bytes(data[4:8]) != METADATA_IDENTIFIER:
        raise NotATfliteModelError("its TFLite Metadata has no M001 identifier: it is damaged")
    root = Reader(data).root("ModelMetadata")
    subgraph = (root["subgraph_metadata"] or [{}])[0]
    texts = ("name", "description", "version", "author", "license", "min_parser_version")
    return ModelMetadata(
        inputs=tuple(map(_read_tensor, subgraph.get("input_tensor_metadata") or ())),
        outputs=tuple(map(_read_tensor, subgraph.get("output_tensor_metadata") or ())),
        **{text: root[text] or "" for text in texts},
    )


def _read_tensor(tensor: Mapping[str, Any]) -> TensorMetadata:
    units = {unit["options_type"]: unit["options"] for unit in tensor["process_units"] or ()}
    normalization = units.get(_NORMALIZATION_OPTIONS, {})
    content = tensor["content"] or {"content_properties_type": 0}
    is_image = content["content_properties_type"] == _IMAGE_PROPERTIES
    stats = tensor["stats"] or {}
    return TensorMetadata(
        name=tensor["name"] or "",
        description=tensor["description"] or "",
        colour_space=(
            _COLOUR_SPACES.get(content["content_properties"]["color_space"]) if is_image else None
        ),
        mean=normalization.get("mean"),
        std=normalization.get("std"),
        minimum=stats.get("min") or (),
        maximum=stats.get("max") or (),
        files=tuple(
            AssociatedFile(file["name"] or "", file["type"], file["locale"] or "")
            for file in tensor["associated_files"] or ()
        ),
        score_threshold=units.get(_SCORE_THRESHOLDING_OPTIONS, {}).get("global_score_threshold"),
        has_score_calibration=_SCORE_CALIBRATION_OPTIONS in units,
    )


def build_metadata(metadata: ModelMetadata) -> bytes:
    """Return the FlatBuffer to keep under `METADATA_NAME`."""
    writer = _Writer()
    inputs = writer.tables([_write_tensor(writer, tensor) for tensor in metadata.inputs])
    outputs = writer.tables([_write_tensor(writer, tensor) for tensor in metadata.outputs])
    subgraphs = writer.tables([writer.table(10, offsets={2: inputs, 3: outputs})])
    strings = {
        0: metadata.name,
        1: metadata.description,
        2: metadata.version,
        4: metadata.author,
        5: metadata.license,
        7: metadata.min_parser_version,
    }
    offsets = {field: writer.string(text) for field, text in strings.items() if text}
    root = writer.table(8, offsets=offsets | {3: subgraphs})
    writer.builder.Finish(root, file_identifier=METADATA_IDENTIFIER)
    return bytes(writer.builder.Output())


def _write_tensor(writer: _Writer, tensor: TensorMetadata) -> int:
    offsets = {0: writer.string(tensor.name), 1: writer.string(tensor.description)}
    if tensor.colour_space is not None:
        space = {name: number for number, name in _COLOUR_SPACES.items()}[tensor.colour_space]
        properties = writer.table(2, bytes_={0: space})
        offsets[3] = writer.table(3, bytes_={0: _IMAGE_PROPERTIES}, offsets={1: properties})
    units = []
    if tensor.mean is not None and tensor.std is not None:
        lists = {0: writer.floats(tensor.mean), 1: writer.floats(tensor.std)}
        options = writer.table(2, offsets=lists)
        units.append(writer.table(2, bytes_={0: _NORMALIZATION_OPTIONS}, offsets={1: options}))
    if units:
        offsets[4] = writer.tables(units)
    if tensor.minimum and tensor.maximum:
        lists = {0: writer.floats(tensor.maximum), 1: writer.floats(tensor.minimum)}
        offsets[5] = writer.table(2, offsets=lists)
    if tensor.files:
        offsets[6] = writer.tables(
            [
                writer.table(
                    5,
                    bytes_={2: file.type},
                    offsets={0: writer.string(file.name)}
                    | ({3: writer.string(file.locale)} if file.locale else {}),
                )
                for file in tensor.files
            ]
        )
    return writer.table(7, offsets=offsets)


class _Writer:
    """The four shapes of object that metadata is made of."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)

    def string(self, text: str) -> int:
        return int(self.builder.CreateString(text))

    def floats(self, values: Sequence[float]) -> int:
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependFloat32(value)
        return int(self.builder.EndVector())

    def tables(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def table(
        self,
        fields: int,
        *,
        bytes_: dict[int, int] | None = None,
        offsets: dict[int, int] | None = None,
    ) -> int:
        self.builder.StartObject(fields)
        for field, offset in (offsets or {}).items():
            self.builder.PrependUOffsetTRelativeSlot(field, offset, 0)
        for field, value in (bytes_ or {}).items():
            self.builder.PrependUint8Slot(field, value, 0)
        return int(self.builder.EndObject())
