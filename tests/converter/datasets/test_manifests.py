"""Tables of labels: CSV and JSON lines, one label or several, with and without splits."""

import json
import shutil
from pathlib import Path

import pytest
from edge_recog_converter.datasets import (
    SPLITS,
    Dataset,
    find_dataset,
    leakage,
    picture_digests,
    refuse_leakage,
    splits_csv,
    write_splits,
)
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.recipe import DataSection

from edge_recog.errors import UsageError

CLASSES = ("circles", "lines", "noise")
TABLE = DataSection(splits="manifest", validation=0.2, test=0.2)
LINES = DataSection(splits="manifest", manifest="manifest.jsonl", validation=0.2, test=0.2)


@pytest.fixture
def listed(tmp_path: Path, small_pictures: Path) -> Path:
    """A folder with images/CLASS/000.png to 011.png."""
    shutil.copytree(small_pictures / "train", tmp_path / "images")
    return tmp_path


def names() -> list[str]:
    return [f"{label}/{number:03}.png" for label in CLASSES for number in range(12)]


def write_table(root: Path, head: str, rows: list[str]) -> None:
    (root / "labels.csv").write_text("\n".join([head, *rows]), encoding="utf-8")


def digests_of(dataset: Dataset) -> dict[str, str]:
    return picture_digests((one.id, one.content) for one in dataset.pictures)


def test_pictures_are_found_beside_the_manifest_or_in_images(listed: Path) -> None:
    write_table(listed, "path,label", [f"{name},{name.split('/')[0]}" for name in names()])
    dataset = find_dataset(listed, TABLE, seed=0)

    assert dataset.labels == CLASSES
    assert len(dataset.pictures) == 36
    assert dataset.pictures[0].id.startswith("images/")


@pytest.mark.parametrize("separator", ["|", ";"])
def test_several_labels_of_a_table_make_the_task_multi_label(listed: Path, separator: str) -> None:
    rows = [f"{name},{name.split('/')[0]}{separator}shape" for name in names()[:24]]
    write_table(listed, "file,labels", [*rows, *(f"{name}," for name in names()[24:])])
    dataset = find_dataset(listed, TABLE, seed=0)
    labels = {one.id: one.labels for one in dataset.pictures}

    assert (dataset.task, dataset.labels) == ("multi-label", ("circles", "lines", "shape"))
    assert labels["images/lines/003.png"] == (1, 2)
    assert labels["images/noise/003.png"] == ()


def test_one_label_is_not_asked_of_a_picture_with_several(listed: Path) -> None:
    write_table(listed, "file,labels", [f"{name},a;b" for name in names()])
    dataset = find_dataset(listed, TABLE, seed=0)

    with pytest.raises(DatasetError, match="2 labels, where exactly one is wanted"):
        _ = dataset.pictures[0].label


def test_lines_of_json_are_as_good_as_a_table(listed: Path) -> None:
    rows = [
        {"path": name, "labels": [name.split("/")[0]], "split": SPLITS[number % 3], "more": 1}
        for number, name in enumerate(names())
    ]
    text = "\n".join(json.dumps(row) for row in rows)
    (listed / "manifest.jsonl").write_text(text, encoding="utf-8")
    dataset = find_dataset(listed, LINES, seed=0)

    assert dataset.task == "single-label"
    assert {split: len(dataset.splits[split]) for split in SPLITS} == dict.fromkeys(SPLITS, 12)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not what a row should be"),
        ("[1]", "not what a row should be"),
        ('{"label": "a"}', "one column path or file"),
        ('{"path": "a.png"}', "one column label or labels"),
        ('{"path": "a.png", "label": ["a"]}', "label must be a text"),
        ('{"path": "a.png", "labels": "a"}', "label must be a text"),
        ('{"path": 3, "label": "a"}', "path is 3"),
        ('{"path": "a.png", "label": "a", "split": "dev"}', "split 'dev'"),
        ('{"path": "a.png", "label": " "}', "no label"),
        ('{"path": "../a.png", "label": "a"}', "leads out"),
        ('{"path": "a\\u0000.png", "label": "a"}', "not called like a picture"),
    ],
)
def test_line_that_makes_no_sense_is_refused_by_number(
    listed: Path, line: str, message: str
) -> None:
    (listed / "manifest.jsonl").write_text(f"\n{line}\n", encoding="utf-8")

    with pytest.raises(DatasetError, match=rf"manifest\.jsonl:2: .*{message}"):
        find_dataset(listed, LINES, seed=0)


def test_picture_that_is_listed_twice_is_refused(listed: Path) -> None:
    write_table(listed, "file,label", ["circles/000.png,a", "circles/001.png,b"] * 2)

    with pytest.raises(DatasetError, match=r"csv:4: .* listed in .*csv:2 already"):
        find_dataset(listed, TABLE, seed=0)


def test_splits_are_for_all_or_for_none(listed: Path) -> None:
    write_table(listed, "file,label,split", ["circles/000.png,a,train", "circles/001.png,b,"])

    with pytest.raises(DatasetError, match=r"split ''"):
        find_dataset(listed, TABLE, seed=0)


def test_groups_stay_together(listed: Path) -> None:
    rows = [f"{name},{name.split('/')[0]},who {n % 9}" for n, name in enumerate(names())]
    write_table(listed, "file,label,person", rows)
    section = DataSection(splits="manifest", groups="person", validation=0.3, test=0.3)
    dataset = find_dataset(listed, section, seed=1)

    assert {picture.group for picture in dataset.pictures} == {f"who {n}" for n in range(9)}
    assert not leakage(dataset, {})


def test_groups_that_a_manifest_tears_apart_are_refused(listed: Path) -> None:
    rows = [
        f"{name},{name.split('/')[0]},{SPLITS[number % 3]},ann"
        for number, name in enumerate(names())
    ]
    write_table(listed, "file,label,split,group", rows)
    leaked = leakage(find_dataset(listed, TABLE, seed=0), {})

    assert leaked.groups == {"ann": SPLITS}
    with pytest.raises(DatasetError, match=r"ann \(train, validation, test\).*allow_leakage"):
        refuse_leakage(leaked, allowed=False)
    refuse_leakage(leaked, allowed=True)


def test_copies_across_splits_are_refused_by_name(tmp_path: Path, small_pictures: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    shutil.copy(root / "train/noise/000.png", root / "test/noise/copy.png")
    dataset = find_dataset(root, DataSection(splits="folders"), seed=0)
    leaked = leakage(dataset, digests_of(dataset))

    assert leaked.duplicates == (
        (("train", "train/noise/000.png"), ("test", "test/noise/copy.png")),
    )
    with pytest.raises(DatasetError, match=r"train/noise/000\.png = test/noise/copy\.png.*data ch"):
        refuse_leakage(leaked, allowed=False)


def test_splits_are_written_down_and_can_be_read_back(listed: Path) -> None:
    section = DataSection(splits="stratified", validation=0.2, test=0.2)
    dataset = find_dataset(listed / "images", section, seed=5)
    digests = digests_of(dataset)
    write_splits(listed / "images" / "splits.csv", dataset, digests, force=False)
    first = (listed / "images" / "splits.csv").read_text().splitlines()[:2]

    assert first[0] == "id,label,split,sha256"
    assert first[1].endswith(digests["circles/000.png"])
    again = find_dataset(
        listed / "images", DataSection(splits="manifest", manifest="splits.csv"), seed=9
    )
    assert again.splits == dataset.splits
    with pytest.raises(UsageError, match="exists already"):
        write_splits(listed / "images" / "splits.csv", dataset, digests, force=False)


def test_several_labels_are_written_in_one_column(listed: Path) -> None:
    write_table(listed, "file,labels", [f"{name},a;b" for name in names()])
    text = splits_csv(find_dataset(listed, TABLE, seed=0), {})

    assert text.startswith("id,labels,split,sha256\nimages/circles/000.png,a|b,")
