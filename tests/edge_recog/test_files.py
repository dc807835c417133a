from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edge_recog.errors import UsageError
from edge_recog.files import refuse_existing, write_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_written_with_the_folders_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "model.tflite"
    write_file(path, b"data", force=False)

    assert path.read_bytes() == b"data"


def test_nothing_else_is_left_behind(tmp_path: Path) -> None:
    write_file(tmp_path / "model.tflite", b"data", force=False)

    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_users_mask_holds(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_file(tmp_path / "model.tflite", b"", force=False)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)

    assert (tmp_path / "model.tflite").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    with pytest.raises(UsageError, match="exists already; name another file, or add --force"):
        write_file(path, b"new", force=False)

    assert path.read_bytes() == b"old"


def test_a_file_that_is_there_is_replaced_by_force(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    write_file(path, b"new", force=True)

    assert path.read_bytes() == b"new"


def test_a_folder_is_not_replaced_even_by_force(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.mkdir()

    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        write_file(path, b"new", force=True)

    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"")

    with pytest.raises(UsageError, match="cannot be written"):
        write_file(tmp_path / "models" / "model.tflite", b"", force=False)


def test_what_fails_half_way_leaves_the_old_file_and_no_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        write_file(path, b"new", force=True)

    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["model.tflite"]


def test_an_interruption_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "model.tflite", b"new", force=False)

    assert list(tmp_path.iterdir()) == []


def test_refusing_is_possible_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    refuse_existing(path, force=False)
    path.touch()
    refuse_existing(path, force=True)

    with pytest.raises(UsageError, match="exists already"):
        refuse_existing(path, force=False)
