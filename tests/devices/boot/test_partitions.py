from __future__ import annotations

import io
import struct
import subprocess
import uuid
import zlib
from typing import TYPE_CHECKING

import pytest
from edge_recog_devices.boot.partitions import Partition, read_partitions
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 64 << 20
BASIC = uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").bytes_le


def read_from(data: bytes) -> Callable[[int, int], bytes]:
    file = io.BytesIO(data)

    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return read


def parse(data: bytes, size: int = SIZE) -> tuple[Partition, ...]:
    return read_partitions(read_from(data), size)


def mbr(*entries: tuple[int, int, int, int]) -> bytes:
    table = b"".join(
        struct.pack("<B3sB3sII", flag, bytes(3), kind, bytes(3), start, count)
        for flag, kind, start, count in entries
    )
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


def gpt(
    *entries: tuple[bytes, int, int], at: int = 2, first: int = 34, last: int = (SIZE // 512) - 34
) -> bytes:
    table = b"".join(
        struct.pack("<16s16sQQQ72s", kind, bytes(16), start, end, 0, b"")
        for kind, start, end in entries
    ).ljust(128 * 128, b"\0")
    fields = [1, (SIZE // 512) - 1, first, last, bytes(16), at, 128, 128, zlib.crc32(table)]
    header = struct.pack("<8s4sIIIQQQQ16sQIII", b"EFI PART", b"\0\0\1\0", 92, 0, 0, *fields)
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    return mbr((0, 0xEE, 1, 0xFFFF_FFFF)) + header.ljust(512, b"\0") + table


@pytest.mark.parametrize("label", ["dos", "gpt"])
def test_tables_of_sfdisk_are_read(label: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    path = tmp_path / "card.img"
    with path.open("wb") as file:
        file.truncate(SIZE)
    kind = "c" if label == "dos" else str(uuid.UUID(bytes_le=BASIC)).upper()
    script = f"label: {label}\nstart=8192, size=65536, type={kind}\nstart=73728, size=2048\n"
    command = [need("sfdisk"), "--quiet", path]
    subprocess.run(command, input=script, text=True, check=True, capture_output=True)

    assert parse(path.read_bytes()) == (
        Partition(1, 8192 * 512, 65536 * 512, may_be_fat=True),
        Partition(2, 73728 * 512, 2048 * 512, may_be_fat=False),
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no partition table"),
        (bytes(512), "no partition table"),
        (b"\xfd7zXZ\0" + bytes(600), "packed with xz"),
        (b"PK\x03\x04" + bytes(600), "packed with zip"),
        (mbr(), "empty"),
        (mbr((0, 5, 63, 100)), "empty"),
        (mbr((0x55, 0x0C, 1, 8)), "no partition table"),
        (mbr((0, 0x0C, 0, 8)), "no partition table"),
        (mbr((0, 0x0C, 8, 0)), "no partition table"),
        (mbr((0, 0x0C, 8, 0xFFFF_FFFF)), "cut off"),
        (mbr((0, 0x0C, 0xFFFF_FFFF, 0xFFFF_FFFF)), "cut off"),
        (mbr((0, 0x0C, 8, 100), (0, 0x83, 107, 5)), "overlaps"),
        (mbr((0, 0x83, 100, 8), (0, 0x0C, 50, 51)), "overlaps"),
        (mbr((0, 0xEE, 1, 5)), "header is missing"),
        (gpt((BASIC, 34, 100), at=1), "not where it can be"),
        (gpt((BASIC, 34, 100), first=3), "not where it can be"),
        (gpt((BASIC, 34, 100), last=SIZE), "not where it can be"),
        (gpt((BASIC, 33, 100)), "partition 1 is not"),
        (gpt((BASIC, 100, 99)), "partition 1 is not"),
        (gpt((BASIC, 34, SIZE // 512)), "partition 1 is not"),
        (gpt((BASIC, 34, 100), (BASIC, 100, 200)), "overlaps"),
        (gpt((BASIC, 34, 100))[:700], "checksum|header|table"),
    ],
)
def test_what_cannot_be_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(data)


@pytest.mark.parametrize("place", [520, 530, 540, 600, 1024, 1100])
def test_a_damaged_gpt_is_refused(place: int) -> None:
    whole = gpt((BASIC, 34, 100))
    assert parse(whole) == (Partition(1, 34 * 512, 67 * 512, may_be_fat=True),)
    changed = bytearray(whole)
    changed[place] ^= 1

    with pytest.raises(UsageError, match="GPT"):
        parse(bytes(changed))


SECTORS = st.integers(0, 0xFFFF_FFFF)
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([0, 0x80, 1]),
        st.sampled_from([0, 0x0C, 0x83, 5, 0xEE]),
        SECTORS | st.integers(0, SIZE // 512),
        SECTORS | st.integers(0, SIZE // 512),
    ),
    max_size=4,
)


def check_partitions(data: bytes) -> None:
    """What is not refused lies inside and apart."""
    try:
        found = parse(data)
    except UsageError:
        return
    assert found
    end = 512
    for one in sorted(found, key=lambda one: one.offset):
        assert one.offset >= end
        assert one.size > 0
        end = one.offset + one.size
    assert end <= SIZE


@seed(3)
@settings(max_examples=500, deadline=None)
@given(ENTRIES, st.binary(max_size=600))
def test_any_mbr_is_sound_or_refused(
    entries: list[tuple[int, int, int, int]], behind: bytes
) -> None:
    check_partitions(mbr(*entries) + behind)


@seed(4)
@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(st.just(BASIC), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
        | st.tuples(st.just(BASIC), st.integers(30, 9000), st.integers(30, 9000)),
        max_size=4,
    ),
    st.integers(0, 40) | st.integers(0, 2**64 - 1),
    st.integers(0, 64) | st.integers(0, 2**64 - 1),
    st.integers(0, SIZE // 512) | st.integers(0, 2**64 - 1),
)
def test_any_gpt_with_right_checksums_is_sound_or_refused(
    entries: list[tuple[bytes, int, int]], at: int, first: int, last: int
) -> None:
    check_partitions(gpt(*entries, at=at, first=first, last=last))


@seed(5)
@settings(max_examples=500, deadline=None)
@given(st.binary(min_size=0, max_size=2048))
def test_any_bytes_are_sound_or_refused(data: bytes) -> None:
    check_partitions(data)
    check_partitions(data[:510].ljust(510, b"\0") + b"\x55\xaa" + data[510:])
