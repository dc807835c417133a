"""Tables that say which labels each picture has.

CSV files have a head line with the columns `path` or `file`, `label` or `labels`, and optionally
`split`; several labels are separated by `;` or `|` in `labels`. JSON-lines files have one object a
line: `{"path": "a.jpg", "labels": ["cat", "dog"], "split": "test"}`. Whatever else a table has is
left alone. Where it has splits, only the rows of `test` count.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFESTS = ("manifest.csv", "labels.csv", "manifest.jsonl")
SPLITS = ("train", "validation", "val", "test")
MEASURED = "test"
"""The split whose accuracy is worth telling."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a manifest says of one picture."""

    where: str
    """File and line, for messages."""
    path: str
    """As written; not checked."""
    names: tuple[str, ...]
    """Its labels, as written; none, one or several."""
    split: str
    """One of `SPLITS`, or empty where the manifest has none."""


def find_manifest(folder: Path) -> Path | None:
    """Return the manifest in a folder; None if there is none.

    Raises:
        UsageError: There are several.
    """
    found = [folder / name for name in MANIFESTS if (folder / name).is_file()]
    if len(found) > 1:
        raise UsageError(f"{folder}: it has {found[0].name} and {found[1].name}; leave one of them")
    return found[0] if found else None


def read_manifest(manifest: Path) -> list[Row]:
    """Return the rows that count.

    Raises:
        UsageError: It cannot be read or understood, or has no row that counts.
    """
    read = _json_rows if manifest.suffix == ".jsonl" else _csv_rows
    try:
        rows = list(read(manifest))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{manifest}: cannot be read: {error}") from error
    if not rows:
        raise UsageError(f"{manifest}: it has no rows")
    if not any(row.split for row in rows):
        return rows
    for row in rows:
        if row.split not in SPLITS:
            raise UsageError(
                f"{row.where}: split {row.split!r}; it must be {', '.join(SPLITS[:-1])} or test"
            )
    measured = [row for row in rows if row.split == MEASURED]
    if not measured:
        raise UsageError(
            f"{manifest}: no row has the split {MEASURED}, and pictures that a model was trained "
            "on say nothing of its accuracy; mark those to measure, or leave the column out"
        )
    return measured


def _csv_rows(manifest: Path) -> Iterator[Row]:
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        head = [column.strip() for column in next(reader, [])]
        picture = _one_of(head, "path", "file", where=str(manifest))
        labels = _one_of(head, "label", "labels", where=str(manifest))
        for cells in reader:
            where = f"{manifest}:{reader.line_num}"
            if not cells:
                continue
            if len(cells) != len(head):
                raise UsageError(
                    f"{where}: {len(cells)} cells, but {len(head)} columns; quote texts that have "
                    "commas in them"
                )
            values = {column: cell.strip() for column, cell in zip(head, cells, strict=True)}
            text = values[labels]
            names = re.split(r"[;|]", text) if labels == "labels" else [text]
            yield _row(where, values[picture], names, values.get("split", ""))


def _one_of(head: list[str], *columns: str, where: str) -> str:
    """Return which of two columns a table has.

    Raises:
        UsageError: Neither, or more than one.
    """
    found = [column for column in head if column in columns]
    if len(found) != 1:
        raise UsageError(
            f"{where}: its head line must have one column {' or '.join(columns)}; it has "
            f"{', '.join(head) or 'none'}"
        )
    return found[0]


class _Record(msgspec.Struct):
    path: str | None = None
    file: str | None = None
    label: str | None = None
    labels: list[str] | None = None
    split: str | None = None


def _json_rows(manifest: Path) -> Iterator[Row]:
    text = manifest.read_text(encoding="utf-8-sig")
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{manifest}:{number}"
        if not line.strip():
            continue
        try:
            record = msgspec.json.decode(line, type=_Record)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise UsageError(f"{where}: not what a row should be: {error}") from error
        if (record.label is None) == (record.labels is None):
            raise UsageError(f"{where}: give it either label or labels")
        if record.path is not None and record.file is not None:
            raise UsageError(f"{where}: give it either path or file")
        names = [record.label] if record.label is not None else record.labels or []
        path = record.path if record.path is not None else record.file
        yield _row(where, path or "", names, record.split or "")


def _row(where: str, path: str, names: list[str], split: str) -> Row:
    if not path.strip():
        raise UsageError(f"{where}: it names no picture")
    stripped = [name.strip() for name in names]
    return Row(where, path.strip(), tuple(name for name in stripped if name), split.strip())
