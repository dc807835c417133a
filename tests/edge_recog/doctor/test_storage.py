"""Memory, disk, swap and journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.doctor.storage import (
    Journal,
    Memory,
    Mount,
    Space,
    judge_file_system,
    judge_journal,
    judge_memory,
    judge_space,
    judge_swap,
    read_journal,
    read_memory,
    read_root_mount,
    read_space,
    read_swaps,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.doctor.probes import Machine

_CARD = Mount("/dev/mmcblk0p2", "ext4", frozenset({"rw", "noatime"}), False, 0)
_SSD = Mount("/dev/nvme0n1p2", "ext4", frozenset({"rw"}), False, 0)
_GB = 1_000_000_000


@pytest.mark.parametrize(
    ("memory", "outcome"),
    [
        (Memory(4000, 3000), "good"),
        (Memory(1000, 200), "warning"),
        (Memory(500, 100), "bad"),
        (None, "skipped"),
    ],
)
def test_the_daemon_needs_room(memory: Memory | None, outcome: str) -> None:
    assert judge_memory(memory).outcome == outcome


def test_memory_is_what_the_kernel_says_in_kib(build: Callable[..., Machine]) -> None:
    machine = build({"/proc/meminfo": "MemTotal:  1000000 kB\nMemAvailable:  500000 kB\n"})

    assert read_memory(machine) == Memory(1024.0, 512.0)
    assert read_memory(build({"/proc/meminfo": "HugePages_Total: 0\n"})) is None


@pytest.mark.parametrize(
    ("mount", "outcome", "word"),
    [
        (_CARD, "good", "can be written"),
        (Mount("overlay", "overlay", frozenset({"rw"}), False, 0), "warning", "lost at the next"),
        (Mount("/dev/sda2", "ext4", frozenset({"ro"}), True, 0), "warning", "/etc/fstab"),
        (Mount("/dev/sda2", "ext4", frozenset({"ro"}), False, 0), "bad", "become read-only"),
        (Mount("/dev/sda2", "ext4", frozenset({"rw"}), False, 3), "bad", "3 errors"),
        (None, "skipped", "does not tell"),
    ],
    ids=["fine", "overlay", "wanted", "fallen", "errors", "unknown"],
)
def test_a_file_system_that_fell_read_only_is_bad(
    mount: Mount | None, outcome: str, word: str
) -> None:
    finding = judge_file_system(mount)

    assert finding.outcome == outcome
    assert word in finding.evidence


def test_the_last_mount_of_the_root_counts(build: Callable[..., Machine]) -> None:
    machine = build(
        {
            "/proc/mounts": "rootfs / rootfs rw 0 0\n/dev/root / ext4 ro,noatime 0 0\n",
            "/proc/cmdline": "console=tty1 root=/dev/mmcblk0p2 rootwait",
            "/etc/fstab": "# / is on the card\nPARTUUID=1-02 / ext4 defaults,ro 0 1\n",
            "/sys/fs/ext4/mmcblk0p2/errors_count": "2\n",
        }
    )
    mount = read_root_mount(machine)

    assert mount == Mount("/dev/mmcblk0p2", "ext4", frozenset({"ro", "noatime"}), True, 2)
    assert mount.on_card
    assert not _SSD.on_card


@given(st.text(), st.text())
def test_no_text_of_the_kernel_is_too_odd(mounts: str, fstab: str) -> None:
    class Odd:
        def text(self, name: str) -> str:
            return fstab if "fstab" in name else mounts

        def paths(self, _: str) -> list[object]:
            return []

    odd: object = Odd()
    judge_file_system(read_root_mount(odd))  # type: ignore[arg-type]
    judge_memory(read_memory(odd))  # type: ignore[arg-type]
    judge_swap(read_swaps(odd), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("space", "outcome"),
    [
        (Space(20 * _GB, 32 * _GB), "good"),
        (Space(6 * _GB, 1000 * _GB), "good"),
        (Space(3 * _GB, 128 * _GB), "warning"),
        (Space(_GB // 2, 8 * _GB), "warning"),
        (Space(_GB // 10, 32 * _GB), "bad"),
        (Space(0, 0), "skipped"),
    ],
)
def test_a_disk_must_not_run_full(space: Space, outcome: str) -> None:
    assert judge_space(space).outcome == outcome


def test_the_room_is_that_of_the_file_system(build: Callable[..., Machine]) -> None:
    space = read_space(build({}))

    assert 0 < space.free <= space.total


@pytest.mark.parametrize(
    ("swaps", "mount", "outcome"),
    [
        ((), _CARD, "good"),
        (("/dev/zram0",), _CARD, "good"),
        (("/var/swap",), _SSD, "good"),
        (("/var/swap",), _CARD, "warning"),
        (("/dev/mmcblk0p3",), _SSD, "warning"),
        (None, _CARD, "skipped"),
    ],
)
def test_swap_belongs_on_no_card(swaps: tuple[str, ...] | None, mount: Mount, outcome: str) -> None:
    assert judge_swap(swaps, mount).outcome == outcome


def test_swaps_are_read_without_their_heading(build: Callable[..., Machine]) -> None:
    text = "Filename\tType\tSize\n/var/swap file 524284 0 -2\n/dev/zram0 partition 1 0 100\n"

    assert read_swaps(build({"/proc/swaps": text})) == ("/var/swap", "/dev/zram0")
    assert read_swaps(build({"/proc/swaps": "Filename\tType\tSize\n"})) == ()


@pytest.mark.parametrize(
    ("journal", "mount", "outcome"),
    [
        (Journal("volatile", True), _CARD, "good"),
        (Journal("auto", False), _CARD, "good"),
        (Journal("persistent", False), _SSD, "good"),
        (Journal("persistent", False), _CARD, "warning"),
        (Journal("auto", True), _CARD, "warning"),
        (None, _CARD, "skipped"),
    ],
)
def test_the_journal_belongs_on_no_card(
    journal: Journal | None, mount: Mount, outcome: str
) -> None:
    assert judge_journal(journal, mount).outcome == outcome


@pytest.mark.parametrize(
    ("files", "journal"),
    [
        ({}, Journal("auto", False)),
        ({"/var/log/journal/1/system.journal": ""}, Journal("auto", True)),
        (
            {"/etc/systemd/journald.conf": "[Journal]\nStorage=Volatile\n"},
            Journal("volatile", False),
        ),
        (
            {
                "/etc/systemd/journald.conf": "Storage=volatile\n",
                "/etc/systemd/journald.conf.d/50-x.conf": "Storage=none\n",
                "/usr/lib/systemd/journald.conf.d/40-rpi.conf": "Storage=persistent\n",
            },
            Journal("none", False),
        ),
        (
            {
                "/etc/systemd/journald.conf.d/40-rpi.conf": "#Storage=volatile\n",
                "/usr/lib/systemd/journald.conf.d/40-rpi.conf": "Storage=volatile\n",
            },
            Journal("auto", False),
        ),
    ],
    ids=["default", "folder", "file", "last drop-in", "hidden drop-in"],
)
def test_the_last_setting_of_the_journal_counts(
    build: Callable[..., Machine], files: dict[str, str], journal: Journal
) -> None:
    assert read_journal(build({"/run/systemd/system/x": "", **files})) == journal


def test_there_is_no_journal_without_systemd(build: Callable[..., Machine]) -> None:
    assert read_journal(build({})) is None
