"""A pickle reader that can build plain data and nothing else.

Python's own `pickle.Unpickler` runs whatever a pickle names. This one is a stack machine of its
own: the few opcodes that torch's legacy archives are made of, each with a fixed effect on plain
values. A name in the pickle (`GLOBAL`) becomes a `Name`, a piece of text; calling it (`REDUCE`)
runs one of the constructors that the caller listed, or is an error. No attribute is ever looked
up, no module imported, and every other opcode is refused.

Opcodes: https://github.com/python/cpython/blob/3.11/Lib/pickletools.py
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge_recog_converter.errors import PretrainedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST_NAME: Final = 128
"""Bytes of a module or attribute name; torch's longest is 18."""
_LONGEST_INTEGER: Final = 16
"""Bytes of a LONG1; torch's magic number takes 10."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a GLOBAL opcode leaves on the stack: a dotted name, never the object it names."""

    dotted: str
    """Module and attribute, e.g. `collections.OrderedDict`."""


class ByteReader:
    """Takes bytes from the front of a buffer, never more than there are."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self.position = 0
        """Offset of the next byte from the buffer's start."""

    @property
    def remaining(self) -> int:
        """Bytes left."""
        return len(self._data) - self.position

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes.

        Raises:
            PretrainedError: The buffer ends before.
        """
        if not 0 <= count <= self.remaining:
            raise PretrainedError(
                f"the archive ends at byte {len(self._data)}, in the middle of an item of "
                f"{count} bytes at {self.position}: it is truncated or damaged"
            )
        taken = self._data[self.position : self.position + count]
        self.position += count
        return taken

    def take_line(self) -> str:
        """Return the text up to the next newline, which is taken too.

        Raises:
            PretrainedError: No newline within `_LONGEST_NAME` bytes, or not ASCII.
        """
        window = bytes(self._data[self.position : self.position + _LONGEST_NAME])
        length = window.find(b"\n")
        if length < 0 or not window[:length].isascii():
            raise PretrainedError(f"no plain name where one is due, at byte {self.position}")
        self.position += length + 1
        return window[:length].decode("ascii")

    def unpack(self, layout: struct.Struct) -> int:
        """Return the next integer of a one-item `layout`."""
        value: int = layout.unpack(self.take(layout.size))[0]
        return value


_U8 = struct.Struct("<B")
_U16 = struct.Struct("<H")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")

_MARK: Final = object()


class PickleMachine:
    """Reads one pickle after another from the same buffer."""

    def __init__(
        self,
        reader: ByteReader,
        *,
        constructors: Mapping[str, Callable[..., Any]] | None = None,
        resolve: Callable[[Any], Any] | None = None,
    ) -> None:
        """Prepare to read.

        Args:
            reader: Where the pickles come from; left after the last byte read.
            constructors: What REDUCE may call, by dotted name, with the pickle's own arguments.
                They check their arguments and raise `PretrainedError`.
            resolve: Turns a persistent id into a value; None refuses persistent ids.
        """
        self._reader = reader
        self._constructors = constructors or {}
        self._resolve = resolve
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Read one pickle, up to and including its STOP, and return its value.

        Raises:
            PretrainedError: Truncated, malformed, or something other than plain data.
        """
        self._stack, self._memo = [], {}
        while True:
            start = self._reader.position
            opcode = bytes(self._reader.take(1))
            if opcode == b".":  # STOP
                break
            step = _STEPS.get(opcode)
            if step is None:
                raise PretrainedError(
                    f"pickle opcode {opcode!r} at byte {start} is not one that weights need; "
                    "the archive is damaged or was made to run code"
                )
            step(self)
        value = self._pop()
        if self._stack:
            raise PretrainedError("a pickle of the archive ends with values left over")
        return value

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise PretrainedError(
                f"a pickle of the archive runs out of values at byte {self._reader.position}"
            )
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise PretrainedError(f"a pickle of the archive lacks a mark at {self._reader.position}")

    def _peek(self, kind: type[Any]) -> Any:
        if not self._stack or self._stack[-1] is _MARK or not isinstance(self._stack[-1], kind):
            raise PretrainedError(
                f"a pickle of the archive lacks {kind.__name__} at byte {self._reader.position}"
            )
        return self._stack[-1]

    def _protocol(self) -> None:
        version = self._reader.unpack(_U8)
        if version != 2:
            raise PretrainedError(f"pickle protocol {version}; torch archives use protocol 2")

    def _global(self) -> None:
        module, attribute = self._reader.take_line(), self._reader.take_line()
        self._stack.append(Name(f"{module}.{attribute}"))

    def _reduce(self) -> None:
        arguments, target = self._pop(), self._pop()
        if not isinstance(target, Name) or not isinstance(arguments, tuple):
            raise PretrainedError("a pickle of the archive calls something that has no name")
        constructor = self._constructors.get(target.dotted)
        if constructor is None:
            raise PretrainedError(
                f"the archive wants to call {target.dotted!r}, which weights do not need; "
                "it is damaged or was made to run code"
            )
        self._stack.append(constructor(*arguments))

    def _build(self) -> None:
        """Drop the state of an OrderedDict: torch keeps layer versions there."""
        self._pop()
        self._peek(OrderedDict)

    def _persistent(self) -> None:
        if self._resolve is None:
            raise PretrainedError("a persistent id where the archive should have plain data")
        self._stack.append(self._resolve(self._pop()))

    def _text(self) -> None:
        raw = bytes(self._reader.take(self._reader.unpack(_U32)))
        try:
            self._stack.append(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise PretrainedError(f"a text of the archive is not UTF-8: {error}") from error

    def _long(self) -> None:
        size = self._reader.unpack(_U8)
        if size > _LONGEST_INTEGER:
            raise PretrainedError(f"an integer of {size} bytes in the archive")
        self._stack.append(int.from_bytes(self._reader.take(size), "little", signed=True))

    def _tuple(self, size: int) -> None:
        items = [self._pop() for _ in range(size)]
        self._stack.append(tuple(reversed(items)))

    def _set_items(self, pairs: list[Any]) -> None:
        mapping = self._peek(dict)
        keys, values = pairs[::2], pairs[1::2]
        # Only text: hashing nested tuples that share their parts can take for ever.
        if len(keys) != len(values) or not all(isinstance(key, str) for key in keys):
            raise PretrainedError("a mapping of the archive has a key that is not text")
        for key, value in zip(keys, values, strict=True):
            if key in mapping:
                raise PretrainedError(f"a mapping of the archive has {key[:80]!r} twice")
            mapping[key] = value

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _append(self, items: list[Any]) -> None:
        self._peek(list).extend(items)

    def _put(self, key: int) -> None:
        self._memo[key] = self._peek(object)

    def _get(self, key: int) -> None:
        if key not in self._memo:
            raise PretrainedError(f"a pickle of the archive recalls value {key} before storing it")
        self._stack.append(self._memo[key])

    def _push(self, value: Any) -> None:
        self._stack.append(value)


_STEPS: Final[dict[bytes, Callable[[PickleMachine], None]]] = {
    b"\x80": lambda m: m._protocol(),
    b"(": lambda m: m._push(_MARK),
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"K": lambda m: m._push(m._reader.unpack(_U8)),
    b"M": lambda m: m._push(m._reader.unpack(_U16)),
    b"J": lambda m: m._push(m._reader.unpack(_I32)),
    b"\x8a": lambda m: m._long(),
    b"X": lambda m: m._text(),
    b")": lambda m: m._push(()),
    b"t": lambda m: m._push(tuple(m._pop_to_mark())),
    b"\x85": lambda m: m._tuple(1),
    b"\x86": lambda m: m._tuple(2),
    b"\x87": lambda m: m._tuple(3),
    b"}": lambda m: m._push({}),
    b"s": lambda m: m._set_item(),
    b"u": lambda m: m._set_items(m._pop_to_mark()),
    b"]": lambda m: m._push([]),
    b"a": lambda m: m._append([m._pop()]),
    b"e": lambda m: m._append(m._pop_to_mark()),
    b"q": lambda m: m._put(m._reader.unpack(_U8)),
    b"r": lambda m: m._put(m._reader.unpack(_U32)),
    b"h": lambda m: m._get(m._reader.unpack(_U8)),
    b"j": lambda m: m._get(m._reader.unpack(_U32)),
    b"c": lambda m: m._global(),
    b"R": lambda m: m._reduce(),
    b"b": lambda m: m._build(),
    b"Q": lambda m: m._persistent(),
}
"""What each opcode does, beside STOP."""
