"""Decoded pictures are kept, found again, and made again where they are damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from edge_recog_converter import decoded
from edge_recog_converter.datasets import ArrayPicture, Picture, find_dataset
from edge_recog_converter.decoded import DecodedSplit, decoded_split, default_cache
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.pictures import PictureReader
from edge_recog_converter.recipe import DataSection

from edge_recog.preprocessing import Preprocessing

CONTRACT = Preprocessing(height=24, width=32)


@pytest.fixture
def pictures(tmp_path: Path, small_pictures: Path) -> list[Picture]:
    shutil.copytree(small_pictures, tmp_path / "data")
    dataset = find_dataset(tmp_path / "data", DataSection(splits="folders"), seed=0)
    return list(dataset.splits["test"])


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(data: bytes, *, where: str) -> None:
        del data
        pytest.fail(f"{where} is decoded again")

    monkeypatch.setattr(decoded, "decode_whole", refuse)


def decode(pictures: list[Picture], cache: Path) -> DecodedSplit:
    return decoded_split(pictures, CONTRACT, cache=cache)


@pytest.mark.parametrize("crop", ["center-crop", "letterbox", "stretch"])
@pytest.mark.parametrize("colour", ["RGB", "GRAY"])
def test_pixels_are_those_of_the_preprocessing(
    pictures: list[Picture], tmp_path: Path, crop: str, colour: str
) -> None:
    contract = Preprocessing(height=24, width=24, crop=crop, colour=colour)  # type: ignore[arg-type]
    found = decoded_split(pictures, contract, cache=tmp_path / "cache")
    frames = list(PictureReader().frames(pictures))

    assert found.ids == tuple(picture.id for picture in pictures)
    assert found.targets.tolist() == [picture.label for picture in pictures]
    for pixels, (_, frame) in zip(found.pixels, frames, strict=True):
        np.testing.assert_array_equal(pixels, contract.pixels(frame))


def test_second_time_nothing_is_decoded(
    pictures: list[Picture], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first = decode(pictures, tmp_path / "cache")
    request.getfixturevalue("no_decoding")
    second = decode(pictures, tmp_path / "cache")

    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert isinstance(second.pixels, np.memmap)
    assert not second.pixels.flags.writeable


def test_labels_are_no_part_of_the_key(
    pictures: list[Picture], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    decode(pictures, tmp_path / "cache")
    request.getfixturevalue("no_decoding")
    relabelled = [Picture(one.content, one.id, (0, 2)) for one in pictures]
    found = decoded_split(relabelled, CONTRACT, cache=tmp_path / "cache", classes=4)

    assert found.targets.tolist() == [[1, 0, 1, 0]] * 12


@pytest.mark.parametrize("change", ["file", "contract", "order"])
def test_what_changes_the_pixels_makes_another_entry(
    pictures: list[Picture], tmp_path: Path, change: str
) -> None:
    decode(pictures, tmp_path / "cache")
    contract = CONTRACT
    if change == "file":
        assert pictures[0].path
        assert pictures[1].path
        shutil.copy(pictures[1].path, pictures[0].path)
    elif change == "contract":
        contract = Preprocessing(height=24, width=32, interpolation="area")
    else:
        pictures = pictures[::-1]
    decoded_split(pictures, contract, cache=tmp_path / "cache")

    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "no-json", "bad-json", "no-pixels"])
def test_damaged_entry_is_made_again(pictures: list[Picture], tmp_path: Path, damage: str) -> None:
    first = np.array(decode(pictures, tmp_path / "cache").pixels)
    (entry,) = (tmp_path / "cache").iterdir()
    pixels = bytearray((entry / "pixels").read_bytes())
    if damage == "cut":
        (entry / "pixels").write_bytes(pixels[:-1])
    elif damage == "flipped":
        pixels[100] ^= 1
        (entry / "pixels").write_bytes(pixels)
    elif damage == "bad-json":
        (entry / "entry.json").write_text('{"shape": 3}')
    else:
        (entry / {"no-json": "entry.json", "no-pixels": "pixels"}[damage]).unlink()
    again = decode(pictures, tmp_path / "cache")

    np.testing.assert_array_equal(again.pixels, first)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [entry.name]


def test_pictures_that_cannot_be_read_are_left_out_and_listed(
    pictures: list[Picture], tmp_path: Path
) -> None:
    assert pictures[0].path
    assert pictures[1].path
    pictures[0].path.write_text("no picture")
    pictures[1].path.unlink()
    for _ in range(2):
        found = decode(pictures, tmp_path / "cache")

        assert len(found.pixels) == len(found.targets) == len(found.ids) == 10
        assert list(found.skipped) == [pictures[0].id, pictures[1].id]
        assert str(pictures[0].path) in found.skipped[pictures[0].id]


def test_progress_is_told_of_each_picture_both_times(
    pictures: list[Picture], tmp_path: Path
) -> None:
    for _ in range(2):
        told: list[int] = []
        decoded_split(pictures, CONTRACT, cache=tmp_path / "c", progress=lambda: told.append(1))  # noqa: B023
        assert len(told) == len(pictures)


def test_nothing_is_left_behind_when_decoding_fails(
    pictures: list[Picture], tmp_path: Path
) -> None:
    for picture in pictures:
        assert picture.path
        picture.path.write_text("no picture")

    with pytest.raises(DatasetError, match="no picture of 12 can be read"):
        decode(pictures, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_cache_that_cannot_be_written_is_named(pictures: list[Picture], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(DatasetError, match=r"cache: cannot keep decoded pictures: .*; make room"):
        decode(pictures, tmp_path / "cache")


def test_pictures_of_arrays_are_decoded_too(tmp_path: Path) -> None:
    array = np.full((8, 8), 77, np.uint8)
    found = decode([Picture(ArrayPicture("x[0]", array), "x/0", (1,))], tmp_path / "cache")

    assert np.all(found.pixels == 77)


def test_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/edge-recog/decoded")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache/edge-recog/decoded"
