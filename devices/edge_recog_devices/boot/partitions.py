"""Where the partitions of a card's image are, read by mistrust.

Images are downloads, so every number in them is checked before it is used. MBR as in the UEFI
Specification 2.10, 5.2.1 "Legacy Master Boot Record"; GPT as in its 5.3 "GUID Partition Table
(GPT) Disk Layout".
"""

from __future__ import annotations

import struct
import uuid
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Read = Callable[[int, int], bytes]
    """Offset and length in bytes → what is there, shorter only at the end."""

SECTOR_BYTES: Final = 512
"""What images of cards count in; disks with 4096 are no SD cards."""

_MBR_FAT: Final = (0x04, 0x06, 0x0B, 0x0C, 0x0E)
_MBR_EXTENDED: Final = (0x05, 0x0F, 0x85)
_MBR_PROTECTIVE: Final = 0xEE
_GPT_FAT: Final = (
    uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),  # EFI system
    uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"),  # basic data
)
_GPT_HEADER: Final = struct.Struct("<8s4sIIIQQQQ16sQIII")
_GPT_MOST_ENTRIES: Final = 1024
_GPT_ENTRY_SIZES: Final = (128, 256, 512)
_MAGIC: Final = {
    b"\xfd7zXZ\0": "xz",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}


class Partition(NamedTuple):
    """One partition."""

    number: int
    """From 1 on, as in `/dev/mmcblk0p1`."""
    offset: int
    """In bytes."""
    size: int
    """In bytes."""
    may_be_fat: bool
    """By what the table says of it."""


def read_partitions(read: Read, size: int) -> tuple[Partition, ...]:
    """Return the partitions of an image, in the table's order; of extended ones, none.

    Args:
        read: Gives parts of the image.
        size: Of the image, in bytes.

    Raises:
        UsageError: There is no table, or something in it cannot be.
    """
    sector = read(0, SECTOR_BYTES)
    for magic, name in _MAGIC.items():
        if sector.startswith(magic):
            raise UsageError(f"it is packed with {name}; unpack it first")
    if len(sector) < SECTOR_BYTES or sector[510:] != b"\x55\xaa":
        raise UsageError("there is no partition table in it")
    kinds = [sector[446 + 16 * number + 4] for number in range(4)]
    found = _read_gpt(read, size) if _MBR_PROTECTIVE in kinds else _read_mbr(sector)
    partitions = tuple(found)
    end_before = 0
    for partition in sorted(partitions, key=lambda one: one.offset):
        if partition.offset + partition.size > size:
            raise UsageError(f"partition {partition.number} ends after the end: it is cut off")
        if partition.offset < max(end_before, SECTOR_BYTES):
            raise UsageError(f"partition {partition.number} overlaps another")
        end_before = partition.offset + partition.size
    if not partitions:
        raise UsageError("its partition table is empty")
    return partitions


def _read_mbr(sector: bytes) -> Iterable[Partition]:
    for number in range(4):
        entry = sector[446 + 16 * number : 462 + 16 * number]
        flag, kind = entry[0], entry[4]
        start, count = struct.unpack_from("<II", entry, 8)
        if kind == 0:
            continue
        # A boot sector of FAT ends as a table does; its program is no table.
        if flag not in (0x00, 0x80) or start == 0 or count == 0:
            raise UsageError("there is no partition table in it")
        if kind not in _MBR_EXTENDED:
            yield Partition(
                number + 1, start * SECTOR_BYTES, count * SECTOR_BYTES, kind in _MBR_FAT
            )


def _read_gpt(read: Read, size: int) -> Iterable[Partition]:
    header = read(SECTOR_BYTES, SECTOR_BYTES)
    if len(header) < SECTOR_BYTES or not header.startswith(b"EFI PART"):
        raise UsageError("its GPT is damaged: the header is missing")
    (_, revision, length, sum_, _, here, _, first, last, _, at, count, each, entries_sum) = (
        _GPT_HEADER.unpack_from(header)
    )
    if revision != b"\0\0\1\0" or not _GPT_HEADER.size <= length <= SECTOR_BYTES or here != 1:
        raise UsageError("its GPT is damaged: the header makes no sense")
    if zlib.crc32(header[:16] + bytes(4) + header[20:length]) != sum_:
        raise UsageError("its GPT is damaged: the header's checksum is wrong")
    sectors = size // SECTOR_BYTES
    table_bytes = count * each
    if each not in _GPT_ENTRY_SIZES or not 0 < count <= _GPT_MOST_ENTRIES:
        raise UsageError("its GPT is damaged: the size of the table makes no sense")
    table_end = at + -(-table_bytes // SECTOR_BYTES)
    if at < 2 or not table_end <= first <= last < sectors:
        raise UsageError("its GPT is damaged: the table is not where it can be")
    table = read(at * SECTOR_BYTES, table_bytes)
    if len(table) != table_bytes or zlib.crc32(table) != entries_sum:
        raise UsageError("its GPT is damaged: the table's checksum is wrong")
    for number in range(count):
        entry = table[number * each : (number + 1) * each]
        kind = uuid.UUID(bytes_le=entry[:16])
        if kind.int == 0:
            continue
        start, end = struct.unpack_from("<QQ", entry, 32)
        if not first <= start <= end <= last:
            raise UsageError(f"partition {number + 1} is not where it can be")
        yield Partition(
            number + 1, start * SECTOR_BYTES, (end - start + 1) * SECTOR_BYTES, kind in _GPT_FAT
        )
