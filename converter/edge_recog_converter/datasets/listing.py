"""`splits.csv`: which picture went where, written down; it can be read back as a manifest."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from edge_recog.files import write_file
from edge_recog_converter.datasets.labelled import SPLITS
from edge_recog_converter.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_recog_converter.datasets.labelled import Dataset


def splits_csv(dataset: Dataset, digests: Mapping[str, str]) -> str:
    """Return a table with the columns id, label (or labels), split and sha256, sorted by id.

    Several labels are separated by `|`. Where a picture has a group there is a column for it.

    Args:
        dataset: Split for good.
        digests: Picture's id → SHA-256 of its file; empty for those that cannot be read.

    Raises:
        DatasetError: A label of a multi-label set has the separator in it.
    """
    multi = dataset.task == "multi-label"
    grouped = any(picture.group for picture in dataset.pictures)
    for label in dataset.labels if multi else ():
        if "|" in label or ";" in label:
            raise DatasetError(f"{dataset.root}: rename the label {label!r}: it has | or ; in it")
    rows = [
        [
            picture.id,
            "|".join(dataset.labels[number] for number in picture.labels),
            split,
            digests.get(picture.id, ""),
            *([picture.group] if grouped else []),
        ]
        for split in SPLITS
        for picture in dataset.splits[split]
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["id", "labels" if multi else "label", "split", "sha256"]
    writer.writerow([*head, *(["group"] if grouped else [])])
    writer.writerows(sorted(rows))
    return text.getvalue()


def write_splits(path: Path, dataset: Dataset, digests: Mapping[str, str], *, force: bool) -> None:
    """Write `splits_csv` into a file, whole or not at all.

    Raises:
        DatasetError: As `splits_csv`.
        UsageError: There is such a file and `force` is not set, or it cannot be written.
    """
    write_file(path, splits_csv(dataset, digests).encode(), force=force)
