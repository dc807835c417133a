"""What a FAT file system says of itself: enough to know that it is one, and what is free in it.

Fields as in Microsoft's "FAT: General Overview of On-Disk Format" 1.03 (fatgen103). Files are
read and written by mtools (`image`); this is what is checked before a program in C gets to see an
image from anywhere. FAT12 is too small for a boot partition.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from edge_recog_devices.boot.partitions import Read

_BPB: Final = struct.Struct("<HBHBHHBHHHIII")
_SECTOR_SIZES: Final = (512, 1024, 2048, 4096)
_FEWEST_CLUSTERS_16: Final = 4085
_MOST_CLUSTERS_16: Final = 65524
_MOST_CLUSTERS_32: Final = 0x0FFF_FFF4
_ENTRY_MASK_32: Final = 0x0FFF_FFFF
_READ_BYTES: Final = 1 << 22


class Fat(NamedTuple):
    """A file system's geometry, checked."""

    bits: Literal[16, 32]
    cluster_bytes: int
    clusters: int
    """That hold data; they are numbered from 2 on."""
    table_offset: int
    """Of the first table, in bytes from the beginning of the partition."""


def read_fat(read: Read, offset: int, size: int) -> Fat:
    """Return what lies in a partition.

    Args:
        read: Gives parts of the image.
        offset: Of the partition, in bytes.
        size: Of the partition, in bytes.

    Raises:
        UsageError: It is no FAT16 or FAT32 that fits there.
    """
    sector = read(offset, 512)
    if len(sector) < 512 or sector[510:] != b"\x55\xaa" or sector[0] not in (0xEB, 0xE9):
        raise UsageError("there is no FAT file system in it")
    (
        sector_bytes,
        cluster_sectors,
        reserved,
        tables,
        root_entries,
        total_16,
        _,
        table_16,
        *_,
        total_32,
        table_32,
    ) = _BPB.unpack_from(sector, 11)
    if (
        sector_bytes not in _SECTOR_SIZES
        or cluster_sectors not in (1, 2, 4, 8, 16, 32, 64, 128)
        or reserved == 0
        or tables not in (1, 2)
    ):
        raise UsageError("there is no FAT file system in it")
    bits: Literal[16, 32] = 16 if table_16 else 32
    table_sectors, total = table_16 or table_32, total_16 or total_32
    root_sectors = -(-root_entries * 32 // sector_bytes)
    data_sectors = total - reserved - tables * table_sectors - root_sectors
    clusters = data_sectors // cluster_sectors
    most, fewest = (
        (_MOST_CLUSTERS_16, _FEWEST_CLUSTERS_16) if bits == 16 else (_MOST_CLUSTERS_32, 1)
    )
    if (
        (bits == 16) != bool(root_entries)
        or table_sectors == 0
        or not fewest <= clusters <= most
        or table_sectors * sector_bytes < (clusters + 2) * bits // 8
    ):
        raise UsageError("its FAT file system makes no sense")
    if total * sector_bytes > size:
        raise UsageError("its FAT file system is larger than the partition")
    if bits == 32 and not 2 <= int.from_bytes(sector[44:48], "little") < clusters + 2:
        raise UsageError("its FAT file system has no root folder")
    return Fat(bits, cluster_sectors * sector_bytes, clusters, reserved * sector_bytes)


def free_bytes(read: Read, offset: int, fat: Fat) -> int:
    """Return what is free, counted in the table: the number beside it may be out of date."""
    width = fat.bits // 8
    position, end = offset + fat.table_offset, (fat.clusters + 2) * width
    free = 0
    for done in range(0, end, _READ_BYTES):
        part = read(position + done, min(_READ_BYTES, end - done))
        entries = np.frombuffer(part, dtype=f"<u{width}")
        used = entries & _ENTRY_MASK_32 if fat.bits == 32 else entries
        # The first two are no clusters.
        free += int(np.count_nonzero(used[2:] == 0 if done == 0 else used == 0))
    return free * fat.cluster_bytes
