from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog import archive as module
from edge_recog.archive import MAX_FILE_BYTES, MAX_FILES, append_archive, split_archive
from edge_recog.errors import NotATfliteModelError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = b"\x1c\0\0\0TFL3" + bytes(range(100))
FILES = {"labels.txt": b"ant\nbee\n", "edge_recog.json": b'{"schema_version": 1}' * 20}
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    # ZIP's separator is a slash, and zipfile makes one of a backslash on Windows.
    lambda name: not set(name) & set("/\\")
)


@given(st.binary(max_size=500), st.dictionaries(NAMES, st.binary(max_size=200), min_size=1))
def test_what_is_appended_is_split_again(model: bytes, files: dict[str, bytes]) -> None:
    assert split_archive(append_archive(model, files)) == (model, files)


def test_the_same_content_gives_the_same_bytes() -> None:
    assert append_archive(MODEL, FILES) == append_archive(MODEL, FILES)


def test_files_are_stored_as_they_are_because_mediapipe_reads_no_others() -> None:
    data = append_archive(MODEL, FILES)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        kinds = {entry.compress_type for entry in archive.infolist()}

    assert kinds == {zipfile.ZIP_STORED}
    assert FILES["edge_recog.json"] in data


def test_the_model_is_in_front_untouched() -> None:
    assert append_archive(MODEL, FILES).startswith(MODEL)


def test_a_model_without_a_zip_is_all_model() -> None:
    assert split_archive(MODEL) == (MODEL, {})


def test_an_empty_zip_holds_nothing() -> None:
    assert split_archive(append_archive(MODEL, {})) == (MODEL, {})


def test_a_zip_whose_offsets_count_from_itself_is_read_too() -> None:
    tail = append_archive(b"", FILES)

    assert split_archive(MODEL + tail) == (MODEL, FILES)


def test_compressed_files_of_others_are_read() -> None:
    buffer = io.BytesIO(MODEL)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", b"cat\n" * 1000)

    assert split_archive(buffer.getvalue()) == (MODEL, {"labels.txt": b"cat\n" * 1000})


def test_real_models_have_their_label_files(shared_data: Path) -> None:
    path = shared_data / "mobilenet_v1_025" / "mobilenet_v1_0.25_224_quant.tflite"
    model, files = split_archive(path.read_bytes())

    assert model[4:8] == b"TFL3"
    assert list(files) == ["labels.txt"]
    assert files["labels.txt"].startswith(b"background\ntench\n")


def test_a_name_twice_is_refused() -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("labels.txt", b"cat")
        archive.writestr("labels.txt", b"dog")

    with pytest.raises(NotATfliteModelError, match=r"'labels\.txt' is in its ZIP twice"):
        split_archive(MODEL + buffer.getvalue())


def test_too_many_files_are_refused() -> None:
    data = append_archive(MODEL, {str(number): b"" for number in range(MAX_FILES + 1)})

    with pytest.raises(NotATfliteModelError, match="more than 64 files"):
        split_archive(data)


def deflated(files: dict[str, int]) -> bytes:
    """Return a small ZIP of files that unpack to that many zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in files.items():
            archive.writestr(name, bytes(size))
    return buffer.getvalue()


def test_a_file_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(NotATfliteModelError, match=r"'big' in its ZIP is over 16 MiB"):
        split_archive(MODEL + deflated({"big": MAX_FILE_BYTES + 1}))


def test_files_that_unpack_to_too_much_together_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 2500)

    with pytest.raises(NotATfliteModelError, match="unpacks to over 64 MiB"):
        split_archive(MODEL + deflated({"one": 1000, "two": 1000, "three": 1000}))


def test_a_file_that_says_it_is_smaller_than_it_is_is_refused() -> None:
    data = bytearray(deflated({"big": 100_000}))
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 10)

    with pytest.raises(NotATfliteModelError, match="the ZIP at its end is damaged"):
        split_archive(MODEL + data)


def test_an_encrypted_file_is_refused() -> None:
    data = bytearray(append_archive(b"", FILES))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1

    with pytest.raises(NotATfliteModelError, match=r"the ZIP at its end is damaged: .*encrypted"):
        split_archive(MODEL + data)


def test_a_changed_byte_of_content_is_noticed() -> None:
    data = append_archive(MODEL, FILES).replace(b"ant", b"ent")

    with pytest.raises(NotATfliteModelError, match="Bad CRC-32"):
        split_archive(data)


@given(st.data())
def test_a_damaged_zip_is_read_or_refused(data: st.DataObject) -> None:
    file = bytearray(append_archive(MODEL, FILES))
    for _ in range(data.draw(st.integers(1, 5))):
        position = data.draw(st.integers(len(MODEL), len(file) - 1))
        file[position] = data.draw(st.integers(0, 255) | st.sampled_from([0, 1, 127, 255]))
    cut = data.draw(st.just(len(file)) | st.integers(0, len(file)))

    with contextlib.suppress(NotATfliteModelError):
        model, files = split_archive(bytes(file[:cut]))
        assert bytes(file).startswith(model)
        assert all(isinstance(content, bytes) for content in files.values())


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_anything_around_an_end_of_zip_mark_is_read_or_refused(before: bytes, after: bytes) -> None:
    data = before + b"PK\x05\x06" + after

    with contextlib.suppress(NotATfliteModelError):
        model, _ = split_archive(data)
        assert data.startswith(model)
