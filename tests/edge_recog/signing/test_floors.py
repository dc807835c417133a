from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog.errors import UsageError
from edge_recog.signing import UnusableTrustError
from edge_recog.signing.floors import FILE_NAME, Floors


@pytest.fixture
def floors(tmp_path: Path) -> Floors:
    return Floors(tmp_path / "state" / "edge-recog")


def test_at_first_there_is_no_floor_and_no_file(floors: Floors) -> None:
    assert floors.read() == {}
    assert not floors.folder.exists()


def test_a_floor_is_kept(floors: Floors) -> None:
    floors.raise_to("demo", 7)
    floors.raise_to("été", 0)

    assert Floors(floors.folder).read() == {"demo": 7, "été": 0}
    assert stat.S_IMODE(floors.folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in floors.folder.iterdir()) == [
        ".model-floors.lock",
        FILE_NAME,
    ]


def test_a_floor_that_stays_is_not_written_again(floors: Floors) -> None:
    floors.raise_to("demo", 7)
    before = floors.path.stat()
    for sequence in (7, 6, 0):
        floors.raise_to("demo", sequence)

    assert (floors.path.stat().st_ino, floors.read()) == (before.st_ino, {"demo": 7})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for others")
def test_what_root_makes_does_not_keep_the_folders_owner_out(floors: Floors) -> None:
    floors.folder.mkdir(parents=True)
    os.chown(floors.folder, 12345, 23456)
    floors.raise_to("demo", 7)
    lock = (floors.folder / ".model-floors.lock").stat()

    assert (lock.st_uid, lock.st_gid) == (12345, 23456)
    assert stat.S_IMODE(floors.path.stat().st_mode) & 0o444 == 0o444


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=12))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_floor_is_the_highest_there_was(raised: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        floors = Floors(Path(folder))
        for name, sequence in raised:
            floors.raise_to(name, sequence)
        expected: dict[str, int] = {}
        for name, sequence in raised:
            expected[name] = max(sequence, expected.get(name, 0))
        assert floors.read() == expected


def test_several_at_the_same_time_lose_nothing(floors: Floors) -> None:
    names = [f"model-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: Floors(floors.folder).raise_to(name, 1), names))

    assert floors.read() == dict.fromkeys(names, 1)


def test_who_was_slower_does_not_lower_what_another_raised(
    floors: Floors, monkeypatch: pytest.MonkeyPatch
) -> None:
    floors.raise_to("demo", 5)
    lock = fcntl.flock

    def another_was_faster(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        Floors(floors.folder).raise_to("demo", 9)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", another_was_faster)
    floors.raise_to("demo", 7)

    assert floors.read() == {"demo": 9}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"schema_version":2,"floors":{}}',
        b'{"schema_version":1,"floors":{"a":-1}}',
        b'{"schema_version":1,"floors":{"a":"1"}}',
        b'{"schema_version":1,"floors":{},"more":1}',
        b'{"schema_version":1,"floors":{"\\ud800":1}}',
        b'{"schema_version":1,"floors":' + b"[" * 5000,
        b"\xff",
        b" " * (2**20 + 1),
    ],
    ids=[
        "empty",
        "no-version",
        "newer",
        "negative",
        "text",
        "more",
        "half",
        "deep",
        "no-text",
        "large",
    ],
)
def test_damaged_floors_are_not_forgotten(floors: Floors, content: bytes) -> None:
    floors.raise_to("demo", 7)
    floors.path.write_bytes(content)

    for use in (floors.read, lambda: floors.raise_to("demo", 8)):
        with pytest.raises(UnusableTrustError, match=r"model-floors\.json: cannot be read"):
            use()
    assert floors.path.read_bytes() == content


def test_a_folder_in_the_place_of_the_floors_is_told(floors: Floors) -> None:
    floors.path.mkdir(parents=True)

    with pytest.raises(UnusableTrustError, match="not a file"):
        floors.read()


def test_floors_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises((UsageError, UnusableTrustError), match=r"file/model-floors\.json"):
        Floors(tmp_path / "file").raise_to("demo", 1)


def test_the_lock_is_no_way_to_another_file(floors: Floors, tmp_path: Path) -> None:
    floors.folder.mkdir(parents=True)
    (floors.folder / ".model-floors.lock").symlink_to(tmp_path / "other")

    with pytest.raises(UsageError, match="cannot be written"):
        floors.raise_to("demo", 1)
    assert not (tmp_path / "other").exists()
