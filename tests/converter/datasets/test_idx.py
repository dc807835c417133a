"""The files of MNIST are read, and believed only as far as they go."""

import contextlib
import gzip
import hashlib
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from edge_recog_converter.datasets import find_dataset, picture_digests
from edge_recog_converter.datasets.idx import read_idx
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.pictures import PictureReader
from edge_recog_converter.recipe import DataSection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

IDX = DataSection(splits="idx", validation=0.2)


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 60), ("t10k", 20)):
        pictures = rng.integers(0, 256, (count, 9, 7), dtype=np.uint8)
        labels = np.arange(count) % 11
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


def test_files_packed_or_not_become_a_dataset_with_validation_off_train(mnist: Path) -> None:
    dataset = find_dataset(mnist, IDX, seed=0)

    assert dataset.labels == tuple(map(str, range(11)))
    assert len(dataset.splits["test"]) == 20
    assert len(dataset.pictures) == 80
    validation = Counter(picture.label for picture in dataset.splits["validation"])
    assert set(validation) == set(range(11))
    assert dataset.splits["test"][3].id == "t10k-images-idx3-ubyte/000003"
    assert dataset.splits["test"][3].path is None


def test_pictures_read_as_they_were_written_and_have_a_digest_of_their_pixels(mnist: Path) -> None:
    dataset = find_dataset(mnist, IDX, seed=0)
    array = read_idx(mnist / "t10k-images-idx3-ubyte.gz", dimensions=3)
    frames = [frame for _, frame in PictureReader().frames(dataset.splits["test"])]

    np.testing.assert_array_equal(frames[5].pixels, np.repeat(array[5][..., None], 3, axis=2))
    again = picture_digests((one.id, one.content) for one in dataset.splits["test"])
    expected = {
        one.id: hashlib.sha256(one.content.read_bytes()).hexdigest()
        for one in dataset.splits["test"]
    }
    assert again == expected
    assert len(set(again.values())) == 20


def test_class_names_may_lie_beside_the_files(mnist: Path) -> None:
    (mnist / "labels.txt").write_text("\n".join(f"kind {n}" for n in range(11)), encoding="utf-8")

    assert find_dataset(mnist, IDX, seed=0).labels[10] == "kind 10"


def test_too_few_class_names_are_refused(mnist: Path) -> None:
    (mnist / "labels.txt").write_text("one\ntwo", encoding="utf-8")

    with pytest.raises(DatasetError, match="2 class names, but there is a class number 10"):
        find_dataset(mnist, IDX, seed=0)


def test_missing_file_is_named(mnist: Path) -> None:
    (mnist / "t10k-labels-idx1-ubyte").unlink()

    with pytest.raises(DatasetError, match="no t10k-labels-idx1-ubyte in it"):
        find_dataset(mnist, IDX, seed=0)


def test_pictures_and_labels_must_be_as_many(mnist: Path) -> None:
    (mnist / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(19)))

    with pytest.raises(DatasetError, match="20 pictures, but 19 labels"):
        find_dataset(mnist, IDX, seed=0)


GOOD = idx(np.arange(24).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG" + GOOD[4:], "not an IDX file"),
        (GOOD[:2] + b"\x0d" + GOOD[3:], "type 0x0d"),
        (GOOD[:3] + b"\x02" + GOOD[4:], "2 dimensions; 3 are wanted"),
        (GOOD[:9], "dimensions"),
        (GOOD[:-1], "promises 24 bytes .* only 23"),
        (GOOD + b"x", "there are more"),
        (GOOD[:4] + struct.pack(">3I", 2**31, 2**31, 2), "more than"),
        (GOOD[:4] + struct.pack(">3I", 100_000, 200, 200) + b"x", "only 1"),
    ],
    ids=["empty", "png", "float", "labels", "head", "short", "long", "huge", "liar"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_file_that_is_not_what_it_says_is_refused(
    tmp_path: Path, data: bytes, message: str, packed: bool
) -> None:
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(data) if packed else data)

    with pytest.raises(DatasetError, match=message):
        read_idx(path, dimensions=3)


def test_gzip_bomb_is_unpacked_no_further_than_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(GOOD)
        for _ in range(200):
            file.write(bytes(1 << 20))

    with pytest.raises(DatasetError, match="there are more"):
        read_idx(path, dimensions=3)


@pytest.mark.parametrize("cut", [5, 12, 30], ids=["head", "begin", "end"])
def test_damaged_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(GOOD)[:cut])

    with pytest.raises(DatasetError, match="damaged gzip file"):
        read_idx(path, dimensions=3)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=3), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_written_is_read(tmp_path: Path, shape: list[int], data: st.DataObject) -> None:
    size = int(np.prod(shape))
    values = data.draw(st.binary(min_size=size, max_size=size))
    array = np.frombuffer(values, np.uint8).reshape(shape)
    path = tmp_path / "x"
    path.write_bytes(idx(array))

    np.testing.assert_array_equal(read_idx(path, dimensions=3), array)


@given(st.binary(max_size=64), st.integers(0, len(GOOD)), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_an_array_or_refused(
    tmp_path: Path, noise: bytes, keep: int, packed: bool
) -> None:
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(GOOD[:keep] + noise)
    with contextlib.suppress(DatasetError):
        array = read_idx(path, dimensions=3)
        assert array.nbytes == len(path.read_bytes()) - 16
