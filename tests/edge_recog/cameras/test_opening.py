from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_recog.cameras import SOURCES, FrameSource, open_source
from edge_recog.cameras.images import FolderSource, ImageSource
from edge_recog.errors import EdgeRecogError, SourceError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(bytes(cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1]))
    return path


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "path"])
def test_a_path_is_opened_as_what_it_is(picture: Path, as_text: bool) -> None:
    convert = str if as_text else lambda path: path

    assert isinstance(open_source(convert(picture)), ImageSource)
    assert isinstance(open_source(convert(picture.parent)), FolderSource)


@pytest.mark.parametrize(
    ("scheme", "kind"), [("image", ImageSource), ("folder", FolderSource), ("images", FolderSource)]
)
def test_a_scheme_says_what_a_path_is(picture: Path, scheme: str, kind: type) -> None:
    path = picture if scheme == "image" else picture.parent

    with open_source(f"{scheme}:{path}") as source:
        assert isinstance(source, kind)
        assert len(list(source)) == 1


def test_a_file_whose_name_looks_like_a_scheme_is_a_file(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    picture.rename("video:1.png")

    with open_source("video:1.png") as source:
        assert len(list(source)) == 1


def test_a_path_object_is_never_a_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path as AnyPath

    monkeypatch.chdir(tmp_path)

    with pytest.raises(SourceError, match="synthetic:8x8: no such file or folder"):
        open_source(AnyPath("synthetic:8x8"))


def test_an_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no source is called webcam; there are image, folder"):
        open_source("webcam:0")


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        open_source("/nowhere/cat.jpg")


@pytest.mark.parametrize("scheme", ["folder", "images", "video", "file"])
def test_options_that_a_source_does_not_have_are_refused(picture: Path, scheme: str) -> None:
    with pytest.raises(UsageError, match="it has no option 'lop'; did you mean 'loop'"):
        open_source(f"{scheme}:{picture}?lop=1")


def test_a_picture_has_no_options(picture: Path) -> None:
    with pytest.raises(UsageError, match="it has no options, so 'rotate' cannot be set"):
        open_source(f"image:{picture}?rotate=90")


def test_an_option_that_is_set_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="count is set twice"):
        open_source("synthetic:8x8?count=1&count=2")


@pytest.mark.parametrize("text", ["x" * 5000, "image:\0", "a\0b", "synthetic:" + "1" * 5000])
def test_a_text_that_cannot_be_a_path_is_refused(text: str) -> None:
    with pytest.raises(EdgeRecogError):
        list(open_source(text))


@pytest.mark.parametrize("scheme", SOURCES)
def test_every_source_in_the_table_exists(scheme: str) -> None:
    module, name = SOURCES[scheme].split(":")

    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("where", ["picture", "folder", "synthetic"])
def test_sources_are_what_the_protocol_says(picture: Path, where: str) -> None:
    text = {
        "picture": str(picture),
        "folder": str(picture.parent),
        "synthetic": "synthetic:8x8?count=1",
    }[where]

    with open_source(text) as source:
        assert isinstance(source, FrameSource)
        assert len(list(source)) == source.length
    source.close()


@pytest.mark.parametrize(
    ("options", "is_patient"), [("", True), ("?rate=5", False)], ids=["read", "played"]
)
def test_a_recording_is_patient_unless_it_is_played(
    tmp_path: Path, options: str, is_patient: bool
) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "one.png"), picture)
    for where in (f"images:{tmp_path}{options}", f"synthetic:8x8{options}"):
        with open_source(where) as source:
            assert source.is_patient is is_patient
