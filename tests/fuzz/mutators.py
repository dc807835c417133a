"""Seeded damage to TFLite files, from single bits to single fields of the schema.

    mutate(random.Random("1:42"), models)

The same seed and the same models give the same mutant.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_recog.tflite.schema import UNIONS, fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_CODES = {
    "bool": "B", "i8": "b", "u8": "B", "i16": "h", "u16": "H",
    "i32": "i", "u32": "I", "i64": "q", "u64": "Q", "f32": "f",
}  # fmt: skip
_INTEGERS = (0, 1, -1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 1000, 65_535, 2**20, 2**28, 2**31 - 1)
_REALS = (0.0, -0.0, -1.0, 1e-45, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"))
_SMALL_BYTES = 64
"""Constants up to this size are shapes, axes and paddings, which steer the native code."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the file that means something."""

    position: int
    code: str
    """struct's letter; `uoffset` and `vtable` are `I` and `H`."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A sound model and a map of it."""

    name: str
    data: bytes
    spots: dict[str, list[Spot]] = field(default_factory=dict)
    """By what they are: `Tensor.type`, `Operator.inputs[]`, `SubGraph.tensors#` (a length), …"""


def seed(name: str, data: bytes) -> Seed:
    """Return a sound model with a map of every field, vector and vtable in it."""
    result = Seed(name, data)
    _chart(result, "Model", _u32(data, 0), set())
    return result


def mutate(random: Random, seeds: Sequence[Seed]) -> bytes:
    """Return one of the models, damaged in one to three ways."""
    model = random.choice(seeds)
    data = bytearray(model.data)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choices(_MUTATIONS, _WEIGHTS)[0](random, data, model, seeds)
        if len(data) < 4:
            break
    return bytes(data)


def _chart(result: Seed, table: str, position: int, seen: set[tuple[str, int]]) -> None:
    """Note where the fields of a table and of everything it refers to lie."""
    if (table, position) in seen:
        return
    seen.add((table, position))
    data = result.data

    def note(what: str, place: int, code: str) -> None:
        result.spots.setdefault(f"{table}.{what}", []).append(Spot(place, code))

    vtable = position - struct.unpack_from("<i", data, position)[0]
    count = (struct.unpack_from("<H", data, vtable)[0] - 4) // 2
    note("vtable", position, "i")
    member = 0
    for index, spec in enumerate(fields(table)[:count]):
        slot = vtable + 4 + 2 * index
        offset = struct.unpack_from("<H", data, slot)[0]
        note(f"{spec.name}@", slot, "H")
        if not offset:
            continue
        place = position + offset
        if spec.type in _CODES:
            note(spec.name, place, _CODES[spec.type])
            member = data[place]
            continue
        note(f"{spec.name}>", place, "I")
        target = place + _u32(data, place)
        if spec.type[0] == "|":
            if member:
                _chart(result, UNIONS[spec.type[1:]][member], target, seen)
        elif spec.type[0] not in "([" and spec.type not in ("string", "bytes"):
            _chart(result, spec.type, target, seen)
        else:
            length = _u32(data, target)
            note(f"{spec.name}#", target, "I")
            kind = spec.type.strip("()[]")
            if kind in _CODES or (kind == "bytes" and length <= _SMALL_BYTES):
                # The content of a small buffer is most often int32.
                code = _CODES.get(kind, "i")
                width = struct.calcsize(f"<{code}")
                size = length * width if kind != "bytes" else length
                for at in range(target + 4, target + 4 + size - width + 1, width):
                    note(f"{spec.name}[]", at, code)
            elif spec.type[0] == "[":
                for at in range(target + 4, target + 4 + 4 * length, 4):
                    note(f"{spec.name}[]>", at, "I")
                    _chart(result, kind, at + _u32(data, at), seen)


def _u32(data: bytes | bytearray, position: int) -> int:
    return int.from_bytes(data[position : position + 4], "little")


def _store(data: bytearray, spot: Spot, value: float) -> None:
    """Write a value, wrapped around to the width of the place."""
    width = struct.calcsize(f"<{spot.code}")
    if spot.position + width > len(data):
        return
    if spot.code == "f":
        struct.pack_into("<f", data, spot.position, value)
    else:
        bits = int(value) & (256**width - 1)
        data[spot.position : spot.position + width] = bits.to_bytes(width, "little")


def _load(data: bytearray, spot: Spot) -> float:
    if spot.position + struct.calcsize(f"<{spot.code}") > len(data):
        return 0
    value: float = struct.unpack_from(f"<{spot.code}", data, spot.position)[0]
    return value


def _flip_bits(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    for _ in range(random.randint(1, 8)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set_bytes(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    for _ in range(random.randint(1, 8)):
        data[random.randrange(len(data))] = random.choice((0, 1, 127, 128, 255))


def _set_word(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    spot = Spot(random.randrange(len(data) // 4) * 4, "I")
    neighbour = _load(data, spot) + random.choice((-4, -1, 1, 4))
    _store(data, spot, random.choice((*_INTEGERS, -(2**31), neighbour)))


def _truncate(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    del data[random.randrange(len(data)) :]


def _splice(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    """Copy a block from another model, or from another place of this one."""
    source = random.choice((model, random.choice(seeds))).data
    size = random.choice((4, 8, 16, 64, 256, 4096))
    start = random.randrange(len(source))
    at = random.choice((start, random.randrange(len(data))))
    data[at : at + size] = source[start : start + size]


def _set_field(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    """Set a field, a length, an offset or a vtable entry, every kind of them equally likely."""
    spots = model.spots[random.choice(list(model.spots))]
    spot, other = random.choice(spots), random.choice(spots)
    value = _load(data, spot)
    choices: list[float] = [_load(data, other)]
    if spot.code == "f":
        choices += _REALS
    else:
        choices += [value - 4, value - 1, value + 1, value + 4, random.choice(_INTEGERS)]
        choices += [random.choice(_INTEGERS), -(2**31), random.randrange(256)]
    _store(data, spot, random.choice(choices))


def _retarget(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    """Let an offset lead to where another one of the same kind leads."""
    kinds = [what for what in model.spots if what.endswith(">")]
    spots = model.spots[random.choice(kinds)]
    spot, other = random.choice(spots), random.choice(spots)
    _store(data, spot, other.position + _load(data, other) - spot.position)


def _swap(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    """Exchange two values of the same kind, such as the inputs of two operators."""
    spots = model.spots[random.choice(list(model.spots))]
    spot, other = random.choice(spots), random.choice(spots)
    mine, theirs = _load(data, spot), _load(data, other)
    if spot.code == other.code and spot.code != "f":
        _store(data, spot, theirs)
        _store(data, other, mine)


def _shapes(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    """Change dimensions, options and the wiring, which native kernels rely on most."""
    kinds = [
        what
        for what in model.spots
        if what in _WIRING or (".options" not in what and "Options." in what and "@" not in what)
    ]
    spots = model.spots[random.choice(kinds)]
    spot, other = random.choice(spots), random.choice(spots)
    value = _load(data, spot)
    choices = (_load(data, other), value * 2, value // 2, value + 1, value - 1, -value, 0, 1, -1)
    _store(data, spot, random.choice(choices) if spot.code != "f" else random.choice(_REALS))


_WIRING = {
    "Tensor.shape[]", "Tensor.shape#", "Tensor.type", "Tensor.buffer", "Operator.inputs[]",
    "Operator.inputs#", "Operator.outputs[]", "Operator.outputs#", "Operator.opcode_index",
    "OperatorCode.builtin_code", "OperatorCode.deprecated_builtin_code", "OperatorCode.version",
    "SubGraph.inputs[]", "SubGraph.outputs[]", "SubGraph.inputs#", "SubGraph.outputs#",
    "QuantizationParameters.scale[]", "QuantizationParameters.zero_point[]",
    "QuantizationParameters.scale#", "QuantizationParameters.zero_point#",
    "QuantizationParameters.quantized_dimension", "Operator.builtin_options_type", "Buffer.data[]",
    "Buffer.data#", "Tensor.shape_signature[]", "Tensor.is_variable",
}  # fmt: skip


def _tail(random: Random, data: bytearray, model: Seed, seeds: Sequence[Seed]) -> None:
    """Damage the ZIP archive behind the model, or put a broken one there."""
    at = data.rfind(b"PK\x05\x06")
    if at < 0 or random.random() < 0.2:
        data += b"PK\x05\x06" + random.randbytes(random.choice((0, 4, 18, 40)))
        return
    start = max(data.find(b"PK\x03\x04"), 0)
    for _ in range(random.randint(1, 4)):
        spot = Spot(random.randrange(start, len(data)), random.choice("BHI"))
        _store(data, spot, random.choice((*_INTEGERS, random.randrange(2**32))))


_MUTATIONS: tuple[Callable[[Random, bytearray, Seed, Sequence[Seed]], None], ...] = (
    _flip_bits, _set_bytes, _set_word, _truncate, _splice, _set_field, _retarget, _swap, _shapes,
    _tail,
)  # fmt: skip
_WEIGHTS = (1, 1, 1, 0.5, 1, 6, 2, 2, 6, 0.5)
