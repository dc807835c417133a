"""A dirty folder is told what is wrong with it, and a hopeless one is refused in one line."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import pytest
from edge_recog_converter.checking import CheckResult, check_data
from edge_recog_converter.checking.page import page
from edge_recog_converter.datasets.finding import detect_layout
from edge_recog_converter.errors import DatasetError
from edge_recog_converter.recipe import DataSection

from edge_recog.cli import main

FOLDERS = DataSection(splits="folders")
STRATIFIED = DataSection(splits="stratified")


@pytest.fixture
def data(tmp_path: Path, small_pictures: Path) -> Path:
    root = tmp_path / "data"
    shutil.copytree(small_pictures, root)
    return root


def kinds(result: CheckResult) -> dict[str, str]:
    return {finding.kind: finding.severity for finding in result.findings}


def check(root: Path, section: DataSection = FOLDERS) -> CheckResult:
    return check_data(root, section, seed=0)[0]


def text_file(root: Path) -> None:
    (root / "train/noise/000.png").write_text("not a picture")


def truncated(root: Path) -> None:
    pixels = cv2.imread(str(root / "train/noise/000.png"))
    path = root / "train/noise/cut.jpg"
    cv2.imwrite(str(path), pixels)
    path.write_bytes(path.read_bytes()[:-200])


def copy_across(root: Path) -> None:
    shutil.copy(root / "train/noise/000.png", root / "test/noise/copy.png")


def copy_within(root: Path) -> None:
    shutil.copy(root / "train/noise/000.png", root / "train/noise/copy.png")


def copy_with_other_label(root: Path) -> None:
    shutil.copy(root / "train/noise/000.png", root / "train/lines/copy.png")


def near_across(root: Path) -> None:
    pixels = cv2.imread(str(root / "train/circles/000.png"))
    cv2.imwrite(str(root / "test/circles/near.jpg"), pixels)


def rare(root: Path) -> None:
    for path in sorted((root / "train/noise").iterdir())[1:]:
        path.unlink()


def missing_in_test(root: Path) -> None:
    shutil.rmtree(root / "test/noise")


@pytest.mark.parametrize(
    ("dirt", "kind", "severity"),
    [
        (text_file, "corrupt", "warning"),
        (truncated, "corrupt", "warning"),
        (copy_across, "copies-across-splits", "error"),
        (copy_within, "copies", "warning"),
        (copy_with_other_label, "labels-differ", "error"),
        (near_across, "near-copies-across-splits", "warning"),
        (rare, "imbalance", "warning"),
        (rare, "few-pictures", "warning"),
        (missing_in_test, "class-missing-in-test", "warning"),
    ],
)
def test_dirt_is_found_and_the_rest_can_be_used(
    data: Path, dirt: Callable[[Path], None], kind: str, severity: str
) -> None:
    assert kind not in kinds(check(data))
    dirt(data)
    result = check(data)

    assert kinds(result)[kind] == severity
    assert result.usable


def test_clean_data_has_no_finding(data: Path) -> None:
    result = check(data)

    assert result.usable
    assert [finding for finding in result.findings if finding.severity != "note"] == []
    assert result.splits == {"train": 36, "validation": 12, "test": 12}
    assert result.modes == {"PNG RGB": 60}
    assert result.sizes["median"] == (64, 48)
    assert result.imbalance == 1.0


def empty_class(root: Path) -> None:
    (root / "train/empty").mkdir()


def one_class(root: Path) -> None:
    for split in ("train", "validation", "test"):
        for name in ("lines", "noise"):
            shutil.rmtree(root / split / name)


def unreadable_class(root: Path) -> None:
    for path in root.glob("*/noise/*"):
        path.write_text("not a picture")


@pytest.mark.parametrize(
    ("dirt", "kind", "reason"),
    [
        (empty_class, "empty-class", "empty: a class without pictures; remove it"),
        (one_class, "one-class", "one class cannot be told from itself"),
        (unreadable_class, "class-unreadable", ""),
    ],
)
def test_classes_that_are_no_classes_are_errors(
    data: Path, dirt: Callable[[Path], None], kind: str, reason: str
) -> None:
    dirt(data)
    result = check(data)

    assert kinds(result)[kind] == "error"
    assert result.usable is (not reason)
    assert reason in result.unusable_because


def test_corrupt_files_are_named_with_what_to_do(data: Path) -> None:
    truncated(data)
    ((name, reason),) = check(data).corrupt.items()

    assert name == "train/noise/cut.jpg"
    assert "cut.jpg: the JPEG file ends too early; fetch it again" in reason


def test_data_without_one_readable_picture_is_refused(data: Path) -> None:
    for path in data.rglob("*.png"):
        path.write_bytes(b"")

    with pytest.raises(DatasetError, match="none of 60 files can be read"):
        check(data)


def test_torn_groups_are_errors(data: Path) -> None:
    rows = [
        f"{split}/{label}/{number:03}.png,{label},{split},ann"
        for split in ("train", "test", "validation")
        for label in ("lines", "noise")
        for number in range(4)
    ]
    (data / "labels.csv").write_text("\n".join(["path,label,split,group", *rows]))

    assert kinds(check(data, detect_layout(data)))["groups-across-splits"] == "error"


def test_layout_is_told_by_what_is_there(data: Path, tmp_path: Path) -> None:
    assert detect_layout(data).splits == "folders"
    assert detect_layout(data / "train").splits == "stratified"
    (tmp_path / "arrays.npz").touch()
    assert detect_layout(tmp_path / "arrays.npz").splits == "npz"
    (data / "train-images-idx3-ubyte.gz").touch()
    assert detect_layout(data).splits == "idx"
    (data / "manifest.jsonl").touch()
    assert detect_layout(data).manifest == "manifest.jsonl"
    (data / "labels.csv").touch()
    with pytest.raises(DatasetError, match=r"labels\.csv and manifest\.jsonl; name one"):
        detect_layout(data)


class _Resources(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in {"src", "href"}]


def test_page_needs_nothing_else_and_escapes_names(data: Path) -> None:
    copy_across(data)
    near_across(data)
    for split in ("train", "validation", "test"):
        (data / split / "noise").rename(data / split / "<script>x")
    text = page(*check_data(data, FOLDERS, seed=0))
    found = _Resources(text)

    assert "script" not in found.tags
    assert found.tags.count("img") >= 4
    assert all(address.startswith("data:") for address in found.addresses)
    assert not re.search(r"https?://", text)
    assert "in more than one split" in text


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["edge-recog", "data", "check", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_command_says_what_it_found_and_exits_0(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_across(data)
    status, out, _ = run(monkeypatch, capsys, data)

    assert status == 0
    assert "copies in more than one split" in out
    assert "test/noise/copy.png" in out


def test_command_prints_one_document(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_across(data)
    status, out, _ = run(monkeypatch, capsys, data, "--json")
    document: dict[str, Any] = json.loads(out)

    assert status == 0
    assert set(document) == set(CheckResult.__struct_fields__)
    assert document["schema_version"] == 1
    assert document["exact"][0]["across_splits"] is True


def test_command_exits_1_with_one_line_when_the_data_cannot_be_used(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one_class(data)
    status, out, err = run(monkeypatch, capsys, data, "--json")

    assert status == 1
    assert json.loads(out)["usable"] is False
    assert err.count("\n") == 1
    assert err.startswith("edge-recog: ")


def test_command_writes_a_page_but_over_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "check.html"

    assert run(monkeypatch, capsys, data, "--html", html)[0] == 0
    assert html.read_text(encoding="utf-8").startswith("<!doctype html>")
    html.write_text("mine")
    status, _, err = run(monkeypatch, capsys, data, "--html", html)
    assert (status, html.read_text()) == (2, "mine")
    assert "--force" in err
    assert run(monkeypatch, capsys, data, "--html", html, "--force")[0] == 0
