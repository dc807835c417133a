"""Pictures are found in the layouts that a recipe can name, and nothing else passes."""

import shutil
import unicodedata
from pathlib import Path

import pytest
from edge_recog_converter.datasets import (
    SPLITS,
    digest_of,
    find_dataset,
    leakage,
    picture_digests,
)
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.recipe import DataSection

FOLDERS = DataSection(splits="folders")
STRATIFIED = DataSection(splits="stratified", validation=0.25, test=0.25)
MANIFEST = DataSection(splits="manifest", pictures="images")


def test_split_folders_are_read(small_pictures: Path) -> None:
    dataset = find_dataset(small_pictures, FOLDERS, seed=0)

    assert dataset.labels == ("circles", "lines", "noise")
    assert {split: len(dataset.splits[split]) for split in SPLITS} == {
        "train": 36,
        "validation": 12,
        "test": 12,
    }
    first = dataset.splits["test"][0]
    assert (first.id, dataset.labels[first.label]) == ("test/circles/000.png", "circles")


def test_stratified_split_gives_each_class_a_place_everywhere_and_keeps_pictures_apart(
    small_pictures: Path,
) -> None:
    dataset = find_dataset(small_pictures / "train", STRATIFIED, seed=3)
    ids = [picture.id for picture in dataset.pictures]

    for split in SPLITS:
        assert {picture.label for picture in dataset.splits[split]} == {0, 1, 2}
    assert len(set(ids)) == len(ids) == 36
    assert len(dataset.splits["train"]) > len(dataset.splits["test"])


def test_stratified_split_depends_on_the_seed_alone(small_pictures: Path) -> None:
    one, same, other = (
        find_dataset(small_pictures / "train", STRATIFIED, seed=seed).splits["test"]
        for seed in (3, 3, 4)
    )

    assert one == same != other


def write_manifest(root: Path, rows: str, header: str = "file,label,split") -> None:
    (root / "labels.csv").write_text(f"{header}\n{rows}", encoding="utf-8")


@pytest.fixture
def listed(tmp_path: Path, small_pictures: Path) -> Path:
    shutil.copytree(small_pictures / "train", tmp_path / "images")
    return tmp_path


def test_manifest_splits_are_used_as_written(listed: Path) -> None:
    rows = [
        f"{label}/{number:03}.png,{label},{split}"
        for label in ("circles", "noise")
        for number, split in enumerate(["train", "val", "test"])
    ]
    write_manifest(listed, "\n".join(rows))
    dataset = find_dataset(listed, MANIFEST, seed=0)

    assert dataset.labels == ("circles", "noise")
    assert [picture.id for picture in dataset.splits["validation"]] == [
        "images/circles/001.png",
        "images/noise/001.png",
    ]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ("circles/000.png,circles,training", "file,label,split", r"labels\.csv:2: split"),
        ("circles/000.png,,train", "file,label,split", "no label"),
        ("circles/000.png,train", "file,split", "one column label or labels"),
        ("../../x.png,circles,train", "file,label,split", "leads out of"),
        ("circles/000.exe,circles,train", "file,label,split", "not called like a picture"),
        ("circles/000.png,circles,train", "file,label,split", "one class"),
    ],
    ids=["split", "label", "column", "outside", "kind", "one-class"],
)
def test_manifest_that_makes_no_sense_is_refused(
    listed: Path, rows: str, header: str, message: str
) -> None:
    write_manifest(listed, rows, header)

    with pytest.raises(DatasetError, match=message):
        find_dataset(listed, MANIFEST, seed=0)


def test_manifest_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"labels\.csv: cannot be read"):
        find_dataset(tmp_path, MANIFEST, seed=0)


def test_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="--data"):
        find_dataset(tmp_path / "no", FOLDERS, seed=0)


def test_missing_split_names_the_way_out(small_pictures: Path) -> None:
    with pytest.raises(DatasetError, match="stratified"):
        find_dataset(small_pictures / "train", FOLDERS, seed=0)


def test_class_without_pictures_is_named(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    (root / "train" / "empty").mkdir()

    with pytest.raises(DatasetError, match="empty: a class without pictures"):
        find_dataset(root, FOLDERS, seed=0)


def test_class_that_training_lacks_is_named(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    (root / "test" / "noise").rename(root / "test" / "static")

    with pytest.raises(DatasetError, match="'static'"):
        find_dataset(root, FOLDERS, seed=0)


def test_class_too_small_to_split_is_named(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures / "train", root)
    for path in sorted((root / "noise").iterdir())[2:]:
        path.unlink()

    with pytest.raises(DatasetError, match="2 pictures cannot be split"):
        find_dataset(root, STRATIFIED, seed=0)


def test_digest_does_not_depend_on_the_order() -> None:
    assert digest_of(["b", "a"]) == digest_of(["a", "b"]) != digest_of(["a"])


def test_copies_of_one_picture_go_together(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures / "train", root)
    for path in sorted((root / "noise").iterdir()):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    dataset = find_dataset(root, STRATIFIED, seed=0)
    digests = picture_digests((one.id, one.content) for one in dataset.pictures)

    assert len(dataset.pictures) == 48
    assert not leakage(dataset, digests)


def test_renaming_moves_nothing(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures / "train", root)
    before = placed(root)
    for path in sorted((root / "lines").iterdir()):
        path.rename(path.with_name(f"renamed-{path.name}"))

    assert placed(root) == before


def placed(root: Path) -> dict[str, list[str]]:
    dataset = find_dataset(root, STRATIFIED, seed=0)
    digests = picture_digests((one.id, one.content) for one in dataset.pictures)
    return {split: sorted(digests[one.id] for one in dataset.splits[split]) for split in SPLITS}


def test_names_need_not_be_ascii_nor_composed_alike(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    for split, form in (("train", "NFC"), ("validation", "NFD"), ("test", "NFC")):
        folder = root / split / unicodedata.normalize(form, "Käse \N{CHEESE WEDGE}")
        (root / split / "noise").rename(folder)
        (folder / "000.png").rename(folder / "\u5199\u771f.png")
    dataset = find_dataset(root, FOLDERS, seed=0)

    assert dataset.labels == ("Käse \N{CHEESE WEDGE}", "circles", "lines")
    assert any(picture.id.endswith("\u5199\u771f.png") for picture in dataset.splits["test"])


def test_val_is_as_good_as_validation(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    (root / "validation").rename(root / "val")

    assert len(find_dataset(root, FOLDERS, seed=0).splits["validation"]) == 12
