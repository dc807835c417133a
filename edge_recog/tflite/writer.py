"""Metadata put into a TFLite file without touching anything else in it.

The model is left as it is, byte for byte, behind a short front: a new root that points into it for
everything but its list of buffers and its metadata. A front written earlier is taken off first, so
that rewriting does not make a file grow. FlatBuffer offsets are relative and lead forwards, which
is what makes this possible: https://flatbuffers.dev/internals/.

    root offset · TFL3 · mark · length of the front     20 bytes
    Model · buffers · metadata · names · new buffers    padded to a multiple of 64
    the model as it was
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from edge_recog.errors import NotATfliteModelError, UnsupportedModelError
from edge_recog.tflite.decoding import decode_model
from edge_recog.tflite.reader import Reader
from edge_recog.tflite.schema import FILE_IDENTIFIER, fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MARK = b"edgercg1"
_HEADER_BYTES = 20
_ALIGNMENT = 64
"""Of the old model within the new one. Its buffers are aligned to 16 (`force_align` in the schema),
and some writers align to more."""
_LARGEST_BYTES = 2**31 - 1
"""Offsets are unsigned 32-bit, but the C++ verifier takes no file beyond this size."""
_FIELDS = tuple(field.name for field in fields("Model"))


def with_metadata(model: bytes, entries: Mapping[str, bytes]) -> bytes:
    """Return the same model with these metadata buffers, in place of those of the same name.

    Args:
        model: A TFLite file without anything behind the model, such as a ZIP archive.
        entries: Content by name, such as `TFLITE_METADATA`. Names are written as UTF-8.

    Raises:
        NotATfliteModelError: It is not a TFLite model.
        UnsupportedModelError: The model is laid out in a way that cannot be rewritten.
    """
    inner, added = _split(model)
    return _join(inner, {**added, **entries})


def _split(model: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the model behind a front of ours, and the metadata that the front adds to it."""
    if model[8:16] != _MARK:
        return model, {}
    inner = model[int.from_bytes(model[16:_HEADER_BYTES], "little") :]
    try:
        added = {name: bytes(data) for name, data in decode_model(model).metadata.items()}
        ours = len(inner) < len(model) and _join(inner, added) == model
    except (NotATfliteModelError, UnsupportedModelError):
        ours = False
    # A front that we would write again is one that changes nothing but metadata.
    return (inner, added) if ours else (model, {})


def _join(model: bytes, entries: Mapping[str, bytes]) -> bytes:
    """Return the model behind a new front; the model itself if it has these entries already."""
    present = decode_model(model).metadata
    new = {
        name: data
        for name, data in entries.items()
        if name not in present or bytes(present[name]) != data
    }
    if not new:
        return model
    front = _Front(_Root(model), new)
    if len(front.data) + len(model) > _LARGEST_BYTES:
        raise UnsupportedModelError("A model file with its metadata must stay below 2 GiB.")
    return bytes(front.data) + model


class _Root:
    """Where the parts of a model lie that has been decoded before, which checked every offset."""

    def __init__(self, model: bytes) -> None:
        """Find them.

        Raises:
            UnsupportedModelError: The root has fields that the schema does not know.
        """
        self._model = model
        table = self._u32(0)
        vtable = table - self._i32(table)
        count = (struct.unpack_from("<H", model, vtable)[0] - 4) // 2
        places = struct.unpack_from(f"<{count}H", model, vtable + 4)
        if any(places[len(_FIELDS) :]):
            raise UnsupportedModelError(
                "The model was written for a newer TFLite schema: its root has unknown fields."
            )
        self.version = self._u32(table + places[0])
        self.parts = {
            name: table + place + self._u32(table + place)
            for name, place in zip(_FIELDS, places, strict=False)
            if place and name != "version"
        }
        """Positions of the root's objects by field."""
        reader = Reader(model)
        self.buffers = [
            (position, reader.table("Buffer", position)) for position in self._vector("buffers")
        ]
        self.metadata = [
            (position, reader.table("Metadata", position)["name"])
            for position in self._vector("metadata")
        ]

    def _vector(self, field: str) -> list[int]:
        """Return the positions of the tables of a vector."""
        if field not in self.parts:
            return []
        start = self.parts[field] + 4
        return [start + 4 * i + self._u32(start + 4 * i) for i in range(self._u32(start - 4))]

    def _u32(self, position: int) -> int:
        return int.from_bytes(self._model[position : position + 4], "little")

    def _i32(self, position: int) -> int:
        return int.from_bytes(self._model[position : position + 4], "little", signed=True)


class _Front:
    """The part of a file before the old model."""

    data: bytearray

    def __init__(self, root: _Root, entries: Mapping[str, bytes]) -> None:
        self.data = bytearray(_HEADER_BYTES)
        self._old: list[tuple[int, int]] = []
        buffers_at, metadata_at = self._model(root)
        # Buffer 0 stands for "no buffer" and must exist before there is another one.
        contents = ([] if root.buffers else [b""]) + list(entries.values())
        kept = [position for position, name in root.metadata if name not in entries]

        self._here(buffers_at)
        slots = self._vector(len(root.buffers) + len(contents))
        outside = []
        for slot, (position, row) in zip(slots, root.buffers, strict=False):
            if row["data"] is None and row["offset"] > 1:
                outside.append((slot, row))
            else:
                self._old.append((slot, position))
        self._here(metadata_at)
        metadata_slots = self._vector(len(kept) + len(entries))
        self._old += zip(metadata_slots, kept, strict=False)
        first = len(root.buffers) + len(contents) - len(entries)
        self._metadata(metadata_slots[len(kept) :], entries, first)
        sizes = self._outside(outside)
        self._buffers(slots[len(root.buffers) :], contents)

        self._align(_ALIGNMENT)
        length = len(self.data)
        for place, position in self._old:
            struct.pack_into("<I", self.data, place, length + position - place)
        for place, offset in sizes:
            struct.pack_into("<Q", self.data, place, length + offset)
        struct.pack_into("<4s8sI", self.data, 4, FILE_IDENTIFIER, _MARK, length)

    def _model(self, root: _Root) -> tuple[int, int]:
        """Write the root table; return where its offsets to buffers and metadata lie."""
        names = [
            name
            for name in _FIELDS
            if name in root.parts or name in ("version", "buffers", "metadata")
        ]
        places = {name: 4 + 4 * index for index, name in enumerate(names)}
        table = self._table([places.get(name, 0) for name in _FIELDS], 4 + 4 * len(names))
        struct.pack_into("<I", self.data, 0, table)
        struct.pack_into("<I", self.data, table + places["version"], root.version)
        for name, position in root.parts.items():
            if name not in ("buffers", "metadata"):
                self._old.append((table + places[name], position))
        return table + places["buffers"], table + places["metadata"]

    def _metadata(self, slots: Sequence[int], entries: Mapping[str, bytes], first: int) -> None:
        """Write Metadata tables that refer to buffers `first` and following."""
        for index, (slot, name) in enumerate(zip(slots, entries, strict=True)):
            table = self._table([4, 8], 12, slot)
            struct.pack_into("<I", self.data, table + 8, first + index)
            self._here(table + 4)
            text = name.encode()
            self.data += struct.pack("<I", len(text)) + text + b"\0"

    def _outside(self, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> list[tuple[int, int]]:
        """Write Buffer tables whose content lies behind the FlatBuffer, at an absolute offset.

        Returns:
            Where each offset lies, and what it was in the old file.
        """
        places = []
        for slot, row in rows:
            self._align(8)
            # After a vtable of 10 bytes and 2 of padding: the table starts at 4 modulo 8.
            table = self._table([0, 4, 12], 20, slot)
            struct.pack_into("<Q", self.data, table + 12, row["size"])
            places.append((table + 4, row["offset"]))
        return places

    def _buffers(self, slots: Sequence[int], contents: Sequence[bytes]) -> None:
        """Write Buffer tables that hold these bytes, each aligned to 16."""
        for slot, content in zip(slots, contents, strict=True):
            table = self._table([4], 8, slot)
            self._align(16, before=4)
            self._here(table + 4)
            self.data += struct.pack("<I", len(content)) + content

    def _table(self, places: Sequence[int], size: int, slot: int | None = None) -> int:
        """Write a vtable and an empty table after it; return the table's position.

        Args:
            places: Of the fields within the table, 0 for absent ones.
            size: Bytes of the table.
            slot: Where the offset lies that shall lead to the table.
        """
        self._align(4)
        vtable = len(self.data)
        self.data += struct.pack(f"<{len(places) + 2}H", 4 + 2 * len(places), size, *places)
        self._align(4)
        table = len(self.data)
        self.data += struct.pack("<i", table - vtable).ljust(size, b"\0")
        if slot is not None:
            struct.pack_into("<I", self.data, slot, table - slot)
        return table

    def _vector(self, count: int) -> list[int]:
        """Write a vector of offsets; return where each lies."""
        self._align(4)
        self.data += struct.pack("<I", count)
        start = len(self.data)
        self.data += bytes(4 * count)
        return [start + 4 * i for i in range(count)]

    def _here(self, slot: int) -> None:
        """Let the offset at `slot` lead to what is written next."""
        self._align(4)
        struct.pack_into("<I", self.data, slot, len(self.data) - slot)

    def _align(self, size: int, before: int = 0) -> None:
        """Pad so that what comes `before` bytes later is aligned to `size`."""
        self.data += bytes(-(len(self.data) + before) % size)
