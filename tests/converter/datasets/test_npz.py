"""Arrays are read from NPZ files, and nothing else is."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_recog_converter.datasets import find_dataset
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.pictures import PictureReader
from edge_recog_converter.recipe import DataSection

NPZ = DataSection(splits="npz", validation=0.3, test=0.3)
RNG = np.random.default_rng(0)


def pictures(count: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


def full(**changes: Any) -> dict[str, Any]:
    arrays = {
        "x_train": pictures(30, 6, 8, 3),
        "y_train": np.arange(30) % 3,
        "x_test": pictures(9, 6, 8, 3),
        "y_test": np.arange(9) % 3,
    }
    return {**arrays, **changes}


def save(folder: Path, arrays: dict[str, Any]) -> Path:
    path = folder / "data.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def test_arrays_become_a_dataset_with_validation_off_train(tmp_path: Path) -> None:
    arrays = full(class_names=np.array(["cat", "dog", "\u9ce5"]))
    dataset = find_dataset(save(tmp_path, arrays), NPZ, seed=0)

    assert dataset.labels == ("cat", "dog", "\u9ce5")
    assert len(dataset.splits["test"]) == 9
    assert len(dataset.splits["train"]) + len(dataset.splits["validation"]) == 30
    picture = dataset.splits["test"][4]
    assert (picture.id, picture.label) == ("data.npz/x_test/000004", 1)
    frame = PictureReader().frame(picture)
    assert frame is not None
    np.testing.assert_array_equal(frame.pixels, arrays["x_test"][4])


def test_folder_with_one_file_is_as_good_as_the_file(tmp_path: Path) -> None:
    save(tmp_path, full())

    assert len(find_dataset(tmp_path, NPZ, seed=0).pictures) == 39


def test_pictures_without_splits_are_split_here(tmp_path: Path) -> None:
    path = save(tmp_path, {"images": pictures(40, 6, 6), "labels": np.arange(40)[:, None] % 2})
    dataset = find_dataset(path, NPZ, seed=0)

    assert sum(len(split) for split in dataset.splits.values()) == 40


def test_rows_of_ones_are_several_labels(tmp_path: Path) -> None:
    labels = RNG.integers(0, 2, (30, 3))
    labels[0] = [0, 0, 0]
    dataset = find_dataset(save(tmp_path, {"x": pictures(30, 6, 6), "y": labels}), NPZ, seed=0)
    found = {one.id: one.labels for one in dataset.pictures}

    assert dataset.task == "multi-label"
    assert found["data.npz/x/000000"] == ()
    assert found["data.npz/x/000007"] == tuple(np.flatnonzero(labels[7]).tolist())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_test": pictures(3, 4, 4), "y_test": np.arange(3)}, "no pictures to train on"),
        (full(x_train=np.zeros((30, 6, 8, 3), np.float32)), "type float32"),
        (full(x_train=np.zeros((30, 6, 8, 3), np.int32)), "must be uint8"),
        (full(x_train=pictures(30, 6, 8, 4)), "1 or 3 channels"),
        (full(x_train=pictures(30, 6)), "1 or 3 channels"),
        (full(y_train=np.arange(29) % 3), "30 pictures, but 29 labels"),
        (full(y_train=np.arange(30) % 3 - 1), "labels from -1"),
        (full(y_train=np.array(["cat"] * 30)), "whole numbers"),
        (full(y_train=np.array([{}] * 30)), "type object"),
        (full(class_names=np.array(["cat"])), "1 class names"),
        (full(class_names=np.array(["cat", "cat", "dog"])), "same name"),
    ],
    ids=[
        "no-train", "float", "int32", "rgba", "flat", "count", "negative", "texts", "pickled",
        "few-names", "same-names",
    ],
)  # fmt: skip
def test_arrays_that_make_no_sense_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        find_dataset(save(tmp_path, arrays), NPZ, seed=0)


def npy(shape: str, body: bytes) -> bytes:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head = head.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + body


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (npy("(1000000, 28, 28)", b"x" * 100), "not what follows"),
        (npy("(2, 2, 2)", bytes(30_000_000)), "not what follows"),
        (npy("(99999999, 9999, 9999)", b""), "more than"),
        (npy("(2, 2, 2", b"x" * 8), "not a NumPy array"),
        (b"\x93NUMPY\x09\x00", "not a NumPy array"),
        (b"", "not a NumPy array"),
    ],
    ids=["short", "bomb", "huge", "head", "version", "empty"],
)
def test_array_that_is_not_what_it_says_is_refused(
    tmp_path: Path, member: bytes, message: str
) -> None:
    path = tmp_path / "data.npz"
    labels = io.BytesIO()
    np.save(labels, np.arange(2))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", labels.getvalue())

    with pytest.raises(DatasetError, match=message):
        find_dataset(path, NPZ, seed=0)


@pytest.mark.parametrize("damage", ["text", "cut", "flipped"])
def test_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = save(tmp_path, full())
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF
    path.write_bytes(
        {"text": b"hello", "cut": bytes(data[: len(data) // 2]), "flipped": bytes(data)}[damage]
    )

    with pytest.raises(DatasetError, match=r"data\.npz"):
        find_dataset(path, NPZ, seed=0)
