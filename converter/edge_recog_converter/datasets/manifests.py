"""Tables that say which labels each picture has.

CSV files have a head line with the columns `path` or `file` (or `id`, as `splits.csv` has it),
`label` or `labels`, and optionally `split` and `group`; several labels are separated by `;` or `|`
in `labels`. JSON-lines files have one object a line:
`{"path": "a.jpg", "labels": ["cat", "dog"], "split": "test"}`. Whatever else a table has is left
alone. The benchmark reads the same files, of which it takes the split `test`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.cameras.images import IMAGE_SUFFIXES
from edge_recog_converter.datasets.entries import Entry, Found, is_text, plain_name
from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edge_recog_converter.datasets.labelled import Split

PICTURE_FOLDERS = ("images", "pictures")
"""Where the pictures may be if they are not beside the manifest."""
_PATHS = ("path", "file", "id")


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    """File and line, for messages."""
    path: str
    names: tuple[str, ...]
    split: Split | None
    group: str


def read_manifest(manifest: Path, *, root: Path, pictures: str, group: str) -> Found:
    """Return the pictures that a manifest lists.

    Args:
        manifest: CSV, or JSON lines if its name ends in `.jsonl`.
        root: The data folder, which ids are relative to.
        pictures: Folder below it that the manifest's paths are relative to.
        group: The column that names each picture's group.

    Raises:
        DatasetError: It cannot be read or understood, lists a picture twice, or leads out of the
            folder. That a picture is missing is found when it is read.
    """
    read = _json_rows if manifest.suffix == ".jsonl" else _csv_rows
    try:
        rows = list(read(manifest, group))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{manifest}: cannot be read: {error}") from error
    if not rows:
        raise DatasetError(f"{manifest}: it has no rows; give it one for each picture")
    without = [row for row in rows if row.split is None]
    if without and len(without) < len(rows):
        raise DatasetError(f"{without[0].where}: no split, but others have one; give all or none")
    base = _base(root, pictures, rows[0])
    seen: dict[Path, _Row] = {}
    entries = []
    for row in rows:
        path = _path(base, row)
        other = seen.setdefault(path, row)
        if other is not row:
            raise DatasetError(
                f"{row.where}: {row.path!r} is listed in {other.where} already; a picture has one "
                "row with all its labels"
            )
        picture = path.relative_to(root).as_posix()
        entries.append(Entry(path, picture, row.names, row.split, row.group))
    return Found(tuple(entries))


def _base(root: Path, pictures: str, first: _Row) -> Path:
    base = root / pictures
    if ".." in PurePosixPath(pictures).parts or not base.is_relative_to(root):
        raise DatasetError(f"{pictures}: leads out of the data folder {root}")
    bases = [base, *(root / name for name in PICTURE_FOLDERS if pictures == ".")]
    return next((one for one in bases if _path(one, first).is_file()), base)


def _path(base: Path, row: _Row) -> Path:
    plain = PurePosixPath(row.path)
    if plain.is_absolute() or ".." in plain.parts:
        raise DatasetError(f"{row.where}: {row.path!r} leads out of the data folder")
    if plain.suffix.lower() not in IMAGE_SUFFIXES or not is_text(row.path):
        raise DatasetError(f"{row.where}: {row.path!r} is not called like a picture")
    # Accents are one character or two, depending on who wrote the file's name.
    forms = [row.path, *(unicodedata.normalize(form, row.path) for form in ("NFC", "NFD"))]
    path = next((base / form for form in forms if (base / form).exists()), base / plain)
    try:
        leads_out = not path.resolve().is_relative_to(base.resolve())
    except (OSError, RuntimeError) as error:  # The latter for links that lead in a circle.
        raise DatasetError(f"{row.where}: {row.path!r} cannot be read: {error}") from error
    if leads_out:
        raise DatasetError(f"{row.where}: {row.path!r} leads out of the data folder")
    return path


def _csv_rows(manifest: Path, group: str) -> Iterator[_Row]:
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        head = [column.strip() for column in next(reader, [])]
        picture = _one_of(head, *_PATHS, where=str(manifest))
        labels = _one_of(head, "label", "labels", where=str(manifest))
        for cells in reader:
            where = f"{manifest}:{reader.line_num}"
            if not cells:
                continue
            if len(cells) != len(head):
                raise DatasetError(
                    f"{where}: {len(cells)} cells, but {len(head)} columns; quote texts that have "
                    "commas in them"
                )
            values = {column: cell.strip() for column, cell in zip(head, cells, strict=True)}
            text = values[labels]
            several = labels == "labels"
            names = [name for name in re.split(r"[;|]", text) if name.strip()] if several else text
            yield _row(where, values[picture], names, values.get("split"), values.get(group, ""))


def _one_of(head: list[str], *columns: str, where: str) -> str:
    found = [column for column in head if column in columns]
    if len(found) != 1:
        raise DatasetError(
            f"{where}: its head line must have one column {' or '.join(columns)}; it has "
            f"{', '.join(head) or 'none'}"
        )
    return found[0]


def _json_rows(manifest: Path, group: str) -> Iterator[_Row]:
    text = manifest.read_text(encoding="utf-8-sig")
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{manifest}:{number}"
        if not line.strip():
            continue
        try:
            record = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise DatasetError(f"{where}: not what a row should be: {error}") from error
        picture = _one_of([key for key in record if key in _PATHS], *_PATHS, where=where)
        labels = _one_of([key for key in record if "label" in key], "label", "labels", where=where)
        names = record[labels]
        wanted = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not (wanted if labels == "labels" else isinstance(names, str)):
            raise DatasetError(f"{where}: label must be a text, labels a list of texts")
        texts = {key: _text(record, key, where) for key in (picture, "split", group)}
        yield _row(where, texts[picture], names, texts["split"] or None, texts[group])


def _text(record: Mapping[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) and not (isinstance(value, int) and key not in _PATHS):
        raise DatasetError(f"{where}: {key} is {value!r}; it must be a text")
    return str(value).strip()


def _row(where: str, path: str, names: list[str] | str, split: str | None, group: str) -> _Row:
    if not path:
        raise DatasetError(f"{where}: it names no picture")
    listed = [names] if isinstance(names, str) else names
    plain = tuple(dict.fromkeys(plain_name(name, where=where) for name in listed))
    named = {"val": "validation"}.get(split or "", split)
    known = next((one for one in SPLITS if one == named), None)
    if known is None and split is not None:
        raise DatasetError(
            f"{where}: split {split!r}; it must be {', '.join(SPLITS[:-1])} or test, or leave the "
            "column out"
        )
    return _Row(where, path, plain, known, group)
