from __future__ import annotations

import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from edge_recog_devices.boot.fat import free_bytes, read_fat
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_recog_devices.boot.partitions import Read

OFFSET = 4096


def read_from(data: bytes) -> Read:
    return lambda offset, length: data[max(offset, 0) : max(offset, 0) + length]


def make_fat(path: Path, program: str, mib: int, *options: str) -> bytes:
    with path.open("wb") as file:
        file.truncate(mib << 20)
    subprocess.run([program, *options, str(path)], check=True, capture_output=True)
    return bytes(OFFSET) + path.read_bytes()


@pytest.mark.parametrize(
    ("bits", "mib", "options"),
    [
        (32, 40, ["-F", "32", "-s", "1"]),
        (32, 64, ["-F", "32", "-s", "1", "-f", "1"]),
        (16, 20, ["-F", "16"]),
        (32, 300, ["-F", "32", "-S", "4096", "-s", "1"]),
    ],
    ids=["32", "one table", "16", "4096"],
)
def test_what_is_free_is_what_mtools_and_fsck_say(
    bits: int, mib: int, options: list[str], tmp_path: Path, need: Callable[[str], str]
) -> None:
    data = make_fat(tmp_path / "fat", need("mkfs.vfat"), mib, *options)
    (tmp_path / "content").write_bytes(b"x" * 123_456)
    where = ["-i", str(tmp_path / "fat")]
    subprocess.run([need("mcopy"), *where, tmp_path / "content", "::a"], check=True)
    data = data[:OFFSET] + (tmp_path / "fat").read_bytes()

    fat = read_fat(read_from(data), OFFSET, mib << 20)
    free = free_bytes(read_from(data), OFFSET, fat)

    said = subprocess.run(
        [need("fsck.vfat"), "-n", tmp_path / "fat"], capture_output=True, text=True, check=False
    ).stdout
    used = re.search(r"(\d+)/(\d+) clusters", said)
    assert used is not None, said
    assert fat.bits == bits
    assert fat.clusters == int(used[2])
    assert free == (int(used[2]) - int(used[1])) * fat.cluster_bytes


def test_fat12_is_refused(tmp_path: Path, need: Callable[[str], str]) -> None:
    data = make_fat(tmp_path / "fat", need("mkfs.vfat"), 8, "-F", "12")

    with pytest.raises(UsageError, match="no sense"):
        read_fat(read_from(data), OFFSET, 8 << 20)


def test_a_file_system_larger_than_its_partition_is_refused(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    data = make_fat(tmp_path / "fat", need("mkfs.vfat"), 40, "-F", "32", "-s", "1")

    with pytest.raises(UsageError, match="larger"):
        read_fat(read_from(data), OFFSET, (40 << 20) - 512)


@seed(6)
@settings(max_examples=1000, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=8))
def test_a_damaged_boot_sector_is_sound_or_refused(changes: list[tuple[int, int]]) -> None:
    # As mkfs.vfat -F 32 -s 1 makes it for 40 MiB.
    fields = (512, 1, 32, 2, 0, 0, 0xF8, 0, 16, 2, 0, 81920, 631, 0, 0, 2)
    start = b"\xeb\x58\x90mkfs.fat" + struct.pack("<HBHBHHBHHHIIIHHI", *fields)
    sector = bytearray(start.ljust(510, b"\0") + b"\x55\xaa")
    size = 40 << 20
    assert read_fat(lambda offset, length: bytes(sector)[:length], 0, size).bits == 32
    for place, value in changes:
        sector[place] = value
    try:
        fat = read_fat(lambda offset, length: bytes(sector)[:length], 0, size)
    except UsageError:
        return
    assert 0 < fat.clusters * fat.cluster_bytes <= size
    assert fat.table_offset + (fat.clusters + 2) * fat.bits // 8 <= size
