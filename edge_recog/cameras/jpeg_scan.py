"""Whether a JPEG's coded picture lasts to its end, where decoders make up what is missing.

They fill it with grey and say so on stderr only. To count what is there takes a walk through the
Huffman codes, which is slow in Python; so it is done only where the decoded picture ends in that
grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MADE_UP: Final = 128
"""What a block without any coefficients decodes to: ITU-T T.81, A.3.1."""
_BLOCK: Final = 8
"""Pixels a side of a block."""
# Markers as in ITU-T T.81, table B.1.
_SEQUENTIAL: Final = (0xC0, 0xC1)
_TABLES, _SCAN, _RESTARTS = 0xC4, 0xDA, 0xDD

_CODES: Final = 1 << 16
_Table = list[tuple[int, int]]
"""By the next 16 bits: how many of them a code has, and what it stands for; (0, 0) for no code."""


class _Block(NamedTuple):
    dc: _Table
    ac: _Table


class _Plan(NamedTuple):
    """What a scan must have in it."""

    units: int
    """Blocks of all components that belong together, over the whole picture."""
    blocks: list[_Block]
    """Of one unit."""
    interval: int
    """Units between two restart markers; 0 without."""
    begin: int
    """Where the codes begin."""


def is_made_up(data: bytes, pixels: NDArray[np.uint8]) -> bool:
    """Tell whether the lower end of a picture is not in its file.

    Args:
        data: A JPEG that `jpeg.is_fit`.
        pixels: What it was decoded to, (height, width, 3).
    """
    # The block's first row and column may have some colour of the blocks beside it.
    rows, columns = ((side - 1) % _BLOCK or 1 for side in pixels.shape[:2])
    corner = pixels[-rows:, -columns:]
    return bool((corner == _MADE_UP).all()) and not lasts_to_its_end(data)


def lasts_to_its_end(data: bytes) -> bool:
    """Tell whether the codes of all blocks are there; taken for granted where they cannot be read.

    Args:
        data: A JPEG that `jpeg.is_fit`.
    """
    plan = _plan_of(data)
    if plan is None:
        return True
    left = plan.units
    for part in _parts_of(data, plan.begin):
        units = min(left, plan.interval or left)
        if units and not _has_units(part, plan.blocks, units):
            return False
        left -= units
    return left == 0


def _plan_of(data: bytes) -> _Plan | None:
    """Return what its one scan must have in it; None if it has several, or is coded otherwise."""
    tables: dict[int, _Table] = {}
    sides = (0, 0)
    factors: dict[int, tuple[int, int]] = {}
    interval = 0
    at = 2
    while True:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + size]
        at += 2 + size
        if marker == _TABLES:
            tables |= _tables_of(body)
        elif marker == _RESTARTS and len(body) == 2:
            interval = int.from_bytes(body, "big")
        elif marker in _SEQUENTIAL and len(body) == 6 + 3 * body[5]:
            sides = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
            factors = {
                body[n]: (body[n + 1] >> 4, body[n + 1] & 15) for n in range(6, len(body), 3)
            }
        elif marker == _SCAN:
            break
    if not body or any(not 1 <= factor <= 4 for pair in factors.values() for factor in pair):
        return None
    chosen = dict(zip(body[1 : 1 + 2 * body[0] : 2], body[2 : 2 + 2 * body[0] : 2], strict=False))
    if set(chosen) != set(factors) or not factors:
        return None
    if len(factors) == 1:
        factors = dict.fromkeys(factors, (1, 1))
    blocks = []
    for component, (across, down) in factors.items():
        dc, ac = tables.get(chosen[component] >> 4), tables.get(16 | (chosen[component] & 15))
        if dc is None or ac is None:
            return None
        blocks += [_Block(dc, ac)] * (across * down)
    widest = max(across for across, _ in factors.values()) * _BLOCK
    highest = max(down for _, down in factors.values()) * _BLOCK
    units = -(-sides[0] // widest) * -(-sides[1] // highest)
    return _Plan(units, blocks, interval, at)


def _tables_of(body: bytes) -> dict[int, _Table]:
    """Return Huffman tables by class and number, as in ITU-T T.81, B.2.4.2 and annex C."""
    found: dict[int, _Table] = {}
    at = 0
    while at + 17 <= len(body):
        name, counts = body[at], body[at + 1 : at + 17]
        values = iter(body[at + 17 : at + 17 + sum(counts)])
        at += 17 + sum(counts)
        table: _Table = []
        for length, count in enumerate(counts, 1):
            for value in (next(values, 0) for _ in range(count)):
                # What promises more codes than there can be must not take memory for them.
                table += [(length, value)] * min(1 << 16 - length, _CODES - len(table))
        found[name] = table + [(0, 0)] * (_CODES - len(table))
    return found


def _parts_of(data: bytes, begin: int) -> list[bytes]:
    """Return the coded data between markers of restart, without stuffing."""
    parts = []
    start = at = begin
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        marker = data[at + 1]
        if 0xD0 <= marker <= 0xD7:
            parts.append(data[start:at])
            start = at + 2
        elif marker not in {0x00, 0xFF}:
            break
        at += 1 if marker == 0xFF else 2
    parts.append(data[start : at if at >= 0 else len(data)])
    return [part.replace(b"\xff\x00", b"\xff") for part in parts]


def _has_units(part: bytes, blocks: list[_Block], units: int) -> bool:
    """Tell whether so many units are coded in these bytes: ITU-T T.81, F.2.2."""
    window = bits = at = 0
    left = len(part) * 8
    for _ in range(units):
        for dc, ac in blocks:
            table, coefficient = dc, 0
            while coefficient < 64:
                if bits < 32:
                    # Zeros behind the end; `left` tells.
                    window = (window & (1 << bits) - 1) << 32
                    window |= int.from_bytes(part[at : at + 4].ljust(4, b"\0"), "big")
                    bits, at = bits + 32, at + 4
                length, value = table[window >> bits - 16 & 0xFFFF]
                length += value & 15
                bits -= length
                left -= length
                if length == 0 or left < 0:
                    return False
                if coefficient == 0:
                    table, coefficient = ac, 1
                elif value == 0:
                    break
                else:
                    coefficient += (value >> 4) + 1
            if coefficient > 64:
                return False
    return True
