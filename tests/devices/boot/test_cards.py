from __future__ import annotations

import os
import random
import re
import stat
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest
from edge_recog_devices.boot import open_card, prepare

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_recog_devices.boot import FirstBoot
    from edge_recog_devices.boot.card import Card

    Make = Callable[[Mapping[str, bytes]], Card]

LONG = "numpy-2.1.0-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"


def test_what_is_written_is_read(make_card: Make, tmp_path: Path) -> None:
    source = tmp_path / "-i is no option [*]"
    source.write_bytes(b"from a file" * 1000)
    card = make_card({"config.txt": b"x"})

    card.make_folder("edge-recog")
    card.make_folder("edge-recog/wheels")
    card.write(f"edge-recog/wheels/{LONG}", source)
    card.write("edge-recog/SHA256SUMS", b"sums")
    card.write("empty", b"")
    card.flush()

    assert card.read(f"edge-recog/wheels/{LONG}") == source.read_bytes()
    assert card.read("edge-recog/SHA256SUMS") == b"sums"
    assert card.read("empty") == b""
    assert card.listing() == ({"config.txt", "empty"}, {"edge-recog"})
    assert card.listing("edge-recog") == ({"sha256sums"}, {"wheels"})


def test_an_empty_folder_is_empty(make_card: Make) -> None:
    card = make_card({"config.txt": b"x"})
    card.make_folder("empty")

    assert card.listing("empty") == (frozenset(), frozenset())


def test_a_rename_replaces(make_card: Make) -> None:
    card = make_card({"cmdline.txt": b"old", "new": b"new", "folder/x": b"x"})

    card.rename("new", "cmdline.txt")
    card.rename("folder", "other")

    assert card.read("cmdline.txt") == b"new"
    assert card.listing() == ({"cmdline.txt"}, {"other"})
    assert card.read("other/x") == b"x"


def test_files_and_whole_folders_are_removed(make_card: Make) -> None:
    card = make_card({"a": b"a", "folder/x": b"x"})

    card.remove("a")
    card.remove("folder")

    assert card.listing() == (frozenset(), frozenset())


def test_capitals_are_no_other_name(make_card: Make) -> None:
    card = make_card({"CMDLINE.TXT": b"old", "new": b"new"})

    assert card.read("cmdline.txt") == b"old"
    card.rename("new", "cmdline.txt")

    assert card.listing().files == {"cmdline.txt"}
    assert card.read("cmdline.txt") == b"new"


def test_reading_stops_after_what_was_asked_for(make_card: Make) -> None:
    assert make_card({"big": b"x" * 100}).read("big", 10) == b"x" * 11


def test_what_is_missing_is_told(make_card: Make) -> None:
    card = make_card({"config.txt": b"x"})

    for act in (
        lambda: card.read("cmdline.txt"),
        lambda: card.rename("cmdline.txt", "other"),
        lambda: card.remove("cmdline.txt"),
        lambda: card.listing("folder"),
        lambda: card.make_folder("folder/deeper"),
    ):
        with pytest.raises(UsageError, match=re.escape(card.where)):
            act()


def test_closing_twice_is_closing_and_nothing_can_be_done_after(make_card: Make) -> None:
    card = make_card({"config.txt": b"x"})
    card.close()
    card.close()

    with pytest.raises(UsageError, match="closed"):
        card.read("config.txt")


def test_what_is_free_shrinks_by_what_is_written(make_card: Make) -> None:
    card = make_card({"config.txt": b"x"})
    before = card.space()
    card.write("big", os.urandom(8 << 20))
    card.flush()

    # Others may write to the disk that the folder is on.
    assert before.free_bytes - card.space().free_bytes > 7 << 20
    assert before.cluster_bytes in (512, 4096)


def test_fsck_finds_nothing_in_an_image_that_was_written(
    make_image: Callable[..., Path], need: Callable[[str], str], tmp_path: Path
) -> None:
    path = make_image(tmp_path / "card.img", {"cmdline.txt": b"old"})
    outside = path.read_bytes()
    with open_card(image=path) as card:
        card.make_folder("d.new")
        card.write(f"d.new/{LONG}", os.urandom(100_000))
        card.rename("d.new", "d")
        card.write("new", b"new")
        card.rename("new", "cmdline.txt")
    data = path.read_bytes()
    (tmp_path / "fat").write_bytes(data[2048 * 512 : 2048 * 512 + (40 << 20)])

    done = subprocess.run(
        [need("fsck.vfat"), "-n", tmp_path / "fat"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert data[: 2048 * 512] == outside[: 2048 * 512]
    assert data[2048 * 512 + (40 << 20) :] == outside[2048 * 512 + (40 << 20) :]


def test_a_file_without_end_is_told(make_image: Callable[..., Path], tmp_path: Path) -> None:
    path = make_image(tmp_path / "card.img", {"issue.txt": b"x" * 2000})
    data = bytearray(path.read_bytes())
    entry = data.index(b"ISSUE   TXT")
    first = int.from_bytes(data[entry + 26 : entry + 28], "little")
    # It goes on with its own beginning, and is 4 GiB large.
    data[entry + 28 : entry + 32] = b"\xff\xff\xff\xff"
    for table in (32, 32 + int.from_bytes(data[2048 * 512 + 36 : 2048 * 512 + 40], "little")):
        place = (2048 + table) * 512 + 4 * first
        data[place : place + 4] = first.to_bytes(4, "little")
    path.write_bytes(data)

    with open_card(image=path) as card, pytest.raises(UsageError, match="mcopy says"):
        card.read("issue.txt", 10_000)


def test_of_a_large_file_no_more_is_read_than_asked_for(
    make_image: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_image(tmp_path / "card.img", {"issue.txt": b"x" * (8 << 20)})

    with open_card(image=path) as card:
        assert card.read("issue.txt", 10_000) == b"x" * 10_001


def test_a_damaged_image_is_refused_or_prepared_and_nothing_else_is_touched(
    make_image: Callable[..., Path],
    make_plan: Callable[..., FirstBoot],
    system_files: dict[str, dict[str, bytes]],
    tmp_path: Path,
) -> None:
    path = make_image(tmp_path / "card.img", system_files["trixie"])
    sound = path.read_bytes()
    start, end = 2048 * 512, 2048 * 512 + (40 << 20)
    tables = int.from_bytes(sound[start + 36 : start + 40], "little") * 512
    root = start + 32 * 512 + 2 * tables
    chance = random.Random(11)
    outcomes = set()
    for _ in range(40):
        data = bytearray(sound)
        for _ in range(chance.randint(1, 6)):
            # The boot sector, the beginning of a table, the root folder.
            place, length = chance.choice(
                [(start, 90), (start + 32 * 512, 400), (root, 1024), (440, 72)]
            )
            data[place + chance.randrange(length)] = chance.randrange(256)
        path.write_bytes(data)
        try:
            with open_card(image=path) as card:
                prepare(card, make_plan())
        except UsageError:
            outcomes.add("refused")
        else:
            outcomes.add("prepared")
        after = path.read_bytes()
        assert (after[:start], after[end:]) == (data[:start], data[end:])

    assert outcomes == {"refused", "prepared"}


@pytest.mark.parametrize("name", ["a@@b.img", "-i.img", "a b'\".img", "ü.img"])
def test_an_image_may_have_any_name(
    name: str, make_image: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_image(tmp_path / "card.img", {"config.txt": b"x"}).rename(tmp_path / name)

    with open_card(image=path) as card:
        assert card.read("config.txt") == b"x"


def test_an_image_that_is_replaced_meanwhile_is_not_followed(
    make_image: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_image(tmp_path / "card.img", {"config.txt": b"x"})
    with open_card(image=path) as card:
        path.rename(tmp_path / "kept.img")
        path.write_bytes(b"somebody's disk")
        card.write("new", b"new")

    assert path.read_bytes() == b"somebody's disk"
    with open_card(image=tmp_path / "kept.img") as card:
        assert card.read("new") == b"new"


def make_device(path: Path, missing: Callable[[str], NoReturn]) -> Path:
    try:
        # One that nobody has: it must not even be opened, which udev would notice.
        os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 250))
    except PermissionError:
        missing("making a device needs root")
    return path


@pytest.mark.parametrize("by", ["name", "link"])
def test_a_raw_disk_is_refused(by: str, tmp_path: Path, missing: Callable[[str], NoReturn]) -> None:
    device = make_device(tmp_path / "sdb", missing)
    if by == "link":
        (tmp_path / "raspios.img").symlink_to(device)
        device = tmp_path / "raspios.img"

    for named in ({"boot": device}, {"image": device}):
        with pytest.raises(UsageError, match="raw disk"):
            open_card(**named)


def test_a_device_of_characters_is_refused(tmp_path: Path, need: Callable[[str], str]) -> None:
    need("mcopy")
    (tmp_path / "raspios.img").symlink_to("/dev/zero")

    with pytest.raises(UsageError, match="raw disk"):
        open_card(image=tmp_path / "raspios.img")
    with pytest.raises(UsageError, match="raw disk"):
        open_card(boot=tmp_path / "raspios.img")


def test_what_is_no_file_or_folder_is_refused(tmp_path: Path, need: Callable[[str], str]) -> None:
    need("mcopy")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")

    for named in (
        {"boot": tmp_path / "pipe"},
        {"boot": tmp_path / "file"},
        {"boot": tmp_path / "none"},
        {"image": tmp_path / "pipe"},
        {"image": tmp_path / "file"},
        {"image": tmp_path / "none"},
        {"image": tmp_path},
        {},
        {"boot": tmp_path, "image": tmp_path / "file"},
    ):
        with pytest.raises(UsageError):
            open_card(**named)


def test_an_image_without_fat_is_refused(tmp_path: Path, need: Callable[[str], str]) -> None:
    need("mcopy")
    path = tmp_path / "card.img"
    table = bytes(446) + b"\0\0\0\0\x83\0\0\0" + b"\x01\0\0\0\x08\0\0\0" + bytes(48) + b"\x55\xaa"
    path.write_bytes(table + bytes(1 << 16))

    with pytest.raises(UsageError, match="none of its partitions is FAT"):
        open_card(image=path)


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    boot = tmp_path / "bootfs"
    boot.mkdir()
    (boot / "edge-recog").symlink_to(outside)
    (boot / "cmdline.txt").symlink_to(outside / "precious")

    with open_card(boot=boot) as card:
        with pytest.raises(UsageError, match="link"):
            card.listing()
        with pytest.raises(UsageError):
            card.read("cmdline.txt")
        with pytest.raises(UsageError):
            card.write("edge-recog/new", b"x")
        with pytest.raises(UsageError):
            card.write("cmdline.txt", b"x")
        card.remove("edge-recog")

    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_bytes() == b"precious"


def test_a_folder_may_be_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "bootfs").mkdir()
    (tmp_path / "bootfs" / "config.txt").write_bytes(b"x")
    (tmp_path / "card").symlink_to("bootfs")

    with open_card(boot=tmp_path / "card") as card:
        assert card.read("config.txt") == b"x"


def test_without_mtools_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UsageError, match="apt install mtools"):
        open_card(image=tmp_path / "card.img")
