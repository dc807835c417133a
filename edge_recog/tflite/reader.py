"""Bounds-checked reading of a FlatBuffer that may be hostile.

Every offset is checked before it is followed, and the work is bounded: a file that makes many
tables share one big child is refused rather than walked for minutes. The layout of tables, vtables,
vectors and strings is that of https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from edge_recog.errors import NotATfliteModelError
from edge_recog.tflite.schema import UNIONS, fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAX_TABLES = 100_000
"""Tables decoded in one file. An EfficientNet-Lite0 has about 700; each costs microseconds."""
MAX_ELEMENTS = 2_000_000
"""Elements of short vectors and bytes of strings copied out of one file."""
MAX_VTABLE_BYTES = 4 + 2 * 64
"""The largest table of the schema has 17 fields; newer schemas may add some."""

_FORMATS = {
    "bool": "?", "i8": "b", "u8": "B", "i16": "h", "u16": "H",
    "i32": "i", "u32": "I", "i64": "q", "u64": "Q", "f32": "f",
}  # fmt: skip
_DTYPES = {"f32": "<f4", "i64": "<i8", "i32": "<i4", "u16": "<u2", "u8": "u1"}

_U32 = struct.Struct("<I").unpack_from
_I32 = struct.Struct("<i").unpack_from
_U16_PAIR = struct.Struct("<HH").unpack_from


class _Layout(NamedTuple):
    """How tables that share one vtable are read."""

    size: int
    """Bytes of the table, its vtable offset included."""
    unpack: Callable[[memoryview, int], tuple[Any, ...]]
    """Reads every field that is present, in the order in which they lie in the table."""
    names: tuple[str, ...]
    """Their names, in the same order."""
    absent: dict[str, Any]
    """What each field is when it is absent."""
    references: tuple[tuple[str, str, int], ...]
    """Name, type and place within the table of each field that is an offset."""


class Reader:
    """Reads tables of the TFLite schema out of a FlatBuffer."""

    __slots__ = ("_elements_left", "_layouts", "_tables_left", "data")

    data: memoryview
    """The whole file: read-only bytes."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = memoryview(data).cast("B").toreadonly()
        self._layouts: dict[tuple[str, int], _Layout] = {}
        self._tables_left = MAX_TABLES
        self._elements_left = MAX_ELEMENTS

    def root(self, table: str) -> dict[str, Any]:
        """Return the root table, read as in `table`."""
        return self.table(table, self._offset(0))

    def table(self, table: str, position: int) -> dict[str, Any]:
        """Return the fields of the table at `position`, with everything they refer to.

        A reference that is absent is None; an absent scalar has its default.

        Raises:
            NotATfliteModelError: An offset leads outside the file, or the file asks for more work
                than any model does.
        """
        self._tables_left -= 1
        if self._tables_left < 0:
            _refuse(f"it has more than {MAX_TABLES} tables")
        data = self.data
        if position & 3 or position + 4 > len(data):
            _refuse(f"{table} at byte {position} is outside the file or misaligned")
        vtable = position - _I32(data, position)[0]
        layout = self._layouts.get((table, vtable))
        if layout is None:
            layout = self._layouts[table, vtable] = self._layout(table, vtable)
        if position + layout.size > len(data):
            _refuse(f"{table} at byte {position} runs past the end of the file")
        row = layout.absent.copy()
        row.update(zip(layout.names, layout.unpack(data, position), strict=True))
        for name, kind, place in layout.references:
            place += position
            if kind[0] != "|":
                row[name] = self._follow(kind, place + row[name])
                continue
            members = UNIONS[kind[1:]]
            member = row[f"{name}_type"]
            if member >= len(members):
                _refuse(f"{table} has {name} of type {member}, which the schema does not know")
            row[name] = self.table(members[member], place + row[name]) if member else None
        return row

    def _layout(self, table: str, vtable: int) -> _Layout:
        """Return how to read tables of a kind that use the vtable at this position."""
        data = self.data
        if vtable < 0 or vtable & 1 or vtable + 4 > len(data):
            _refuse(f"the vtable of a {table} is outside the file or misaligned")
        vtable_size, size = _U16_PAIR(data, vtable)
        if not 4 <= vtable_size <= MAX_VTABLE_BYTES or vtable_size & 1 or size < 4:
            _refuse(f"the vtable of a {table} has an impossible size")
        if vtable + vtable_size > len(data):
            _refuse(f"the vtable of a {table} runs past the end of the file")
        count = vtable_size // 2 - 2
        places = struct.unpack_from(f"<{count}H", data, vtable + 4)
        absent: dict[str, Any] = {}
        present: list[tuple[int, str, str]] = []
        references = []
        for index, field in enumerate(fields(table)):
            is_scalar = field.type in _FORMATS
            absent[field.name] = field.default if is_scalar else None
            if index < count and places[index]:
                place = places[index]
                present.append((place, field.name, _FORMATS[field.type] if is_scalar else "I"))
                if not is_scalar:
                    references.append((field.name, field.type, place))
        present.sort()
        format_, end = "<", 0
        for place, name, code in present:
            if place < max(end, 4):
                _refuse(f"field {name} of a {table} overlaps another one")
            format_ += f"{place - end}x{code}"
            end = place + struct.calcsize(f"<{code}")
        if end > size:
            _refuse(f"a field of a {table} lies outside it")
        names = tuple(name for _, name, _ in present)
        return _Layout(size, struct.Struct(format_).unpack_from, names, absent, tuple(references))

    def _offset(self, position: int) -> int:
        """Return where the offset at `position` leads."""
        if position + 4 > len(self.data):
            _refuse("it ends within its header")
        return position + int(_U32(self.data, position)[0])

    def _follow(self, kind: str, position: int) -> Any:
        """Return what lies at `position`: a string, a vector or a table."""
        if kind == "string":
            return self._string(position)
        if kind == "bytes":
            start, count = self._vector(position, 1)
            return self.data[start : start + count]
        if kind[0] == "(":
            return self._tuple(kind[1:-1], position)
        if kind[0] != "[":
            return self.table(kind, position)
        kind = kind[1:-1]
        if kind in _DTYPES:
            return self._array(kind, position)
        start, count = self._vector(position, 4)
        if count > self._tables_left:
            _refuse(f"it has more than {MAX_TABLES} tables")
        offsets = struct.unpack_from(f"<{count}I", self.data, start)
        return [self._follow(kind, start + 4 * i + offset) for i, offset in enumerate(offsets)]

    def _vector(self, position: int, width: int) -> tuple[int, int]:
        """Return where a vector's elements of `width` bytes start, and how many there are."""
        if position & 3 or position + 4 > len(self.data):
            _refuse(f"a vector at byte {position} is outside the file or misaligned")
        count = int(_U32(self.data, position)[0])
        if position + 4 + count * width > len(self.data):
            _refuse(f"a vector at byte {position} runs past the end of the file")
        return position + 4, count

    def _spend(self, elements: int) -> None:
        self._elements_left -= elements
        if self._elements_left < 0:
            _refuse(f"its names and short lists hold more than {MAX_ELEMENTS} elements")

    def _tuple(self, kind: str, position: int) -> tuple[int, ...]:
        code = _FORMATS[kind]
        start, count = self._vector(position, struct.calcsize(f"<{code}"))
        self._spend(count)
        return struct.unpack_from(f"<{count}{code}", self.data, start)

    def _array(self, kind: str, position: int) -> NDArray[Any]:
        dtype = _DTYPES[kind]
        start, count = self._vector(position, int(dtype[-1]))
        return np.frombuffer(self.data, dtype, count, start)

    def _string(self, position: int) -> str:
        start, count = self._vector(position, 1)
        self._spend(count)
        end = start + count
        # C code reads strings up to this zero.
        if end >= len(self.data) or self.data[end]:
            _refuse(f"a string at byte {position} is not terminated")
        return str(self.data[start:end], "utf-8", "replace")


def _refuse(reason: str) -> NoReturn:
    raise NotATfliteModelError(f"The model file is damaged: {reason}. Copy or convert it again.")
