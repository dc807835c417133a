from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from edge_recog_benchmarks.labelled import find_labelled, match_labels
from edge_recog_benchmarks.manifests import read_manifest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_recog import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge_recog_benchmarks.results import AccuracyData

LABELS = ("bird", "cat", "hot dog")


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return what fills a folder: pictures, each another one, and texts by path."""

    def fill(*pictures: str, **texts: str) -> Path:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        for number, name in enumerate(pictures):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((4, 4, 3), number, np.uint8)
            path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        for name, text in texts.items():
            (root / name.replace("_", ".")).write_text(text, encoding="utf-8")
        return root

    return fill


def said(data: AccuracyData) -> dict[str, tuple[str, ...]]:
    """Return the names of the labels by picture."""
    return {
        picture.id: tuple(data.labels[label] for label in picture.labels)
        for picture in data.pictures
    }


def single(root: Path, labels: tuple[str, ...] = LABELS) -> AccuracyData:
    return find_labelled(root, labels, "single-label")


def test_class_folders_say_the_label(folder: Callable[..., Path]) -> None:
    root = folder("hot dog/b.png", "cat/deep/c.JPG", "bird/a.png", "loose.png", "cat/.d.png")

    data = single(root)

    assert said(data) == {
        "bird/a.png": ("bird",),
        "cat/deep/c.JPG": ("cat",),
        "hot dog/b.png": ("hot dog",),
    }
    assert [picture.id for picture in data.pictures] == sorted(said(data))
    assert (data.name, data.folder) == ("data", str(root.resolve()))
    assert (data.labels, data.task) == (LABELS, "single-label")


def test_of_splits_the_test_is_taken(folder: Callable[..., Path]) -> None:
    root = folder("train/cat/a.png", "val/cat/b.png", "test/cat/c.png", "test/bird/d.png")

    data = single(root)

    assert said(data) == {"bird/d.png": ("bird",), "cat/c.png": ("cat",)}
    assert data.name == "data/test"
    assert data == single(root / "test")


def test_splits_without_a_test_are_not_measured_unasked(folder: Callable[..., Path]) -> None:
    root = folder("train/cat/a.png", "validation/cat/b.png")

    with pytest.raises(UsageError, match=r"no test; .* --data .*data/validation"):
        single(root)
    assert single(root / "validation").name == "data/validation"


def test_a_class_may_be_called_like_a_split(folder: Callable[..., Path]) -> None:
    root = folder("train/a.png", "plane/b.png")

    assert len(single(root, ("plane", "train")).pictures) == 2


CSV = "file,label\na.png,cat\nsub/b.png,bird\n"


@pytest.mark.parametrize(
    "texts",
    [
        {"labels_csv": CSV},
        {"manifest_csv": "path,labels,split\nsub/b.png, bird ,\na.png,cat,\n"},
        {"manifest_csv": "﻿who,path,label\r\nx,sub/b.png,bird\r\n\r\ny,./a.png,cat\r\n"},
        {"manifest_csv": 'split,path,label\ntest,sub/b.png,bird\ntest,"a.png",cat\n'},
        {
            "manifest_jsonl": '{"path": "a.png", "label": "cat", "who": 3}\n'
            '\n{"file": "sub/b.png", "labels": ["bird"]}'
        },
    ],
    ids=["file and label", "path and labels", "others and blank lines", "quoted", "JSON lines"],
)
def test_a_manifest_says_the_label(folder: Callable[..., Path], texts: dict[str, str]) -> None:
    root = folder("a.png", "sub/b.png", "cat/not listed.png", **texts)

    data = single(root)

    assert said(data) == {"a.png": ("cat",), "sub/b.png": ("bird",)}


@pytest.mark.parametrize("below", ["images", "pictures"])
def test_pictures_may_be_in_a_folder_of_their_own(folder: Callable[..., Path], below: str) -> None:
    root = folder(f"{below}/a.png", f"{below}/sub/b.png", labels_csv=CSV)

    assert said(single(root)) == {f"{below}/a.png": ("cat",), f"{below}/sub/b.png": ("bird",)}


@pytest.mark.parametrize(
    "texts",
    [
        {"labels_csv": "file,label,split\na.png,cat,train\nb.png,cat,test\nc.png,cat,val\n"},
        {
            "manifest_jsonl": '{"path":"a.png","label":"x","split":"train"}\n'
            '{"path":"b.png","label":"cat","split":"test"}\n'
        },
    ],
    ids=["CSV", "JSON lines"],
)
def test_of_a_manifests_splits_the_test_is_taken(
    folder: Callable[..., Path], texts: dict[str, str]
) -> None:
    data = single(folder("a.png", "b.png", "c.png", **texts))

    assert said(data) == {"b.png": ("cat",)}
    assert data.name == "data/test"


@pytest.mark.parametrize(
    "texts",
    [
        {"labels_csv": "file,labels\na.png,hot dog; cat\nb.png,bird|cat|cat\nc.png,\n"},
        {
            "manifest_jsonl": '{"path":"a.png","labels":["hot dog","cat"]}\n'
            '{"path":"b.png","labels":["cat","bird"]}\n{"path":"c.png","labels":[]}\n'
        },
    ],
    ids=["CSV", "JSON lines"],
)
def test_a_picture_may_have_several_labels_or_none(
    folder: Callable[..., Path], texts: dict[str, str]
) -> None:
    root = folder("a.png", "b.png", "c.png", **texts)

    data = find_labelled(root, LABELS, "multi-label")

    assert said(data) == {"a.png": ("cat", "hot dog"), "b.png": ("bird", "cat"), "c.png": ()}
    with pytest.raises(UsageError, match=r":\d: [02] labels, but the model tells one"):
        single(root)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"labels_csv": "file,label\n"}, "it has no rows"),
        ({"labels_csv": ""}, "must have one column path or file; it has none"),
        ({"labels_csv": "a.png,cat\n"}, "must have one column path or file; it has a.png, cat"),
        ({"labels_csv": "path,file,label\n"}, "one column path or file"),
        ({"labels_csv": "file,class\n"}, "one column label or labels; it has file, class"),
        ({"labels_csv": "file,label\na.png,cat, tabby\n"}, ":2: 3 cells, but 2 columns; quote"),
        ({"labels_csv": 'file,label\n"a.png,cat\n'}, "cannot be read: unexpected end of data"),
        ({"labels_csv": "file,label\n,cat\n"}, ":2: it names no picture"),
        ({"labels_csv": "file,label\na.png,cat\n./a.png,cat\n"}, r":3: .* listed in .*:2 already"),
        ({"labels_csv": "file,label\n/a.png,cat\n"}, ":2: '/a.png' leads out of the data folder"),
        ({"labels_csv": "file,label\n../a.png,cat\n"}, "'../a.png' leads out of the data folder"),
        ({"labels_csv": "file,label\nlink.png,cat\n"}, ":2: 'link.png' leads out of the folder"),
        ({"labels_csv": "file,label\nloop.png,cat\n"}, ":2: the picture 'loop.png' cannot be read"),
        ({"labels_csv": "file,label\na.txt,cat\n"}, "'a.txt' is not called like a picture"),
        (
            {"labels_csv": "file,label\na\0.png,cat\n"},
            "not called like a picture|line contains NUL",
        ),
        ({"labels_csv": "file,label\nz.png,cat\n"}, "'z.png' cannot be read below .*: No such"),
        ({"labels_csv": f"file,label\n{'z' * 999}.png,cat\n"}, "cannot be read.*too long"),
        ({"labels_csv": "file,label,split\na.png,cat,train\n"}, "no row has the split test"),
        ({"labels_csv": "file,label,split\na.png,cat,tets\n"}, ":2: split 'tets'; it must be"),
        ({"labels_csv": "file,label,split\na.png,cat,test\nb.png,cat,\n"}, ":3: split ''"),
        ({"manifest_jsonl": '{"path": "a.png"}'}, ":1: give it either label or labels"),
        ({"manifest_jsonl": '{"label": "cat"}'}, ":1: it names no picture"),
        ({"manifest_jsonl": '{"path":"a.png","file":"b.png","label":""}'}, "either path or file"),
        ({"manifest_jsonl": '{"path":"a.png","label":"a","labels":[]}'}, "either label or labels"),
        ({"manifest_jsonl": '{"path": "a.png", "label": 1}'}, ":1: .*Expected `str"),
        ({"manifest_jsonl": '\n["a.png", "cat"]'}, ":2: not what a row should be"),
        ({"manifest_jsonl": "[" * 100_000}, ":1: not what a row should be"),
        ({"labels_csv": CSV, "manifest_csv": CSV}, "it has manifest.csv and labels.csv; leave one"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_manifest_that_is_not_sound_says_where(
    folder: Callable[..., Path], texts: dict[str, str], message: str
) -> None:
    root = folder("a.png", "b.png", "../outside.png", **texts)
    (root / "link.png").symlink_to("../outside.png")
    (root / "loop.png").symlink_to("loop.png")

    with pytest.raises(UsageError, match=message):
        single(root)


def test_a_manifest_of_another_encoding_is_refused(folder: Callable[..., Path]) -> None:
    root = folder("a.png")
    (root / "labels.csv").write_bytes("file,label\na.png,chien poilu à poil\n".encode("latin-1"))

    with pytest.raises(UsageError, match=r"labels\.csv: cannot be read: 'utf-8' codec"):
        single(root)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ((), "no labelled pictures in it; give it a folder for each class"),
        (("a.png",), "no labelled pictures in it"),
        (("cat/notes.txt", "bird/a.png"), r"data/cat: a class without pictures; remove it"),
    ],
    ids=["empty", "loose pictures only", "empty class"],
)
def test_a_folder_without_labelled_pictures_is_refused(
    folder: Callable[..., Path], pictures: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        single(folder(*pictures))


def test_what_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none: not a folder; name .* --data"):
        single(tmp_path / "none")


@pytest.mark.parametrize("what", ["data", "data/cat/a.png"])
def test_what_may_not_be_read_is_named(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # Files cannot be closed to root, as whom tests may run.
    root = folder("cat/a.png", "cat/b.png")
    kind = type(root)
    iterate, open_file = kind.iterdir, kind.open

    def closed(real: Any) -> Any:
        def call(self: Path, *arguments: Any, **options: Any) -> Any:
            if self == root.parent / what:
                raise PermissionError(13, "Permission denied")
            return real(self, *arguments, **options)

        return call

    monkeypatch.setattr(kind, "iterdir", closed(iterate))
    monkeypatch.setattr(kind, "open", closed(open_file))

    with pytest.raises(UsageError, match=f"{what}: cannot be read: Permission denied"):
        single(root)


def test_a_name_that_is_no_text_is_refused(folder: Callable[..., Path]) -> None:
    root = folder("cat/a.png")
    os.rename(root / "cat" / "a.png", os.fsencode(root) + b"/cat/\xff.png")  # noqa: PTH104

    with pytest.raises(UsageError, match="is not UTF-8; rename it"):
        single(root)


@pytest.mark.parametrize(
    ("second", "message"),
    [("cat/b.png", "the same picture as .*cat/a.png; "), ("dog/b.png", ", with different labels;")],
    ids=["same label", "other label"],
)
def test_a_picture_that_is_there_twice_is_refused(
    folder: Callable[..., Path], second: str, message: str
) -> None:
    root = folder("cat/a.png", "cat/c.png", second)
    (root / second).write_bytes((root / "cat" / "a.png").read_bytes())

    with pytest.raises(UsageError, match=message):
        single(root, ("cat", "dog"))


def test_the_fingerprint_is_of_pictures_and_labels(folder: Callable[..., Path]) -> None:
    root = folder("cat/a.png", "bird/b.png")
    first = single(root).fingerprint

    (root / "cat" / "a.png").rename(root / "cat" / "z.png")
    renamed = single(root).fingerprint
    reordered = single(root, ("hot dog", "cat", "bird")).fingerprint
    (root / "cat" / "z.png").rename(root / "bird" / "z.png")
    (root / "cat").rmdir()
    relabelled = single(root).fingerprint
    (root / "bird" / "z.png").unlink()
    fewer = single(root).fingerprint

    assert first == renamed == reordered
    assert len({first, relabelled, fewer}) == 3
    assert len(first) == 64


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        (["cat"], ["Cat", "cat"], {"cat": 1}),
        (["Hot_Dog"], ["bird", "hot dog"], {"Hot_Dog": 1}),
        (["hot-dog"], ["hot  dog"], {"hot-dog": 0}),
        (["T-shirt"], ["t shirt", "shirt"], {"T-shirt": 0}),
        (["3", "10"], ["10", "3"], {"3": 1, "10": 0}),
        (["GRÜN"], ["grün"], {"GRÜN": 0}),
    ],
    ids=["exact", "underscore and case", "hyphen", "all", "numbers", "umlaut"],
)
def test_class_names_find_their_label(
    names: list[str], labels: list[str], expected: Mapping[str, int]
) -> None:
    assert match_labels(names, labels, where="data") == expected


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [
        (["zebu", "cat"], LABELS, "1 of its 2 classes .* 3 labels: 'zebu'; name"),
        (["brid"], LABELS, r"1 of its 1 classes .*: 'brid' \(nearest: 'bird'\); name"),
        (["hotdogs"], LABELS, r"'hotdogs' \(nearest: 'hot dog'\)"),
        ([f"x{number}" for number in range(9)], LABELS, "9 of its 9 classes .* and 4 more;"),
        (["1"], ["bird", "cat"], "'1'; name the classes as the model does"),
        (["-1", "_2"], ["1", "2"], "2 of its 2 classes are none"),
        (["crane"], ["crane", "bird", "crane"], "'crane' may be any .* number 0, 2"),
        (["CRANE"], ["crane", "Crane"], "'CRANE' may be any .* number 0, 1"),
        (["Cat", "cat"], ["cat"], "'Cat' and 'cat' both look like the model's label 'cat'"),
    ],
    ids=[
        "unknown",
        "misspelt",
        "near",
        "many",
        "position",
        "signs",
        "twice in the model",
        "alike in the model",
        "alike in the data",
    ],
)
def test_class_names_that_are_no_label_are_named(
    names: list[str], labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        match_labels(names, labels, where="data")


@settings(derandomize=True)
@given(labels=st.lists(st.text(max_size=8), unique=True, max_size=8), data=st.data())
def test_labels_stand_for_themselves(labels: list[str], data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(labels), unique=True)) if labels else []

    assert match_labels(names, labels, where="data") == {name: labels.index(name) for name in names}


@settings(derandomize=True)
@given(
    content=st.one_of(
        st.binary(max_size=80),
        st.text(alphabet='path,label\n\r";|\0{}[]:tes é\ud800', max_size=80).map(
            lambda text: ("path,label\n" + text).encode("utf-8", "surrogatepass")
        ),
    ),
    name=st.sampled_from(["labels.csv", "manifest.jsonl"]),
)
def test_whatever_a_manifest_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    manifest = tmp_path_factory.getbasetemp() / name
    manifest.write_bytes(content)

    with contextlib.suppress(UsageError):
        assert all(
            row.path and row.where.startswith(str(manifest)) for row in read_manifest(manifest)
        )


def test_real_class_folders_are_found(shared_data: Path) -> None:
    root = shared_data / "clothing_small"
    labels = tuple(sorted(path.name for path in (root / "train").iterdir()))

    data = single(root, labels)

    assert (data.name, len(data.pictures)) == ("clothing_small/test", 372)
    assert data == single(root / "test", labels)
    assert {picture.labels for picture in data.pictures} == {(label,) for label in range(10)}


def test_a_real_manifest_is_read(shared_data: Path) -> None:
    data = single(shared_data / "sign_digits", tuple("0123456789"))

    assert (data.name, len(data.pictures)) == ("sign_digits/test", 307)
    assert all(picture.id.startswith("images/") for picture in data.pictures)
    assert said(data)["images/0/img_5695.jpg"] == ("0",)
